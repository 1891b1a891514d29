"""The scoring step: score the exported bundle on validation rows, for decisions before the verdict.

The gate uses the test rows, once. Whether to tune or mitigate, and whether that helped, is decided on these scores.
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
from assay.runs.step_progress import current_step, reported
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine

VALIDATION_SCORES = "validation-scores.json"


class ValidationScores(BaseModel):
    """`validation-scores.json`: F1 of each head that has labels in the validation rows, and every slice."""

    model_config = ConfigDict(frozen=True)

    f1: dict[Head, float]
    slices: list[SliceFinding]

    @property
    def score(self) -> float:
        """Return the mean F1 of the heads."""
        return float(np.mean(list(self.f1.values()))) if self.f1 else 0.0

    @property
    def failed(self) -> list[SliceFinding]:
        """Return the slices below the threshold."""
        return [finding for finding in self.slices if finding.failed]

    def below(self, gate: Gate) -> dict[Head, float]:
        """Return the F1 of the heads that the gate would refuse with these scores."""
        return {head: value for head, value in self.f1.items() if value < gate.min_f1[head]}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load finished scores.

        Raises:
            AssayError: there are none.
        """
        manifest = read_manifest(folder, VALIDATION_SCORES, "a finished scoring", "run with --from score")
        return cls.model_validate_json(manifest)


@task(name="score", cache_policy=NO_CACHE)
@reported("score")
def score(
    run: Run, export: ArtifactRef[ExportReport], snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]
) -> ArtifactRef[ValidationScores]:
    """Score the bundle on the validation rows.

    Args:
        run: the run.
        export: result of the export.
        snapshot: result of the extraction.
        splits: result of the split.

    Returns:
        A folder with `ValidationScores`.

    Raises:
        AssayError: the condition of a slice names a column that the rows do not have.
    """
    recipe = run.recipe
    inputs = {
        "export": export.digest,
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "slices": recipe.gate.slices.model_dump(mode="json"),
    }

    def make(folder: Path) -> None:
        loaded = splits.load()
        rows = loaded.rows(snapshot.load(), "validation")
        scores = score_on_validation(
            Bundle.load(export.path / BUNDLE), rows, recipe.gate, recipe.heads, loaded.clusters
        )
        (folder / VALIDATION_SCORES).write_text(scores.model_dump_json(indent=2), encoding="utf-8")

    result = run.once("score", inputs, make).to(ValidationScores)
    f1 = ", ".join(f"{head} {value:.3f}" for head, value in result.load().f1.items())
    current_step().conclude(f"F1 on validation rows: {f1}")
    return result


def score_on_validation(
    bundle: Bundle,
    rows: Sequence[Example],
    gate: Gate,
    heads: Sequence[Head],
    clusters: Mapping[str, str] | None = None,
) -> ValidationScores:
    """Return the F1 of each head and of each slice that the gate tests; `clusters` as in `predict_rows`."""
    predictions = predict_rows(Engine(bundle), rows, clusters)
    outcomes = {head: outcomes_of(predictions, head) for head in heads}
    f1 = {head: outcome.f1() for head, outcome in outcomes.items() if len(outcome)}
    return ValidationScores(
        f1={head: value for head, value in f1.items() if np.isfinite(value)},
        slices=find_slices(predictions, gate.slices, heads) if gate.slices.active else [],
    )
