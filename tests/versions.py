"""Versions in a real registry with the lineage that a run logs, around a toy model without training."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.evaluation.run_results import RunResults
from assay.evaluation.verdict import Check, Verdict
from assay.recipes.recipe import Recipe
from assay.registry.promotion import PromotionResult, register_candidate
from assay.registry.versions import Version
from assay.runs.lineage_record import keep_predictions
from assay.runs.run import Run
from assay.runs.tracking import Tracking, record_data
from assay.serving.bundle import Bundle
from assay.tasks.evaluate import evaluate
from assay.tasks.extract import extract
from assay.tasks.report import log_metrics
from assay.tasks.split import split
from tests.bundles import build_bundle
from tests.results import some_results
from tests.snapshots import recipe_values

WORDS = {"good": "up", "bad": "down"}


@dataclass(frozen=True)
class Made:
    """A registered version, and the run that made it."""

    run: Run
    version: Version
    snapshot: ArtifactRef[Snapshot]
    splits: Splits
    evaluation: Evaluation
    results: RunResults

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=self.run.tracking_uri)


MakeVersion = Callable[..., Made]


def write_rows(path: Path, ids: Sequence[int]) -> None:
    """Rows of two classes whose texts are no near-duplicates of each other."""
    letters = str.maketrans("0123456789", "abcdefghij")
    rows = [{"id": f"r{one}", "text": f"{'good' if one % 2 else 'bad'} {str(one).translate(letters)}"} for one in ids]
    labelled = [{**row, "label": WORDS[row["text"].split()[0]]} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in labelled), encoding="utf-8")


@pytest.fixture
def make_version(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeVersion:
    """Gives `make(key, ids, words, **parts of the recipe)`: a version whose model knows the classes of some words."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return partial(register_version, store, tmp_path)


def new_store(folder: Path, mlflow_database: Path) -> Path:
    """Make a store in a folder, for versions that the tests of a module share."""
    store = folder / "store"
    store.mkdir()
    shutil.copy(mlflow_database, store / "mlflow.db")
    return store


def register_version(
    store: Path, folder: Path, key: str, ids: Sequence[int] = range(60), words: Mapping[str, str] = WORDS, **parts: Any
) -> Made:
    """Register a version whose model knows the classes of some words; `folder` takes its rows and its bundle."""
    corpus = folder / "rows.jsonl"
    write_rows(corpus, ids)
    source = {"kind": "files", "paths": {str(corpus): "all"}, "fields": {"id": "id", "label": "label"}}
    recipe = Recipe.model_validate(recipe_values(source=source, **parts))
    tracking = Tracking.start(recipe, store, key, None)
    run = Run(key=key, recipe=recipe, store=store, tracking_uri=tracking.uri, mlflow_run=tracking.run_id)
    snapshot = extract.fn(run)
    splits = split.fn(run, snapshot)
    record_data.fn(run, snapshot, splits)
    (folder / key / "bundle").mkdir(parents=True)
    bundle = build_bundle(folder / key / "bundle", words, {}, sorted(WORDS.values()))
    export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
    evaluation = evaluate.fn(run, export, snapshot, splits)
    verdict = a_verdict(run, bundle, snapshot, Splits.load(splits.path))
    results = some_results(snapshot=snapshot, splits=splits, export=export, evaluation=evaluation)
    version = register_candidate(run, results, verdict)
    made = Made(run, version, snapshot, Splits.load(splits.path), Evaluation.load(evaluation.path), results)
    keep_predictions(made.client, run.mlflow_run, bundle.digest, evaluation.path)
    promotion = PromotionResult(version=version, promoted=False, why="")
    log_metrics(made.client, run.mlflow_run, made.evaluation.metrics, promotion)
    return made


def a_verdict(run: Run, bundle: Bundle, snapshot: ArtifactRef[Snapshot], splits: Splits) -> Verdict:
    return Verdict(
        recipe=run.recipe.digest,
        bundle=bundle.digest,
        snapshot=snapshot.digest,
        splits=splits.digest,
        champion=None,
        checks=[Check(name="score", measured="1", required="0", passed=True, why="")],
    )
