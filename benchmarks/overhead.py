"""Overhead of the pipeline over bare training and evaluation (`make bench-train`).

One process runs the whole flow on SNIPS (extraction, validation, split, training, export, evaluation, gate,
registration, model card), and trains and evaluates the same network on the same rows without the pipeline. Packages are
imported and Prefect's temporary server is up before these clocks start.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from prefect import flow

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.flows.local import run_training
from assay.models.batching import Collator
from assay.models.checkpoint import Checkpoint
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.training_loop import train
from assay.models.validation_scores import metrics, predict
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from assay.serving.encoding import TextEncoder
from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, write_rows

DATA = Path(__file__).parents[2] / "shared" / "data" / "snips"
SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
COMMAND = "make bench-train"


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3, help="fewer epochs increase the share of the overhead")
    epochs = parser.parse_args().epochs
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: this benchmark reads real rows from there")
    paths = json.dumps({str(DATA / f"snips_{name}.jsonl"): split_name for name, split_name in SPLIT_NAMES.items()})
    encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
    recipe = load_recipe("snips", [*encoder, f"source.paths={paths}", f"training.epochs={epochs}"])
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        store, bare_folder = Path(folder) / "store", Path(folder) / "bare"
        bare_folder.mkdir()
        begun = time.perf_counter()
        run_training(recipe, store)
        whole = time.perf_counter() - begun
        bare = bare_seconds(recipe, store, bare_folder)
    measure = f"flow wall time against bare training and evaluation, {epochs} epoch{'s' * (epochs > 1)}"
    note = f"{whole:.0f} s against {bare:.0f} s, {epochs} epochs"
    overhead = Row(
        measure=measure, value=round(whole / bare, 3), better="lower", required=1.25, command=COMMAND, note=note
    )
    write_rows("train", [overhead])


@flow
def warm_up() -> None:
    """Start Prefect's temporary server, unless one is configured."""


def bare_seconds(recipe: Recipe, store: Path, folder: Path) -> float:
    """Train on the rows that the flow trained on, and score its test rows."""
    data = Snapshot.load(next(store.glob("runs/*/extract-*")))
    splits = Splits.load(next(store.glob("runs/*/split-*")))
    rows, validation, test = (splits.rows(data, split_name) for split_name in ("train", "validation", "test"))
    begun = time.perf_counter()
    train(rows, validation, recipe.model, recipe.training, folder)
    checkpoint = Checkpoint.load(folder)
    label_set = LabelSet(checkpoint.labels, checkpoint.tags)
    encoder = TextEncoder.from_file(checkpoint.tokenizer_path, checkpoint.max_length, checkpoint.cleaning)
    encoded = EncodedRows.write(folder / "test.arrow", test, encoder, label_set)
    collate = Collator(checkpoint.pad_id, type_ids=checkpoint.uses_type_ids, sentence=True, tokens=True)
    metrics(test, predict(checkpoint.network(attention=None), encoded, collate, label_set), label_set)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
