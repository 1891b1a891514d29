"""Versions in a real registry with the lineage that a run logs, around a toy model without training."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.evaluation.verdict import Check, Verdict
from assay.recipes.recipe import Recipe
from assay.registry.promotion import PromotionResult, register
from assay.registry.versions import Version
from assay.runs.lineage_record import keep_predictions
from assay.runs.run import Run
from assay.runs.tracking import Tracking, record_data
from assay.serving.bundle import Bundle
from assay.tasks.evaluate import evaluate
from assay.tasks.extract import extract
from assay.tasks.report import log_metrics
from assay.tasks.split import split
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
def make_version(
    store: Path, tmp_path: Path, make_bundle: Callable[..., Bundle], monkeypatch: pytest.MonkeyPatch
) -> MakeVersion:
    """Gives `make(key, ids, words, **parts of the recipe)`: a version whose model knows the classes of some words."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    corpus = tmp_path / "rows.jsonl"

    def make(key: str, ids: Sequence[int] = range(60), words: Mapping[str, str] = WORDS, **parts: Any) -> Made:
        write_rows(corpus, ids)
        source = {"kind": "files", "paths": {str(corpus): "all"}, "fields": {"id": "id", "label": "label"}}
        recipe = Recipe.model_validate(recipe_values(source=source, **parts))
        tracking = Tracking.start(recipe, store, key, None)
        run = Run(key=key, recipe=recipe, store=store, tracking_uri=tracking.uri, mlflow_run=tracking.run_id)
        snapshot = extract.fn(run)
        splits = split.fn(run, snapshot)
        record_data.fn(run, snapshot, splits)
        bundle = make_bundle(f"{key}/bundle", words, labels=sorted(WORDS.values()))
        export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
        evaluation = evaluate.fn(run, export, snapshot, splits)
        verdict = a_verdict(run, bundle, snapshot, Splits.load(splits.path))
        version = register(run, some_results(export=export, evaluation=evaluation, splits=splits), verdict)
        made = Made(run, version, snapshot, Splits.load(splits.path), Evaluation.load(evaluation.path))
        keep_predictions(made.client, run.mlflow_run, bundle.digest, evaluation.path)
        promotion = PromotionResult(version=version, promoted=False, why="")
        log_metrics(made.client, run.mlflow_run, made.evaluation.metrics, promotion)
        return made

    return make


def a_verdict(run: Run, bundle: Bundle, snapshot: ArtifactRef[Snapshot], splits: Splits) -> Verdict:
    return Verdict(
        recipe=run.recipe.digest,
        bundle=bundle.digest,
        snapshot=snapshot.digest,
        splits=splits.digest,
        champion=None,
        checks=[Check(name="score", measured="1", required="0", passed=True, why="")],
    )
