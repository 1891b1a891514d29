from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from assay.evaluation.bundle_evaluation import Evaluation
from assay.registry.lineage.version_lineage import lineages
from assay.registry.promotion import PromotionResult
from assay.serving.bundle import Bundle
from assay.serving.engine import ScoredLabel
from assay.tasks.report import log_metrics
from assay.tasks.reproduce import Match, compare
from tests.versions import Made, MakeVersion


@pytest.fixture
def made(make_version: MakeVersion) -> Made:
    return make_version("first")


def matches(made: Made, now: Evaluation) -> dict[str, Match]:
    """Compare a version with its own results, except for the evaluation."""
    results, trained = made.results, SimpleNamespace(history={"epochs": []})
    checkpoint: Any = SimpleNamespace(load=lambda: trained)
    evaluation: Any = SimpleNamespace(load=lambda: now)
    bundle = Bundle.load(results.export.path / "bundle")
    with lineages(made.run.tracking_uri, made.version.address) as (lineage,):
        reproduction = compare.fn(made.run, lineage, bundle, results.splits, checkpoint, results.export, evaluation)
    return {match.what: match for match in reproduction.matches}


def test_compare_leaves_out_what_the_gate_has_measured(made: Made) -> None:
    gate = {"baseline_f1_sentence": 0.4, "champion_f1_sentence": 0.5, "sentence.recall.up": 0.9}
    log_metrics(made.client, made.run.mlflow_run, gate, PromotionResult(version=made.version, promoted=False, why=""))
    found = matches(made, made.evaluation)
    assert all(match.equal for match in found.values()), found

    worse = made.evaluation.metrics | {"sentence.accuracy": 0.25}
    found = matches(made, made.evaluation.model_copy(update={"metrics": worse}))
    assert [match.what for match in found.values() if not match.equal] == ["metrics"]
    assert "sentence.accuracy" in found["metrics"].details


def test_compare_counts_rows_with_other_labels(made: Made) -> None:
    now = made.evaluation.model_copy()
    now.rows = [replace(row, predicted_labels=(ScoredLabel("sport", 0.9),)) for row in now.rows[:2]] + now.rows[2:]
    assert matches(made, now)["predictions"].details.startswith(f"in 2 of {len(now.rows)} predictions")
