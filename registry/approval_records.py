"""Records of approvals of the versions of a model, and the verdicts they are about, kept in the registry itself."""

import tempfile
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from pydantic import ValidationError

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval, approval_tags
from assay.registry.versions import Version, Versions
from assay.runs.mlflow_runs import find_run

VERDICTS = "verdicts"  # folder of an MLflow run
VERDICT = "verdict.json"  # result of the run, the only copy for versions that nobody was asked about
WAITING = "card.json"  # in the folder of a run during an approval, so that the card can be written again


class ApprovalRecords:
    """Approvals of the versions of one registered model. Callers hold the lease to write a decision."""

    def __init__(self, client: MlflowClient, versions: Versions) -> None:
        self._client = client
        self._versions = versions

    def pending(self) -> list[Version]:
        """Return the versions that wait for a decision; record those whose time has expired as refused first."""
        waiting = [version for version in self._versions.waiting() if version.approval]
        for version in waiting:
            if version.approval and not version.approval.open:
                self._versions.tag(version, approval_tags(version.approval.expire(), version.outcome))
        return [version for version in waiting if version.outcome == "pending"]

    def keep(self, mlflow_run: str, verdict: Verdict) -> None:
        """Keep a verdict with the run of a version, for a later decision and as the reason why the version serves."""
        self._client.log_text(mlflow_run, verdict.model_dump_json(indent=2), _path(verdict.digest))

    def verdict(self, version: Version) -> Verdict:
        """Return the verdict that a person was asked about.

        Raises:
            AssayError: nobody was asked, or the verdict was changed or removed.
        """
        if version.approval is None or version.run_id is None:
            raise AssayError(f"{version.address}: nobody was asked about it; see assay history {version.name}")
        verdict = self.find(version, version.approval.verdict)
        if verdict is None:
            path = _path(version.approval.verdict)
            raise AssayError(
                f"{path} of MLflow run {version.run_id} was changed or removed; run the gate again (--from gate)"
            )
        return verdict

    def find(self, version: Version, digest: str) -> Verdict | None:
        """Return the verdict of this digest that is kept with the version, or None if it was changed or removed."""
        verdicts = (self._read(version, path) for path in (_path(digest), VERDICT))
        return next((verdict for verdict in verdicts if verdict and verdict.digest == digest), None)

    def _read(self, version: Version, path: str) -> Verdict | None:
        if version.run_id is None or find_run(self._client, version.run_id) is None:
            return None
        folder = path.rpartition("/")[0] or None
        if path not in {file.path for file in self._client.list_artifacts(version.run_id, folder)}:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            text = Path(self._client.download_artifacts(str(version.run_id), path, scratch)).read_text(encoding="utf-8")
        with suppress(ValidationError):
            return Verdict.model_validate_json(text)
        return None

    def check(self, version: Version, verdict: Verdict, approval: Approval | None) -> None:
        """Check that a decision is about this verdict, and that it is the first one.

        Raises:
            AssayError: it is about another verdict, or a different decision was recorded before.
        """
        if approval is None:
            return
        if approval.approval_key != verdict.approval_key:
            raise AssayError(f"{version.address} was approved on another verdict; run the gate again (--from gate)")
        recorded = self._versions.get(version.number).approval
        if recorded and recorded.run == approval.run and recorded.state not in ("pending", "expired", approval.state):
            raise AssayError(f"{version.address} was decided before: {recorded}; run the gate again (--from gate)")

    def write(self, version: Version, verdict: Verdict, approval: Approval | None) -> None:
        """Record a decision."""
        if approval is not None:
            self._versions.tag(version, approval_tags(approval, verdict.outcome))


def _path(digest: str) -> str:
    return f"{VERDICTS}/{digest}.json"
