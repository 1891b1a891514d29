"""The champions of one registered model so far, as the history, the tags of versions and the store tell them."""

from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.registry.aliases import PREVIOUS, Aliases
from assay.registry.approvals import Approval
from assay.registry.champion_memory import ChampionMemory
from assay.registry.history import AliasChange, read_alias_changes
from assay.registry.succession import newest_first, read_succession
from assay.registry.versions import Version, Versions
from assay.runs.mlflow_errors import found
from assay.runs.tags import FORCED_TAG, PROMOTED_TAG, VERDICT_TAG


class ChampionHistory:
    """What is known of present and former champions. All methods ask MLflow.

    Args:
        client: MLflow.
        versions: of the registered model.
        aliases: of the registered model.
        memory: number of the last champion, kept in the store.
    """

    def __init__(self, client: MlflowClient, versions: Versions, aliases: Aliases, memory: ChampionMemory) -> None:
        self._client = client
        self._versions = versions
        self._aliases = aliases
        self._memory = memory

    def changes(self) -> list[AliasChange]:
        """Return every change of the champion, the oldest first; empty if there is no such model yet."""
        return found(lambda: read_alias_changes(self._client, self._versions.name)) or []

    def former(self) -> list[Version]:
        """Return the champions that still exist and that no rollback took down, the newest first.

        The history names them; where it is lost, the tags of the versions and the alias `previous` do.
        """
        changes = self.changes()
        numbers = newest_first(read_succession(changes).in_force)
        if not changes:
            numbers = self._versions.once_promoted() or [self._aliases.number(PREVIOUS) or ""]
        return [version for number in numbers if number and (version := self._versions.look_up(number))]

    def last(self) -> str | None:
        """Return the number of the last champion, which may be deleted by now, or None if there never was one.

        The store still knows it where the registered model was deleted together with its history.
        """
        in_force = read_succession(self.changes()).in_force
        former = [] if in_force else self.former()
        number = in_force[-1] if in_force else next((version.number for version in former), None)
        return number or self._memory.read()

    def why_rolled_back(self, bundle: str, approval: Approval | None = None) -> str | None:
        """Describe the rollback that took down the version with this bundle; return None if there is none.

        Args:
            bundle: digest of the bundle.
            approval: approval by a person; one given after the rollback overrides it.
        """
        return read_succession(self.changes()).why_rolled_back(bundle, self._versions.digest_of, approval)

    def promoted_on(self, version: Version) -> tuple[str | None, str | None]:
        """Return the digest of the verdict that made a version champion, and why it was forced.

        Where the history is lost, the tags of the version tell them.

        Raises:
            AssayError: the version never was champion.
        """
        changes = [change for change in self.changes() if change.target == version.number]
        done = [change for change in changes if change.state == "done"]
        if done:
            return done[-1].verdict, done[-1].forced
        if not changes and PROMOTED_TAG in version.tags:
            return version.tags.get(VERDICT_TAG), version.tags.get(FORCED_TAG)
        raise AssayError(f"{version.address} never was champion; choose from assay history {version.name}")

    def approval_of_promotion(self, version: Version) -> Approval | None:
        """Return the approval that promoted a version whose own record is still pending, or None.

        The process died after the promotion, before it wrote the decision to the version.
        """
        if version.approval is None or version.approval.state != "pending":
            return None
        changes = [change for change in self.changes() if change.target == version.number and change.state == "done"]
        approval = changes[-1].approval if changes else None
        return approval if approval and approval.approval_key == version.approval.approval_key else None
