"""The aliases `champion` and `previous`, and how they change: completely or not at all."""

from contextlib import ExitStack
from functools import partial

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from assay.corpus.errors import AssayError
from assay.corpus.storage.leases import Lease
from assay.registry.history import AliasChange, read_alias_changes, write_alias_change
from assay.runs.mlflow_errors import NO_ALIAS, NOT_FOUND, found
from assay.runs.tags import FORCED_TAG, PROMOTED_TAG, REASON_TAG, REPLACED_TAG

CHAMPION = "champion"
PREVIOUS = "previous"


class ChampionChanged(AssayError):  # noqa: N818  # an event, not an error: the flow runs the gate again
    """A champion other than the one that the verdict compared with: the gate has to run again."""


class Aliases:
    """The two aliases of one registered model. The caller of a method that changes them holds the lease."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, alias: str) -> ModelVersion | None:
        """Return the version that an alias points to, or None. A search does not do: its results lack aliases."""
        return found(lambda: self._client.get_model_version_by_alias(self._name, alias), (NOT_FOUND, NO_ALIAS))

    def number(self, alias: str) -> str | None:
        """Return the number of the version that an alias points to, or None."""
        version = self.get(alias)
        return str(version.version) if version else None

    def apply(self, change: AliasChange, lease: Lease) -> AliasChange:
        """Point `champion` to another version and `previous` to the old one; undo everything if a step fails.

        Raises:
            ChampionChanged: another client changed the alias at the same time without the lease.
            AssayError: the lease expired.
        """
        with ExitStack() as undo:
            undo.callback(self._undo, change, lease)
            write_alias_change(self._client, self._name, change)
            steps = [partial(self._tag, change)]
            if change.source is not None:
                steps.append(partial(self._point, PREVIOUS, change.source))
            steps.append(partial(self._point, CHAMPION, change.target))
            for step in steps:
                lease.renew()
                step()
            done = self._confirm(change)
            undo.pop_all()
        return done

    def recover(self, lease: Lease) -> None:
        """Complete or undo the changes that a dead holder of the lease left half-way, whatever was deleted since."""
        for change in read_alias_changes(self._client, self._name):
            if change.state != "begun":
                continue
            if self.number(CHAMPION) == change.target:
                self._confirm(change)
            else:
                self._undo(change, lease)

    def _tag(self, change: AliasChange) -> None:
        """Set the tags that MLflow shows for the version; `assay.forced` is never removed."""
        tags = {PROMOTED_TAG: change.when.isoformat(timespec="seconds"), REASON_TAG: change.reason}
        if change.source is not None:
            tags[REPLACED_TAG] = change.source
        if change.forced:
            tags[FORCED_TAG] = change.forced
        for key, value in tags.items():
            self._client.set_model_version_tag(self._name, change.target, key, value)

    def _confirm(self, change: AliasChange) -> AliasChange:
        champion = self.number(CHAMPION)
        if champion != change.target:
            raise ChampionChanged(
                f"{self._name}: version {champion} was made champion by other means while {change.target} was; "
                "let only assay change the alias, then run the gate again"
            )
        done = change.model_copy(update={"state": "done"})
        write_alias_change(self._client, self._name, done)
        return done

    def _undo(self, change: AliasChange, lease: Lease) -> None:
        """Reset the aliases. Without the lease nothing is touched: the next holder recovers."""
        lease.renew()
        if self._pointed(CHAMPION, change.target):
            self._point(CHAMPION, change.source)
        if change.source is not None and self._pointed(PREVIOUS, change.source):
            self._point(PREVIOUS, change.previous)
        write_alias_change(self._client, self._name, change.model_copy(update={"state": "undone"}))

    def _point(self, alias: str, number: str | None) -> None:
        """Point an alias to a version, or delete the alias if that is deleted: recovery must not depend on it."""
        if number is not None and self._exists(number):
            self._client.set_registered_model_alias(self._name, alias, number)
        else:
            self._client.delete_registered_model_alias(self._name, alias)

    def _pointed(self, alias: str, number: str) -> bool:
        """Return whether an alias points to a version, or did until MLflow deleted both."""
        present = self.number(alias)
        return present == number or (present is None and not self._exists(number))

    def _exists(self, number: str) -> bool:
        return found(lambda: self._client.get_model_version(self._name, number)) is not None
