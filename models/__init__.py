"""The network and its training loop: torch, transformers and peft, nothing of the pipeline."""
