"""An encoder that knows the domain: all-MiniLM-L6-v2, fine-tuned on the classes of another set of financial texts.

Teams rarely label with an encoder that has never seen their kind of text. The labels of the set whose rows are ranked
stay unseen, so that one training serves every corruption of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.encoder import minilm_folder
from benchmarks.labels_data import CACHE, Array, LabelledRows, read_rows

OTHERS = {"twitter_financial": "sentfin", "sentfin": "twitter_financial"}
EPOCHS, BATCH, LEARNING_RATE, MAX_TOKENS = 2, 32, 1e-4, 64


def domain_states(rows: LabelledRows, other: str) -> Array:
    """Return the mean last state of each text (rows x width) by an encoder fine-tuned on another set; kept on disk."""
    path = CACHE / f"{rows.name}-domain.npy"
    if not path.exists():
        np.save(path, _fine_tuned_states(rows.texts, read_rows(other)))
    states: Array = np.load(path)
    return states


def _fine_tuned_states(texts: Sequence[str], others: LabelledRows) -> Array:
    import torch
    from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

    set_seed(0)
    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder())
    model = _classifier(len(others.classes))
    arguments = TrainingArguments(
        output_dir=str(CACHE / "training"),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        warmup_steps=0.1,  # as a share of all steps
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        seed=0,
    )
    rows = [
        {**_encoded(tokenizer, text), "labels": int(code)}
        for text, code in zip(others.texts, others.label, strict=True)
    ]
    trainer = Trainer(model, arguments, data_collator=DataCollatorWithPadding(tokenizer), train_dataset=rows)
    trainer.train()
    model.eval()
    states = np.zeros((len(texts), model.encoder.config.hidden_size), dtype=np.float32)
    order = np.argsort([len(text) for text in texts])
    with torch.inference_mode():
        for numbers in np.array_split(order, max(1, len(texts) // BATCH)):
            batch = tokenizer.pad([_encoded(tokenizer, texts[number]) for number in numbers], return_tensors="pt")
            states[numbers] = model.mean_state(**batch).numpy()
    return states


def _encoded(tokenizer: Any, text: str) -> dict[str, Any]:
    encoding = tokenizer(text, truncation=True, max_length=MAX_TOKENS)
    return {name: encoding[name] for name in ("input_ids", "attention_mask")}


def _classifier(classes: int) -> Any:
    """Return the encoder with a linear head on the mean of its last states."""
    from torch import Tensor, nn
    from transformers import AutoModel

    class MeanClassifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder: Any = AutoModel.from_pretrained(minilm_folder())
            self.head = nn.Linear(self.encoder.config.hidden_size, classes)

        def mean_state(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            states: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask[:, :, None]
            return (states * mask).sum(1) / mask.sum(1)

        def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> dict[str, Tensor]:
            logits = self.head(self.mean_state(input_ids, attention_mask))
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}

    return MeanClassifier()
