"""The aliases `champion` and `previous`, and how they move: all of a move or none of it."""

from contextlib import ExitStack
from functools import partial

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from assay.corpus.errors import AssayError
from assay.registry.history import AliasChange, read_alias_changes, write_alias_change
from assay.registry.lock import Lease

CHAMPION = "champion"
PREVIOUS = "previous"
PROMOTED_TAG, REASON_TAG, REPLACED_TAG = "assay.promoted_at", "assay.reason", "assay.replaced"
FORCED_TAG = "assay.forced"
# What MLflow answers for a model that is not there, and for an alias that is not.
NO_MODEL, NO_ALIAS = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"


class ChampionChanged(AssayError):  # noqa: N818  # it tells what happened; the flow answers, nothing is wrong
    """The champion is another one than the verdict compared with: the gate has to run again."""


class Aliases:
    """The two aliases of one registered model. Whoever moves them holds the lease."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, alias: str) -> ModelVersion | None:
        """The version an alias points to. A search would not do: its answers lack aliases."""
        try:
            return self._client.get_model_version_by_alias(self._name, alias)
        except MlflowException as error:
            if error.error_code in (NO_MODEL, NO_ALIAS):
                return None
            raise

    def number(self, alias: str) -> str | None:
        """The number of the version an alias points to."""
        found = self.get(alias)
        return str(found.version) if found else None

    def move(self, move: AliasChange, lease: Lease) -> AliasChange:
        """Point `champion` to another version and `previous` to the old one; undo what was done if a step fails.

        Raises:
            ChampionChanged: somebody moved the alias at the same time without the lease.
            AssayError: the lease ran out.
        """
        with ExitStack() as undo:
            undo.callback(self._undo, move, lease)
            write_alias_change(self._client, self._name, move)
            steps = [partial(self._tag, move)]
            if move.source is not None:
                steps.append(partial(self._point, PREVIOUS, move.source))
            steps.append(partial(self._point, CHAMPION, move.target))
            for step in steps:
                lease.renew()
                step()
            done = self._confirm(move)
            undo.pop_all()
        return done

    def apply_verdict(self, lease: Lease) -> None:
        """End or undo the moves that a dead holder of the lease left half-way, whatever was deleted since."""
        for move in read_alias_changes(self._client, self._name):
            if move.state != "begun":
                continue
            if self.number(CHAMPION) == move.target:
                self._confirm(move)
            else:
                self._undo(move, lease)

    def _tag(self, move: AliasChange) -> None:
        """What MLflow's pages show beside the version; `assay.forced` is never taken away."""
        tags = {PROMOTED_TAG: move.when.isoformat(timespec="seconds"), REASON_TAG: move.reason}
        if move.source is not None:
            tags[REPLACED_TAG] = move.source
        if move.forced:
            tags[FORCED_TAG] = move.forced
        for key, value in tags.items():
            self._client.set_model_version_tag(self._name, move.target, key, value)

    def _confirm(self, move: AliasChange) -> AliasChange:
        champion = self.number(CHAMPION)
        if champion != move.target:
            raise ChampionChanged(
                f"{self._name}: version {champion} was made champion by other means while {move.target} was; "
                "let only assay move the alias, then run the gate again"
            )
        done = move.model_copy(update={"state": "done"})
        write_alias_change(self._client, self._name, done)
        return done

    def _undo(self, move: AliasChange, lease: Lease) -> None:
        """Put the aliases back. Without the lease nothing is touched: the next holder settles the move."""
        lease.renew()
        if self._pointed(CHAMPION, move.target):
            self._point(CHAMPION, move.source)
        if move.source is not None and self._pointed(PREVIOUS, move.source):
            self._point(PREVIOUS, move.previous)
        write_alias_change(self._client, self._name, move.model_copy(update={"state": "undone"}))

    def _point(self, alias: str, number: str | None) -> None:
        """Point an alias to a version; to none where that is gone: recovery must not wait for a deleted one."""
        if number is not None and self._exists(number):
            self._client.set_registered_model_alias(self._name, alias, number)
        else:
            self._client.delete_registered_model_alias(self._name, alias)

    def _pointed(self, alias: str, number: str) -> bool:
        """Return whether an alias points to a version, or did: MLflow takes it away when the version is deleted."""
        present = self.number(alias)
        return present == number or (present is None and not self._exists(number))

    def _exists(self, number: str) -> bool:
        try:
            self._client.get_model_version(self._name, number)
        except MlflowException as error:
            if error.error_code == NO_MODEL:
                return False
            raise
        return True
