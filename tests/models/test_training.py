from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from corpus.example import Entity, Example
from models.checkpoint import Checkpoint
from models.training import train
from recipes.recipe import Head, Model, Training

ROWS = [
    Example(
        id=str(index),
        text=f"shares of {name} {verb}",
        label="up" if verb == "rose" else "down",
        entities=(Entity(10, 10 + len(name), "ORG"),),
    )
    for index, (name, verb) in enumerate(
        (name, verb) for name in ["Bayer", "Siemens", "New York", "Süß & Söhne"] for verb in ["rose", "fell"] * 3
    )
]
TRAINING = Training(epochs=2, batch_size=8, learning_rate=1e-3)


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
@pytest.mark.parametrize("heads", [["sentence"], ["tokens"], ["sentence", "tokens"]])
def test_every_pair_of_encoder_and_heads_trains_and_loads(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str, heads: list[Head]
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    train(ROWS, ROWS[:8], Model(encoder=str(folder), heads=heads, max_length=32), TRAINING, tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(ROWS[0].text, return_tensors="pt")
    logits = checkpoint.network()(inputs["input_ids"], inputs["attention_mask"])
    assert sorted(logits) == sorted(heads)
    assert all(len(wanted) == given.shape[-1] for wanted, given in _sizes(checkpoint, logits))


def _sizes(checkpoint: Checkpoint, logits: dict[str, torch.Tensor]) -> list[tuple[list[str], torch.Tensor]]:
    names = {"sentence": checkpoint.labels, "tokens": checkpoint.tags}
    return [(names[head], values) for head, values in logits.items()]
