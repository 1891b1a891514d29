"""Copy a version to another registry: its bundle, its run with all files, its verdict.

The version is created last: until then nothing in the other registry points to the copied files, and a copy that fails
removes what it wrote. A copy that was killed leaves an MLflow run without a version; the next one removes it.
"""

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.entities import Run as MlflowRun
from mlflow.entities.model_registry import ModelVersion

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_json
from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval
from assay.registry.champion_promotion import promote_version
from assay.registry.history import AliasChange
from assay.registry.lineage.version_lineage import find_version
from assay.registry.model_registry import ModelRegistry
from assay.registry.versions import Version, Versions, logged_metrics
from assay.runs.experiments import experiment_id
from assay.runs.mlflow_client import connect
from assay.runs.search_filters import equals
from assay.runs.tags import (
    COPIED_FROM_TAG,
    COPIED_TO_TAG,
    COPY_TAG,
    LOGGED_MODEL_TAG,
    PROMOTED_TAG,
    REASON_TAG,
    RECIPE_TAG,
    REPLACED_TAG,
)
from assay.runs.tracking import mlflow_reachable
from assay.serving.address import without_password

# Tags about the source registry: its logged model, and promotions there.
NOT_COPIED = (LOGGED_MODEL_TAG, PROMOTED_TAG, REASON_TAG, REPLACED_TAG, COPIED_TO_TAG)
PARAMETERS_PER_BATCH, METRICS_PER_BATCH = 100, 500
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CopyTarget:
    """A registry: its MLflow, and the store that all who promote in it share."""

    tracking_uri: str
    store: Path

    @property
    def name(self) -> str:
        """The address of MLflow, without a password."""
        return without_password(self.tracking_uri)


@dataclass(frozen=True)
class CopyPlan:
    """The plan of a copy; `there` is the version of the target that holds the bundle already, or None."""

    version: Version
    name: str
    files: int
    bytes: int
    there: Version | None


def plan_copy(address: str, source: CopyTarget, target: CopyTarget, name: str | None = None) -> CopyPlan:
    """Plan a copy; nothing is written except the tables of an empty MLflow.

    Args:
        address: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        source: the registry of the version.
        target: the registry of the copy.
        name: name of the model there; None keeps the name.

    Raises:
        AssayError: there is no such version, it waits for approval, it has no run, or an MLflow does not respond.
    """
    if source.tracking_uri == target.tracking_uri and name is None:
        raise AssayError(f"{source.name} is both source and target of the copy; name another MLflow, or --name")
    client = connect(source.tracking_uri)
    with mlflow_reachable(source.tracking_uri):
        version = find_version(client, source.tracking_uri, address)
        if version.outcome == "pending":
            raise AssayError(f"{version.address} waits for approval; decide first: assay approve {version.name}")
        if not version.bundle or version.run_id is None:
            raise AssayError(f"{version.address} was not registered by assay; train it with assay run")
        sizes = list(_sizes(client, version.run_id))
    name = name or version.name
    with mlflow_reachable(target.tracking_uri):
        there = Versions(connect(target.tracking_uri), name, target.tracking_uri).find(version.bundle)
    return CopyPlan(version, name, len(sizes), sum(sizes), there)


def copy_version(plan: CopyPlan, source: CopyTarget, target: CopyTarget) -> Version:
    """Copy as planned; a version that holds the bundle already stays as it is.

    Raises:
        AssayError: the bundle is not the one that was registered, or an MLflow does not respond; nothing remains.
    """
    if plan.there is not None:
        return plan.there
    version, run_id = plan.version, str(plan.version.run_id)
    source_client, target_client = connect(source.tracking_uri), connect(target.tracking_uri)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = ModelRegistry(version.name, source.tracking_uri, source.store, source_client)
        bundle = registry.fetch(version, folder / "bundle")
        with mlflow_reachable(source.tracking_uri):
            run = source_client.get_run(run_id)
            files = Path(source_client.download_artifacts(run_id, "", str(_created(folder / "files"))))
            metrics = logged_metrics(source_client, version)
            description = source_client.get_model_version(version.name, version.number).description or ""
            experiment = source_client.get_experiment(run.info.experiment_id).name
            _note_copy(source_client, version, plan.name, target)
        with mlflow_reachable(target.tracking_uri), _new_run(target_client, target, experiment, run, version) as copy:
            _log_in_batches(target_client, copy, run)
            target_client.log_artifacts(copy, str(files))
            tags = {key: value for key, value in version.tags.items() if not key.startswith(NOT_COPIED)}
            tags[COPIED_FROM_TAG] = f"{version.address} of {source.name}"
            made = Versions(target_client, plan.name, target.tracking_uri).create(copy, bundle, tags, description)
            entities = [Metric(key, value, _now(), 0, model_id=made.model_id) for key, value in metrics.items()]
            target_client.log_batch(copy, metrics=entities)
            target_client.set_terminated(copy, "FINISHED")
    logger.info("%s: %s of %s", made.address, version.address, source.name)
    return made


