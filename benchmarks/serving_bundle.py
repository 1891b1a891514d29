"""The bundle of the serving benchmarks: MiniLM fine-tuned on tweets, exported to int8."""

import json
import os
from pathlib import Path

from assay.corpus.example import Example
from assay.corpus.storage.atomic import atomic_folder
from assay.evaluation.export_report import BUNDLE
from assay.models.checkpoint import Checkpoint
from assay.models.training_loop import train
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Training
from assay.serving.bundle import Bundle
from assay.tasks.export import _Source, export_bundle
from benchmarks.encoder import minilm_folder

DATA = Path(__file__).parents[2] / "shared" / "data" / "twitter_financial"
PLACE = Path(os.environ.get("ASSAY_STORE", ".assay")) / "benchmarks" / "financial-tweets-int8"
LABELS = ("bearish", "bullish", "neutral")
# Enough for predictions that rounding does not change; their quality is measured elsewhere.
TRAIN_ROWS = 960
VALIDATION_ROWS = 256


def open_minilm_bundle(place: Path = PLACE) -> Bundle:
    """Open the bundle in `place`; the first call creates it."""
    if not (place / BUNDLE).is_dir():
        with atomic_folder(place) as folder:
            _make(folder)
    return Bundle.load(place / BUNDLE)


def read_texts() -> list[str]:
    """Return the texts of the published validation split."""
    return [row.text for row in _read("validation")]


def _make(folder: Path) -> None:
    changes = [
        f"model.encoder={minilm_folder()}",
        "model.revision=null",
        "model.lora=null",
        "gate.precision=int8",
        "gate.precision_max_drop=0.5",
    ]
    recipe = load_recipe("financial-tweets", changes)
    rows = _read("train")
    learnt, held = rows[:TRAIN_ROWS], rows[TRAIN_ROWS : TRAIN_ROWS + VALIDATION_ROWS]
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    train(learnt, held, recipe.model, Training(epochs=1, batch_size=32, learning_rate=2e-4), checkpoint)
    report = export_bundle(_Source(recipe, Checkpoint.load(checkpoint), "0" * 64, held), folder)
    assert report.precision == "int8", report.why


def _read(split_name: str) -> list[Example]:
    with (DATA / f"twitter_financial_{split_name}.jsonl").open(encoding="utf-8") as lines:
        rows = list(map(json.loads, lines))
    return [Example(str(number), row["text"], label=LABELS[row["label"]]) for number, row in enumerate(rows)]
