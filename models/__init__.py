"""Networks and their training loop with torch, transformers and peft, independent of the pipeline."""