def _note_copy(client: MlflowClient, version: Version, name: str, target: CopyTarget) -> None:
    """Tag the version with the place of its copy, for `assay erase`: before the copy, which may be killed half-way."""
    where = f"copied to {name} of {target.name} (store {target.store})"
    client.set_model_version_tag(version.name, version.number, COPIED_TO_TAG + digest_json(where)[:12], where)


def promote_copy(
    version: Version, plan: CopyPlan, source: CopyTarget, target: CopyTarget, reason: str
) -> AliasChange | None:
    """Make the copy the champion, if the verdict compared it with the bundle that is the champion there.

    Raises:
        ChampionChanged: the champion there has another bundle than the one that the verdict compared with.
        AssayError: the verdict or a person refused it, or the verdict was changed or removed.
    """
    origin = ModelRegistry(plan.version.name, source.tracking_uri, source.store)
    verdict = origin.tagged_verdict(plan.version)
    if verdict is None:
        raise AssayError(
            f"{plan.version.address}: the verdict that it is tagged with was changed or removed; train it again"
        )
    approval = _approval(plan.version, verdict)
    registry = ModelRegistry(plan.name, target.tracking_uri, target.store)
    expected = None
    if verdict.champion is not None:
        expected = registry.find(origin.version(verdict.champion).bundle)
    reason = f"{reason} (copied from {plan.version.address})"
    return promote_version(registry, version, verdict, expected, reason, approval=approval)


def _approval(version: Version, verdict: Verdict) -> Approval | None:
    """Return the approval of the person who was asked about this verdict, or None if nobody was.

    Raises:
        AssayError: the person refused, or nobody decided in time.
    """
    approval = version.approval
    if approval is None or approval.approval_key != verdict.approval_key:  # an earlier request, about another verdict
        return None
    if approval.state != "approved":
        raise AssayError(
            f"{version.address} was not approved ({approval.expire()}), so its copy does not become champion; run its "
            f"gate again, then approve: assay run {version.tags.get(RECIPE_TAG, 'RECIPE')} --from gate"
        )
    return approval


@contextmanager
def _new_run(
    client: MlflowClient, target: CopyTarget, experiment: str, run: MlflowRun, version: Version
) -> Iterator[str]:
    """Create a run in the MLflow of the target; delete it, and the version that names it, if the block fails."""
    number = experiment_id(client, experiment, target.tracking_uri, target.store)
    for leftover in client.search_runs(
        [number], f"{equals(f'tags.`{COPY_TAG}`', version.bundle)} AND status = 'RUNNING'"
    ):
        if not _versions_of(client, leftover.info.run_id):  # a version names it if the copy was killed at the very end
            client.delete_run(leftover.info.run_id)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.log-model")}
    copy = client.create_run(
        number, start_time=run.info.start_time, run_name=run.info.run_name, tags={**tags, COPY_TAG: version.bundle}
    ).info.run_id
    try:
        yield copy
    except BaseException:  # an interrupted copy, too, would leave what looks like a run
        for made in _versions_of(client, copy):
            client.delete_model_version(made.name, made.version)
        client.delete_run(copy)
        raise


def _versions_of(client: MlflowClient, run_id: str) -> list[ModelVersion]:
    return list(client.search_model_versions(equals("run_id", run_id)))


def _log_in_batches(client: MlflowClient, copy: str, run: MlflowRun) -> None:
    parameters = [Param(key, value) for key, value in run.data.params.items()]
    for begin in range(0, len(parameters), PARAMETERS_PER_BATCH):
        client.log_batch(copy, params=parameters[begin : begin + PARAMETERS_PER_BATCH])
    metrics = [Metric(key, value, _now(), 0) for key, value in run.data.metrics.items()]
    for begin in range(0, len(metrics), METRICS_PER_BATCH):
        client.log_batch(copy, metrics=metrics[begin : begin + METRICS_PER_BATCH])
    client.set_tag(copy, COPIED_FROM_TAG, str(run.info.run_id))


def _sizes(client: MlflowClient, run_id: str, path: str | None = None) -> Iterator[int]:
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from _sizes(client, run_id, item.path)
        else:
            yield item.file_size or 0


def _created(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _now() -> int:
    return int(time.time() * 1000)
