"""What people were asked about the versions of a model and what they answered, kept in the registry itself."""

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
VERDICT = "verdict.json"  # what a run leaves at its end: of versions that nobody was asked about, once the only one
WAITING = "card.json"  # kept in the folder of a run while a person is asked, so that the card can be written again


class ApprovalRecords:
    """Questions and answers about the versions of one registered model. Whoever writes an answer holds the lease."""

    def __init__(self, client: MlflowClient, versions: Versions) -> None:
        self._client = client
        self._versions = versions

    def pending(self) -> list[Version]:
        """Versions that wait for an answer; those that waited in vain are written down as refused first."""
        waiting = [one for one in self._versions.waiting() if one.approval]
        for version in waiting:
            if version.approval and not version.approval.open:
                self._versions.tag(version, approval_tags(version.approval.expire(), version.outcome))
        return [one for one in waiting if one.outcome == "pending"]

    def keep(self, mlflow_run: str, verdict: Verdict) -> None:
        """Keep a verdict with the run of a version: for whoever answers later, and for who asks why it serves."""
        self._client.log_text(mlflow_run, verdict.model_dump_json(indent=2), _path(verdict.digest))

    def verdict(self, version: Version) -> Verdict:
        """The verdict that a person was asked about.

        Raises:
            AssayError: nobody was asked, or what is kept is another verdict.
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
        """The verdict of this digest that is kept with the version; None where none is, or another one."""
        found = (self._read(version, path) for path in (_path(digest), VERDICT))
        return next((verdict for verdict in found if verdict and verdict.digest == digest), None)

    def _read(self, version: Version, path: str) -> Verdict | None:
        if version.run_id is None or find_run(self._client, version.run_id) is None:
            return None
        folder = path.rpartition("/")[0] or None
        kept = self._client.list_artifacts(version.run_id, folder)
        if path not in {file.path for file in kept}:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            text = Path(self._client.download_artifacts(str(version.run_id), path, scratch)).read_text(encoding="utf-8")
        with suppress(ValidationError):
            return Verdict.model_validate_json(text)
        return None

    def check(self, version: Version, verdict: Verdict, approval: Approval | None) -> None:
        """An answer is about this verdict, and the first one counts.

        Raises:
            AssayError: it is about another one, or the question was answered otherwise before.
        """
        if approval is None:
            return
        if approval.approval_key != verdict.approval_key:
            raise AssayError(f"{version.address} was approved on another verdict; run the gate again (--from gate)")
        recorded = self._versions.get(version.number).approval
        if recorded and recorded.run == approval.run and recorded.state not in ("pending", "expired", approval.state):
            raise AssayError(f"{version.address} was answered before: {recorded}; run the gate again (--from gate)")

    def write(self, version: Version, verdict: Verdict, approval: Approval | None) -> None:
        """Write down an answer."""
        if approval is not None:
            self._versions.tag(version, approval_tags(approval, verdict.outcome))


def _path(digest: str) -> str:
    return f"{VERDICTS}/{digest}.json"
