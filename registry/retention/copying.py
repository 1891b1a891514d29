"""A version of a model in another registry: its bundle, its run with everything that it left, its verdict.

The version comes last: until then nothing of the other registry points to what was copied, and a copy that fails takes
back what it wrote. A copy that was killed leaves an MLflow run without a version; the next one removes it.
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
from assay.registry.history import AliasChange
from assay.registry.lineage.origin import find_version
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

# Of the other registry: which model of its store it is, and when it became champion there.
NOT_COPIED = (LOGGED_MODEL_TAG, PROMOTED_TAG, REASON_TAG, REPLACED_TAG, COPIED_TO_TAG)
A_BATCH, METRICS_A_BATCH = 100, 500
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CopyTarget:
    """A registry: its MLflow, and the folder that those who promote in it share."""

    tracking_uri: str
    store: Path

    @property
    def name(self) -> str:
        """For people, without a password."""
        return without_password(self.tracking_uri)


@dataclass(frozen=True)
class CopyPlan:
    """What would be copied; `there` is the version that holds this bundle already, if there is one."""

    version: Version
    name: str
    files: int
    bytes: int
    there: Version | None


def plan_copy(address: str, source: CopyTarget, target: CopyTarget, name: str | None = None) -> CopyPlan:
    """Look at what a copy would do; nothing is written but the tables of an empty MLflow.

    Args:
        address: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        source: where it is.
        target: where it shall be.
        name: of the model there; none: the same.

    Raises:
        AssayError: there is no such version, it waits for approval, it has no run, or an MLflow does not answer.
    """
    if source.tracking_uri == target.tracking_uri and name is None:
        raise AssayError(f"{source.name} is both source and target of the copy; name another MLflow, or --name")
    client = connect(source.tracking_uri)
    with mlflow_reachable(source.tracking_uri):
        version = find_version(client, source.tracking_uri, address)
        if version.outcome == "pending":
            raise AssayError(f"{version.address} waits for approval; answer first: assay approve {version.name}")
        if not version.bundle or version.run_id is None:
            raise AssayError(f"{version.address} was not registered by assay; train it with assay run")
        sizes = list(_sizes(client, version.run_id))
    name = name or version.name
    with mlflow_reachable(target.tracking_uri):
        there = Versions(connect(target.tracking_uri), name, target.tracking_uri).find(version.bundle)
    return CopyPlan(version, name, len(sizes), sum(sizes), there)


def copy_version(plan: CopyPlan, source: CopyTarget, target: CopyTarget) -> Version:
    """Do what was planned; the version that is there already is left as it is.

    Raises:
        AssayError: the bundle is not the one that was registered, or an MLflow does not answer; nothing is left.
    """
    if plan.there is not None:
        return plan.there
    version, run_id = plan.version, str(plan.version.run_id)
    here, there = connect(source.tracking_uri), connect(target.tracking_uri)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = ModelRegistry(version.name, source.tracking_uri, source.store, here)
        bundle = registry.fetch(version, folder / "bundle")
        with mlflow_reachable(source.tracking_uri):
            run = here.get_run(run_id)
            files = Path(here.download_artifacts(run_id, "", str(_made(folder / "files"))))
            metrics = logged_metrics(here, version)
            description = here.get_model_version(version.name, version.number).description or ""
            experiment = here.get_experiment(run.info.experiment_id).name
            _note_copy(here, version, plan.name, target)
        with mlflow_reachable(target.tracking_uri), _new_run(there, target, experiment, run, version) as copy:
            _log_in_batches(there, copy, run)
            there.log_artifacts(copy, str(files))
            tags = {key: value for key, value in version.tags.items() if not key.startswith(NOT_COPIED)}
            tags[COPIED_FROM_TAG] = f"{version.address} of {source.name}"
            made = Versions(there, plan.name, target.tracking_uri).create(copy, bundle, tags, description)
            entities = [Metric(key, value, _now(), 0, model_id=made.model_id) for key, value in metrics.items()]
            there.log_batch(copy, metrics=entities)
            there.set_terminated(copy, "FINISHED")
    logger.info("%s: %s of %s", made.address, version.address, source.name)
    return made


def _note_copy(client: MlflowClient, version: Version, name: str, target: CopyTarget) -> None:
    """Write with the version where its copy is, for `assay erase`: before the copy, which may be killed half-way."""
    where = f"copied to {name} of {target.name} (store {target.store})"
    client.set_model_version_tag(version.name, version.number, COPIED_TO_TAG + digest_json(where)[:12], where)


def promote_copy(
    version: Version, plan: CopyPlan, source: CopyTarget, target: CopyTarget, reason: str
) -> AliasChange | None:
    """Make the copy the champion, if the verdict compared it with the bundle that is the champion there.

    Raises:
        ChampionChanged: another bundle serves there than the one that the verdict is about.
        AssayError: the verdict or a person refused it, or the verdict is not kept.
    """
    origin = ModelRegistry(plan.version.name, source.tracking_uri, source.store)
    compared = origin.tagged_verdict(plan.version)
    if compared is None:
        raise AssayError(
            f"{plan.version.address}: the verdict that it is tagged with is not kept with its run, or was changed; "
            "train it again"
        )
    approval = _approval(plan.version, compared)
    registry = ModelRegistry(plan.name, target.tracking_uri, target.store)
    expected = None
    if compared.champion is not None:
        expected = registry.find(origin.version(compared.champion).bundle)
    reason = f"{reason} (copied from {plan.version.address})"
    return registry.promote(version, compared, expected, reason, approval=approval)


def _approval(version: Version, verdict: Verdict) -> Approval | None:
    """The answer of the person who was asked about this verdict; None where nobody was.

    Raises:
        AssayError: it was refused, or nobody answered in time.
    """
    asked = version.approval
    if asked is None or asked.approval_key != verdict.approval_key:  # an earlier question, about another judgement
        return None
    if asked.state != "approved":
        raise AssayError(
            f"{version.address} was not approved ({asked.expire()}), so its copy does not become champion; judge it "
            f"again, then approve: assay run {version.tags.get(RECIPE_TAG, 'RECIPE')} --from gate"
        )
    return asked


@contextmanager
def _new_run(
    client: MlflowClient, target: CopyTarget, experiment: str, run: MlflowRun, version: Version
) -> Iterator[str]:
    """A run of the other MLflow that goes again if the block fails, and the version that names it."""
    number = experiment_id(client, experiment, target.tracking_uri, target.store)
    for left in client.search_runs([number], f"{equals(f'tags.`{COPY_TAG}`', version.bundle)} AND status = 'RUNNING'"):
        if not _versions_of(client, left.info.run_id):  # else it was killed at the very end, and is of use
            client.delete_run(left.info.run_id)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.log-model")}
    copy = client.create_run(
        number, start_time=run.info.start_time, run_name=run.info.run_name, tags={**tags, COPY_TAG: version.bundle}
    ).info.run_id
    try:
        yield copy
    except BaseException:  # also when somebody interrupts it: what is left would look like a run
        for made in _versions_of(client, copy):
            client.delete_model_version(made.name, made.version)
        client.delete_run(copy)
        raise


def _versions_of(client: MlflowClient, run_id: str) -> list[ModelVersion]:
    return list(client.search_model_versions(equals("run_id", run_id)))


def _log_in_batches(client: MlflowClient, copy: str, run: MlflowRun) -> None:
    parameters = [Param(key, value) for key, value in run.data.params.items()]
    for begin in range(0, len(parameters), A_BATCH):
        client.log_batch(copy, params=parameters[begin : begin + A_BATCH])
    metrics = [Metric(key, value, _now(), 0) for key, value in run.data.metrics.items()]
    for begin in range(0, len(metrics), METRICS_A_BATCH):
        client.log_batch(copy, metrics=metrics[begin : begin + METRICS_A_BATCH])
    client.set_tag(copy, COPIED_FROM_TAG, str(run.info.run_id))


def _sizes(client: MlflowClient, run_id: str, path: str | None = None) -> Iterator[int]:
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            yield from _sizes(client, run_id, item.path)
        else:
            yield item.file_size or 0


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _now() -> int:
    return int(time.time() * 1000)
