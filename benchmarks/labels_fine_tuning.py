"""All-MiniLM-L6-v2, fine-tuned on the classes of texts (`make bench-labels`), and the predictions of held-out texts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.encoder import minilm_folder
from benchmarks.labels_data import CACHE, Array

EPOCHS, BATCH, MAX_TOKENS = 2, 32, 64
# Halves cost least: each text is trained on once, and held out once.
FOLDS, LEARNING_RATE = 2, 1.5e-4


class FineTunedEncoder:
    """The encoder with a linear head on the mean of its last states, trained on labelled texts.

    Args:
        texts: the texts to train on.
        label: the class of each, as a number.
        classes: number of classes.
        learning_rate: largest learning rate; it rises for a tenth of the steps, and falls after that.
        trains_words: whether the word embeddings are trained, too.
    """

    def __init__(
        self,
        texts: Sequence[str],
        label: Array,
        classes: int,
        *,
        learning_rate: float,
        trains_words: bool,
    ) -> None:
        from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, set_seed

        set_seed(0)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder())
        self._model = _classifier(classes)
        self._model.encoder.embeddings.requires_grad_(trains_words)
        arguments = TrainingArguments(
            output_dir=str(CACHE / "training"),
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=learning_rate,
            warmup_steps=0.1,  # as a share of all steps
            weight_decay=0.01,
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            report_to=[],
            remove_unused_columns=False,
            seed=0,
        )
        rows = [{**self._encoded(text), "labels": int(code)} for text, code in zip(texts, label, strict=True)]
        collator = DataCollatorWithPadding(self._tokenizer)
        Trainer(self._model, arguments, data_collator=collator, train_dataset=rows).train()
        self._model.eval()

    def states(self, texts: Sequence[str]) -> Array:
        """Return the mean last state of each text (rows x width)."""
        return self._computed(texts, self._model.mean_state)

    def probabilities(self, texts: Sequence[str]) -> Array:
        """Return the probability of each class (rows x classes)."""
        return self._computed(texts, lambda **batch: self._model.head(self._model.mean_state(**batch)).softmax(-1))

    def _computed(self, texts: Sequence[str], compute: Any) -> Array:
        import torch

        computed: dict[int, Array] = {}
        order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
        with torch.inference_mode():
            for begin in range(0, len(order), BATCH):
                numbers = order[begin : begin + BATCH]
                encoded = [self._encoded(texts[number]) for number in numbers]
                batch = self._tokenizer.pad(encoded, return_tensors="pt")
                computed |= zip(numbers, compute(**batch).numpy(), strict=True)
        return np.stack([computed[number] for number in range(len(texts))])

    def _encoded(self, text: str) -> dict[str, Any]:
        encoding = self._tokenizer(text, truncation=True, max_length=MAX_TOKENS)
        return {name: encoding[name] for name in ("input_ids", "attention_mask")}


def held_out_probabilities(texts: Sequence[str], label: Array, classes: int, seed: int) -> Array:
    """Return the probabilities of each text by an encoder that was fine-tuned on the other half of the texts."""
    fold = np.random.default_rng(seed).permutation(len(texts)) % FOLDS
    probabilities = np.zeros((len(texts), classes), dtype=np.float32)
    for held_out in range(FOLDS):
        rows, others = np.flatnonzero(fold == held_out).tolist(), np.flatnonzero(fold != held_out).tolist()
        trained = FineTunedEncoder(
            [texts[row] for row in others], label[others], classes, learning_rate=LEARNING_RATE, trains_words=False
        )
        probabilities[rows] = trained.probabilities([texts[row] for row in rows])
    return probabilities


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
