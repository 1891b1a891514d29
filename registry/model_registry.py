"""One registered model as the registry knows it: its versions, its champion, and the champions before it.

Registration, promotion and rollback are functions of modules of their own (`registration.py`, `champion_promotion.py`,
`champion_rollback.py`), which take a `ModelRegistry`.
"""

from pathlib import Path

from mlflow import MlflowClient

from assay.corpus.storage.object_store import SharedStore
from assay.evaluation.verdict import Verdict
from assay.registry.aliases import CHAMPION, PREVIOUS, Aliases
from assay.registry.approval_records import ApprovalRecords
from assay.registry.approvals import Approval
from assay.registry.champion_history import ChampionHistory
from assay.registry.champion_memory import ChampionMemory
from assay.registry.history import AliasChange
from assay.registry.versions import Version, Versions
from assay.runs.mlflow_client import connect
from assay.runs.tags import VERDICT_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.bundle import Bundle


class ModelRegistry:
    """One registered model.

    Its methods read, and report an MLflow that does not respond in one line. The attributes are the records that
    registration and changes of the champion write; these let the errors of MLflow through.

    Args:
        name: name of the registered model.
        tracking_uri: address of MLflow.
        store: folder with the lease of promotions; all who promote this model share it.
        client: client of the same MLflow; None makes one.
        shared: the shared store, which keeps the lease instead; None takes the one of the environment, if any.
    """

    def __init__(
        self,
        name: str,
        tracking_uri: str,
        store: Path,
        client: MlflowClient | None = None,
        shared: SharedStore | None = None,
    ) -> None:
        self.name = name
        self.tracking_uri = tracking_uri
        self.lease_path = store / "locks" / f"{name}.json"
        self.shared = shared
        self.memory = ChampionMemory(store / "champions" / f"{name}.json", tracking_uri)
        with mlflow_reachable(tracking_uri):
            self.client = client or connect(tracking_uri)
        self.aliases = Aliases(self.client, name)
        self.versions = Versions(self.client, name, tracking_uri)
        self.approvals = ApprovalRecords(self.client, self.versions)
        self.champions = ChampionHistory(self.client, self.versions, self.aliases, self.memory)

    def champion(self) -> Version | None:
        """Return the version that serves, or None."""
        return self.aliased(CHAMPION)

    def previous(self) -> Version | None:
        """Return the champion before the present one, or None."""
        return self.aliased(PREVIOUS)

    def aliased(self, alias: str) -> Version | None:
        """Return the version that an alias points to, or None."""
        with mlflow_reachable(self.tracking_uri):
            version = self.aliases.get(alias)
        return Version.of(version) if version else None

    def newest(self) -> Version | None:
        """Return the version with the highest number, or None."""
        with mlflow_reachable(self.tracking_uri):
            return self.versions.newest()

    def version(self, number: str) -> Version:
        """Return a version by its number.

        Raises:
            AssayError: there is no such version.
        """
        with mlflow_reachable(self.tracking_uri):
            return self.versions.get(number)

    def find(self, bundle: str) -> Version | None:
        """Return the version that holds the bundle of this digest, or None."""
        with mlflow_reachable(self.tracking_uri):
            return self.versions.find(bundle)

    def compared_on(self, sample: str) -> list[Version]:
        """Return the versions whose test rows overlap with those of the sample."""
        with mlflow_reachable(self.tracking_uri):
            return self.versions.compared_on(sample)

    def pending(self) -> list[Version]:
        """Return the versions that wait for approval; record those whose time has expired as refused first."""
        with mlflow_reachable(self.tracking_uri):
            return self.approvals.pending()

    def history(self) -> list[AliasChange]:
        """Return every change of the champion, the oldest first; empty if there is no such model yet."""
        with mlflow_reachable(self.tracking_uri):
            return self.champions.changes()

    def former_champions(self) -> list[Version]:
        """Return the champions that still exist and that no rollback took down, the newest first."""
        with mlflow_reachable(self.tracking_uri):
            return self.champions.former()

    def last_champion(self) -> str | None:
        """Return the number of the last champion, which may be deleted by now, or None if there never was one."""
        with mlflow_reachable(self.tracking_uri):
            return self.champions.last()

    def why_rolled_back(self, bundle: str, approval: Approval | None = None) -> str | None:
        """Describe the rollback that took down the version with this bundle; return None if there is none.

        Args:
            bundle: digest of the bundle.
            approval: approval by a person; one given after the rollback overrides it.
        """
        with mlflow_reachable(self.tracking_uri):
            return self.champions.why_rolled_back(bundle, approval)

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """Download the bundle of a version and verify it against the digest in the registry.

        Args:
            version: the version to fetch.
            folder: folder of the bundle; an existing one is replaced.

        Raises:
            AssayError: the bytes are not those that were registered, or MLflow cannot be reached.
        """
        with mlflow_reachable(self.tracking_uri):
            return self.versions.download(version, folder)

    def stored_verdict(self, version: Version) -> Verdict:
        """Return the verdict that a person was asked about.

        Raises:
            AssayError: nobody was asked, or the verdict was changed or removed.
        """
        with mlflow_reachable(self.tracking_uri):
            return self.approvals.verdict(version)

    def tagged_verdict(self, version: Version) -> Verdict | None:
        """Return the verdict whose digest the version is tagged with, or None if it was changed or removed."""
        with mlflow_reachable(self.tracking_uri):
            return self.approvals.find(version, version.tags.get(VERDICT_TAG, ""))
