"""A version made again: where that is done, and how near it comes to the first one."""

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

from assay.corpus.markdown import cell, row
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
from assay.registry.lineage.origin import Lineage, comparable
from assay.registry.lineage.version_diff import environment_changed
from assay.registry.versions import Versions
from assay.runs.environment import surroundings
from assay.runs.lifecycle import run_lock
from assay.runs.mlflow_client import connect
from assay.runs.prefect_artifacts import show_markdown
from assay.runs.run import Run
from assay.runs.tags import RECIPE_DIGEST_TAG, REPRODUCES_TAG
from assay.runs.tracking import Tracking, mlflow_reachable
from assay.serving.bundle import MODEL, Bundle

SHORT = 12


class Match(BaseModel):
    """The digest of one result, then and now. `details` say how far apart they are where they differ."""

    model_config = ConfigDict(frozen=True)

    what: str
    then: str
    now: str
    details: str = ""

    @property
    def equal(self) -> bool:
        """Whether they are the same to the last digit."""
        return self.then == self.now

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The match as a line of a table."""
        return self.what, self.then[:SHORT], self.now[:SHORT], "equal" if self.equal else f"DIFFERS {self.details}"


class Reproduction(BaseModel):
    """What came of making a version again.

    `surroundings` are the differences of processor, threads, versions and code. `steps` are the optimiser steps
    that were really taken. Where results differ, `folder` holds the new ones.
    """

    model: str
    matches: list[Match]
    surroundings: list[Change]
    steps: int
    mlflow_run: str
    folder: Path

    @property
    def equal(self) -> bool:
        """Whether sides, network, answers and figures are those of the version."""
        return all(match.equal for match in self.matches)


@contextmanager
def open_reproduction(lineage: Lineage, store: Path, tracking_uri: str) -> Iterator[Run]:
    """A run in an empty store of its own, which holds no more than the ledger of sides as it was then.

    MLflow gets a run that names the version in the tag `assay.reproduces`. The registry and the ledger of the
    store are left alone.

    Args:
        lineage: of the version.
        store: where the empty store is made.
        tracking_uri: MLflow.

    Raises:
        AssayError: today's schema does not take the recipe of then, or MLflow cannot be reached.
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


@task(name="compare", cache_policy=NO_CACHE, persist_result=False, result_serializer="json")
def compare(
    run: Run,
    lineage: Lineage,
    splits: ArtifactRef[Splits],
    checkpoint: ArtifactRef[Checkpoint],
    export: ArtifactRef[ExportReport],
    evaluation: ArtifactRef[Evaluation],
) -> Reproduction:
    """Compare what was made again with what the version left, and log the answer to MLflow and Prefect.

    Raises:
        AssayError: MLflow cannot be reached, or the version's bundle is not what was registered.
    """
    with mlflow_reachable(run.tracking_uri):
        client = connect(run.tracking_uri)
        tags = client.get_run(run.mlflow_run).data.tags
        versions = Versions(client, lineage.version.name, run.tracking_uri)
        then = versions.download(lineage.version, run.folder / "version")
    now = evaluation.load()
    recipe = {"recipe": lineage.version.tags.get(RECIPE_DIGEST_TAG)}
    reproduction = Reproduction(
        model=lineage.version.address,
        matches=[
            Match(what="splits", then=lineage.splits.digest, now=splits.load().digest),
            _networks(then, Bundle.load(export.path / BUNDLE)),
            _answers(lineage.answers, now.rows),
            _metrics(lineage.metrics, comparable(now.metrics)),
        ],
        surroundings=changes(recipe, {"recipe": run.recipe.digest})
        + environment_changed(lineage, surroundings(), tags),
        steps=_steps(checkpoint.load()),
        mlflow_run=run.mlflow_run,
        folder=run.store,
    )
    markdown = reproduction_markdown(reproduction)
    with mlflow_reachable(run.tracking_uri):
        client.log_text(run.mlflow_run, markdown, "reproduction.md")
        client.log_text(run.mlflow_run, reproduction.model_dump_json(indent=2), "reproduction.json")
    show_markdown("reproduction", markdown, _headline(reproduction))
    return reproduction


def reproduction_markdown(reproduction: Reproduction) -> str:
    """The answer as a heading and two tables."""
    lines = [f"# {cell(_headline(reproduction))}", "", "| result | then | now | |", "|---|---|---|---|"]
    lines += [row(*match.cells) for match in reproduction.matches]
    lines += ["", f"Trained again in {reproduction.steps:,} steps."]
    if reproduction.surroundings:
        lines += ["", "| surroundings | then | now |", "|---|---|---|"]
        lines += [row(*change.cells) for change in reproduction.surroundings]
    return "\n".join(lines) + "\n"


def _headline(reproduction: Reproduction) -> str:
    return f"{reproduction.model}: {'reproduced to the last digit' if reproduction.equal else 'not reproduced'}"


def _networks(then: Bundle, now: Bundle) -> Match:
    both = then.manifest.precision, now.manifest.precision
    details = f"{both[0]} then, {both[1]} now" if both[0] != both[1] else ""
    return Match(what=MODEL, then=then.manifest.files[MODEL], now=now.manifest.files[MODEL], details=details)


def _answers(then: Sequence[LabelledPrediction], now: Sequence[LabelledPrediction]) -> Match:
    return Match(what="predictions", then=_digest(then), now=_digest(now), details=_apart(then, now))


def _digest(answers: Sequence[LabelledPrediction]) -> str:
    return digest_json([asdict(answer) for answer in answers])


def _apart(then: Sequence[LabelledPrediction], now: Sequence[LabelledPrediction]) -> str:
    if [answer.id for answer in then] != [answer.id for answer in now]:
        return "other test rows"
    pairs = list(zip(then, now, strict=True))
    other = sum((one.predicted, one.found) != (two.predicted, two.found) for one, two in pairs)
    probabilities = [pair for one, two in pairs for pair in zip(one.probabilities, two.probabilities, strict=False)]
    farthest = max((abs(one - two) for one, two in probabilities), default=0.0)
    return f"in {other} of {len(pairs)} answers; probabilities by up to {farthest:.2g}"


def _metrics(then: dict[str, float], now: dict[str, float]) -> Match:
    differ = changes(then, now)
    details = "; ".join(f"{name} {before} -> {after}" for name, before, after in (one.cells for one in differ[:3]))
    more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
    return Match(what="figures", then=digest_json(then), now=digest_json(now), details=details + more)


def _steps(checkpoint: Checkpoint) -> int:
    epochs: list[dict[str, Any]] = checkpoint.history["epochs"]
    return max((int(epoch["step"]) for epoch in epochs), default=0)
