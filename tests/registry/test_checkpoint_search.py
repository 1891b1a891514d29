import json
import shutil
from pathlib import Path

import pytest

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.storage.digest import digest_file, digest_folder
from assay.evaluation import parity
from assay.evaluation.parity import Parity
from assay.models.checkpoint import MANIFEST, Checkpoint, CheckpointManifest
from assay.models.export.onnx_graph import export_graph
from assay.models.training_loop import train
from assay.recipes.recipe import ModelSection, Training
from assay.registry.checkpoint_search import _checkpoints, find_checkpoint
from assay.runs.step_result import STEP_MANIFEST
from assay.serving.bundle import MODEL, TOKENIZER, Bundle, BundleManifest, GoldenRow, write_manifest
from assay.serving.engine import Engine, Row

TEXTS = ["shares rose", "shares fell", "rose again", "fell again"]
EXAMPLES = [Example(id=str(n), text=text, label="up" if "rose" in text else "down") for n, text in enumerate(TEXTS * 4)]


def finish(step: Path) -> None:
    """Write the manifest of a finished step."""
    (step / STEP_MANIFEST).write_text(json.dumps({"step": step.name, "files": digest_folder(step)}), encoding="utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Path:
    """A store with a run that trained twice and exported the second checkpoint."""
    store = tmp_path_factory.mktemp("store")
    run = store / "runs" / "toy" / "key"
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["sentence"], max_length=16)
    for number, name in enumerate(("train-1", "train-2")):
        (run / name).mkdir(parents=True)
        train(EXAMPLES, EXAMPLES[:4], model, Training(epochs=1, batch_size=8, seed=number), run / name)
        finish(run / name)
    write_bundle(Checkpoint.load(run / "train-2"), run / "export-1" / "bundle")
    return store


def write_bundle(checkpoint: Checkpoint, folder: Path) -> None:
    folder.mkdir(parents=True)
    network = checkpoint.network(attention="eager")
    export_graph(network, folder / MODEL, type_ids=checkpoint.uses_type_ids, max_length=16)
    shutil.copyfile(checkpoint.tokenizer_path, folder / TOKENIZER)
    manifest = BundleManifest(
        name="toy", labels=checkpoint.labels, tags=[], pair=False, type_ids=checkpoint.uses_type_ids,
        pad_id=checkpoint.pad_id, max_length=16, cleaning=checkpoint.cleaning, precision="fp32", cpu_flags=[],
        files={name: digest_file(folder / name) for name in (MODEL, TOKENIZER)}, snapshot="s", recipe={}, golden=[],
    )  # fmt: skip
    write_manifest(folder, manifest)
    predictions = Engine(Bundle.load(folder), threads=1).predict([Row(text) for text in TEXTS])
    golden = [
        GoldenRow(text=text, label=prediction.label, probabilities=list(prediction.probabilities))
        for text, prediction in zip(TEXTS, predictions, strict=True)
    ]
    write_manifest(folder, manifest.model_copy(update={"golden": golden}))


@pytest.mark.slow  # two trainings and an export
def test_find_checkpoint_returns_the_one_that_predicts_as_the_bundle(store: Path, tmp_path: Path) -> None:
    run = store / "runs" / "toy" / "key"
    checkpoint, bundle = find_checkpoint(str(run / "export-1" / "bundle"), store, None)
    assert checkpoint.folder == run / "train-2"
    assert bundle is not None
    alone, none = find_checkpoint(str(run / "train-1"), store, None)
    assert (alone.folder, none) == (run / "train-1", None)
    with pytest.raises(AssayError, match=r"does not hold the checkpoint of .*name the store of its run"):
        find_checkpoint(str(run / "export-1" / "bundle"), tmp_path, None)


@pytest.mark.slow  # uses the trainings above
def test_find_checkpoint_takes_the_nearest_of_a_precision_that_changes_predictions(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store / "runs" / "toy" / "key"
    differing = {run / "train-1": Parity(2.0, False, 4), run / "train-2": Parity(0.4, False, 4)}
    parities = iter(differing[checkpoint.folder] for checkpoint in _checkpoints(run, manifest_of(run)))
    monkeypatch.setattr(parity, "compare_with_torch", lambda *_: next(parities))
    monkeypatch.setattr(Engine, "__init__", lambda engine, _: setattr(engine, "precision", "int8"))
    checkpoint, _ = find_checkpoint(str(run / "export-1" / "bundle"), store, None)
    assert checkpoint.folder == run / "train-2"


def manifest_of(run: Path) -> BundleManifest:
    return Bundle.load(run / "export-1" / "bundle").manifest


def test_checkpoints_leaves_out_those_with_other_labels(tmp_path: Path) -> None:
    def checkpoint(name: str, row_labels: list[str]) -> CheckpointManifest:
        manifest = CheckpointManifest(
            labels=[], tags=[], pair=False, max_length=16, cleaning=Cleaning(), uses_type_ids=False, pad_id=0,
            row_labels=row_labels,
        )  # fmt: skip
        (tmp_path / name).mkdir()
        (tmp_path / name / MANIFEST).write_text(manifest.model_dump_json(), encoding="utf-8")
        finish(tmp_path / name)
        return manifest

    wanted = checkpoint("train-1", ["money", "sport"])
    checkpoint("train-2", ["money", "weather"])
    bundle = BundleManifest.model_construct(labels=wanted.labels, tags=wanted.tags, row_labels=wanted.row_labels)  # type: ignore[call-arg]  # the others do not matter
    assert [found.folder.name for found in _checkpoints(tmp_path, bundle)] == ["train-1"]
