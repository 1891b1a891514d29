"""The reproduction of a version: its run in an empty store, and the comparison with the version."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict

from assay.corpus.entity import Entity
from assay.corpus.markdown import cell, row
from assay.corpus.plural import counted
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.digest import digest_json
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import BUNDLE, ExportReport
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.models.checkpoint import Checkpoint
from assay.recipes.loader import parse_recipe
from assay.registry.lineage.change import Change, changes
from assay.registry.lineage.version_diff import environment_changed
from assay.registry.lineage.version_lineage import Lineage, comparable
from assay.registry.versions import Versions
from assay.runs.environment import current_environment
from assay.runs.lifecycle import run_lock
from assay.runs.mlflow_client import connect
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.runs.tags import RECIPE_DIGEST_TAG, REPRODUCES_TAG
from assay.runs.tracking import Tracking, mlflow_reachable
from assay.serving.bundle import MODEL, Bundle

SHORT = 12


class Match(BaseModel):
    """The digests of one result, then and now, and details of their difference."""

    model_config = ConfigDict(frozen=True)

    what: str
    then: str
    now: str
    details: str = ""

    @property
    def equal(self) -> bool:
        """Return whether the results are equal to the last digit."""
        return self.then == self.now

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """Return the match as a row of a table."""
        return self.what, self.then[:SHORT], self.now[:SHORT], "equal" if self.equal else f"DIFFERS {self.details}"


class Reproduction(BaseModel):
    """The result of a reproduction.

    Attributes:
        environment: differences in processor, threads, package versions and code.
        steps: number of optimiser steps.
        folder: folder of the new results; removed if all are equal.
    """

    model: str
    matches: list[Match]
    environment: list[Change]
    steps: int
    mlflow_run: str
    folder: Path

    @property
    def equal(self) -> bool:
        """Return whether splits, network, predictions and metrics are equal to those of the version."""
        return all(match.equal for match in self.matches)


@contextmanager
def open_reproduction(lineage: Lineage, store: Path, tracking_uri: str) -> Iterator[Run]:
    """Open a run in a new store that only holds the split ledger of the version.

    The run in MLflow names the version in the tag `assay.reproduces`. Registry and ledger of the store do not change.

    Args:
        lineage: lineage of the version.
        store: folder that the new store is created in.
        tracking_uri: address of MLflow.

    Raises:
        AssayError: the recipe of the version is not valid in the current schema, or MLflow cannot be reached.
    """
    version = lineage.version
    recipe = parse_recipe(lineage.recipe, f"the recipe of {version.address}")
    key = f"reproduce-{version.name}-{version.number}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    folder = store / "reproductions" / key
    ledger = ledger_path(folder, recipe.name)
    ledger.parent.mkdir(parents=True)
    shutil.copyfile(lineage.ledger, ledger)
    tracking = Tracking.start(recipe, store, key, None, tracking_uri)
    with tracking.ended(), run_lock(folder):
        with mlflow_reachable(tracking_uri):
            connect(tracking_uri).set_tag(tracking.run_id, REPRODUCES_TAG, version.address)
        yield Run(key=key, recipe=recipe, store=folder, tracking_uri=tracking_uri, mlflow_run=tracking.run_id)


def registered_bundle(run: Run, lineage: Lineage) -> Bundle:
    """Download the bundle of the version into the folder of the run.

    Raises:
        AssayError: MLflow cannot be reached, or the bundle differs from the registered one.
    """
    with mlflow_reachable(run.tracking_uri):
        versions = Versions(connect(run.tracking_uri), lineage.version.name, run.tracking_uri)
        return versions.download(lineage.version, run.folder / "version")


@task(name="compare", cache_policy=NO_CACHE, persist_result=False, result_serializer="json")
@reported("compare")
def compare(
    run: Run,
    lineage: Lineage,
    then: Bundle,
    splits: ArtifactRef[Splits],
    checkpoint: ArtifactRef[Checkpoint],
    export: ArtifactRef[ExportReport],
    evaluation: ArtifactRef[Evaluation],
) -> Reproduction:
    """Compare the new results with those of the version, and log the comparison to MLflow and Prefect.

    Raises:
        AssayError: MLflow cannot be reached.
    """
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        tags = client.get_run(run.mlflow_run).data.tags
    now = evaluation.load()
    recipe = {"recipe": lineage.version.tags.get(RECIPE_DIGEST_TAG)}
    reproduction = Reproduction(
        model=lineage.version.address,
        matches=[
            Match(what="splits", then=lineage.splits.digest, now=splits.load().digest),
            _match_networks(then, Bundle.load(export.path / BUNDLE)),
            _match_predictions(lineage.predictions, now.rows),
            _match_metrics(lineage.metrics, comparable(now.metrics)),
        ],
        environment=changes(recipe, {"recipe": run.recipe.digest})
        + environment_changed(lineage, current_environment(), tags),
        steps=_steps(checkpoint.load()),
        mlflow_run=run.mlflow_run,
        folder=run.store,
    )
    equal = sum(match.equal for match in reproduction.matches)
    current_step().conclude(f"{equal} of {len(reproduction.matches)} results equal")
    markdown = reproduction_markdown(reproduction)
    with mlflow_reachable(run.tracking_uri):
        client.log_text(run.mlflow_run, markdown, "reproduction.md")
        client.log_text(run.mlflow_run, reproduction.model_dump_json(indent=2), "reproduction.json")
    show_markdown("reproduction", markdown, _headline(reproduction))
    return reproduction


def reproduction_markdown(reproduction: Reproduction) -> str:
    """Return the comparison as a heading and two tables."""
    lines = [f"# {cell(_headline(reproduction))}", "", "| result | then | now | |", "|---|---|---|---|"]
    lines += [row(*match.cells) for match in reproduction.matches]
    lines += ["", f"Trained again in {counted(reproduction.steps, 'step')}."]
    if reproduction.environment:
        lines += ["", "| environment | then | now |", "|---|---|---|"]
        lines += [row(*change.cells) for change in reproduction.environment]
    return "\n".join(lines) + "\n"


def _headline(reproduction: Reproduction) -> str:
    return f"{reproduction.model}: {'reproduced to the last digit' if reproduction.equal else 'not reproduced'}"


def _match_networks(then: Bundle, now: Bundle) -> Match:
    before, after = then.manifest.precision, now.manifest.precision
    details = f"{before} then, {after} now" if before != after else ""
    return Match(what=MODEL, then=then.manifest.files[MODEL], now=now.manifest.files[MODEL], details=details)


def _match_predictions(then: Sequence[LabelledPrediction], now: Sequence[LabelledPrediction]) -> Match:
    return Match(what="predictions", then=_digest(then), now=_digest(now), details=_difference(then, now))


def _digest(predictions: Sequence[LabelledPrediction]) -> str:
    return digest_json([asdict(prediction) for prediction in predictions])


def _difference(then: Sequence[LabelledPrediction], now: Sequence[LabelledPrediction]) -> str:
    if [prediction.id for prediction in then] != [prediction.id for prediction in now]:
        return "other test rows"
    pairs = list(zip(then, now, strict=True))
    differing = sum(_answers(old) != _answers(new) for old, new in pairs)
    probabilities = [pair for old, new in pairs for pair in zip(_probabilities(old), _probabilities(new), strict=False)]
    largest = max((abs(old - new) for old, new in probabilities), default=0.0)
    return f"in {differing} of {len(pairs)} predictions; probabilities by up to {largest:.2g}"


def _answers(row: LabelledPrediction) -> tuple[str | None, tuple[str, ...], set[Entity]]:
    return row.predicted, row.applied, row.predicted_spans


def _probabilities(row: LabelledPrediction) -> tuple[float, ...]:
    return (*row.probabilities, *row.label_probabilities)


def _match_metrics(logged: dict[str, float], now: dict[str, float]) -> Match:
    # The gate has logged its own beside them, such as the F1 of baselines and champion: it is not run again.
    then = {name: value for name, value in logged.items() if name in now}
    differing = changes(then, now)
    shown = (change.cells for change in differing[:3])
    details = "; ".join(f"{name} {before} -> {after}" for name, before, after in shown)
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return Match(what="metrics", then=digest_json(then), now=digest_json(now), details=details + more)


def _steps(checkpoint: Checkpoint) -> int:
    epochs: list[dict[str, Any]] = checkpoint.history["epochs"]
    return max((int(epoch["step"]) for epoch in epochs), default=0)
