"""Assess: score the exported bundle on validation rows, for what is decided before the verdict.

The gate looks at test rows, once. Whether to tune or to mitigate, and whether that has helped, is asked here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.completion_manifest import read_manifest
from assay.evaluation.export_report import BUNDLE, ExportReport
from assay.evaluation.labelled_predictions import outcomes_of, predict_rows
from assay.evaluation.slice_checks import SliceFinding, find_slices
from assay.recipes.recipe import Gate, Head
from assay.runs.run import Run
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine

VALIDATION_SCORES = "assessment.json"


class ValidationScores(BaseModel):
    """`assessment.json`: F1 of each head for which the validation rows hold something to find, and every slice."""

    model_config = ConfigDict(frozen=True)

    f1: dict[Head, float]
    slices: list[SliceFinding]

    @property
    def score(self) -> float:
        """Mean F1 of the heads."""
        return float(np.mean(list(self.f1.values()))) if self.f1 else 0.0

    @property
    def failed(self) -> list[SliceFinding]:
        """The slices that are served clearly worse than the whole."""
        return [finding for finding in self.slices if finding.failed]

    def below(self, gate: Gate) -> dict[Head, float]:
        """F1 of the heads that the gate would refuse if the test rows were these."""
        return {head: value for head, value in self.f1.items() if value < gate.min_f1[head]}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a finished assessment.

        Raises:
            AssayError: there is none.
        """
        marker = read_manifest(folder, VALIDATION_SCORES, "a finished assessment", "run with --from score")
        return cls.model_validate_json(marker)


@task(name="score", cache_policy=NO_CACHE)
def score(
    run: Run, export: ArtifactRef[ExportReport], snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]
) -> ArtifactRef[ValidationScores]:
    """Score the bundle on the validation rows.

    Args:
        run: with the recipe and its gate.
        export: the bundle.
        snapshot: the data.
        splits: the sides.

    Returns:
        A folder with an `Assessment`.

    Raises:
        AssayError: a condition of a slice names a column that the rows do not have.
    """
    recipe = run.recipe
    inputs = {
        "export": export.digest,
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "slices": recipe.gate.slices.model_dump(mode="json"),
    }

    def make(folder: Path) -> None:
        split_of = splits.load()
        rows = split_of.rows(snapshot.load(), "validation")
        found = score_on_validation(
            Bundle.load(export.path / BUNDLE), rows, recipe.gate, recipe.heads, split_of.clusters
        )
        (folder / VALIDATION_SCORES).write_text(found.model_dump_json(indent=2), encoding="utf-8")

    return run.once("score", inputs, make).to(ValidationScores)


def score_on_validation(
    bundle: Bundle,
    rows: Sequence[Example],
    gate: Gate,
    heads: Sequence[Head],
    clusters: Mapping[str, str] | None = None,
) -> ValidationScores:
    """F1 of each head and each slice that the gate judges; `clusters` as for `predict_rows`."""
    answers = predict_rows(Engine(bundle), rows, clusters)
    outcomes = {head: outcomes_of(answers, head) for head in heads}
    f1 = {head: found.f1() for head, found in outcomes.items() if len(found)}
    return ValidationScores(
        f1={head: value for head, value in f1.items() if np.isfinite(value)},
        slices=find_slices(answers, gate.slices, heads) if gate.slices.active else [],
    )
