"""The registry of models: versions that have been assayed, and the one that serves.

A champion is an alias in the MLflow registry. It moves under a lease, only to a version whose verdict
passed (or with a reason that stays with it), only from the champion that the verdict was about, and
every move is written down. What fails half-way is undone.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from corpus.atomic import atomic_folder
from corpus.errors import AssayError
from serving.bundle import Bundle
from tasks.aliases import CHAMPION, NO_MODEL, PREVIOUS, Aliases, ChampionChanged
from tasks.connection import connect
from tasks.history import Move, read_moves, shortened
from tasks.lock import Lease, hold
from tasks.package import BUNDLE_TAG, log_bundle
from tasks.tracking import mlflow_reachable
from tasks.verdict import Verdict

__all__ = ["ChampionChanged", "ModelRegistry", "Move", "Version"]

logger = logging.getLogger(__name__)


class Version(BaseModel):
    """A version of the registered model: what the registry says of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    number: int
    tags: dict[str, str]
    run_id: str | None = None

    @classmethod
    def of(cls, found: ModelVersion) -> Self:
        """From MLflow's own object."""
        return cls(name=found.name, number=int(found.version), tags=found.tags, run_id=found.run_id)

    @property
    def bundle(self) -> str:
        """Digest of the bundle; empty for a version that this package did not register."""
        return self.tags.get(BUNDLE_TAG, "")

    @property
    def outcome(self) -> str:
        """`passed`, `refused` or `pending`."""
        return self.tags.get("assay.outcome", "pending")

    @property
    def address(self) -> str:
        """What `assay predict --model` takes."""
        return f"models:/{self.name}/{self.number}"


class ModelRegistry:
    """One registered model.

    Args:
        name: of the registered model.
        tracking_uri: MLflow.
        store: folder with the lease of promotions; all who promote this model must share it.
        client: of the same MLflow, for tests of failure.
    """

    def __init__(self, name: str, tracking_uri: str, store: Path, client: MlflowClient | None = None) -> None:
        self.name = name
        self.tracking_uri = tracking_uri
        self._lease_path = store / "locks" / f"{name}.json"
        with mlflow_reachable(tracking_uri):
            self._client = client or connect(tracking_uri)
        self._aliases = Aliases(self._client, name)

    def champion(self) -> Version | None:
        """The version that serves."""
        return self._aliased(CHAMPION)

    def previous(self) -> Version | None:
        """The champion before the present one."""
        return self._aliased(PREVIOUS)

    def version(self, number: int) -> Version:
        """A version by its number.

        Raises:
            AssayError: there is none.
        """
        with mlflow_reachable(self.tracking_uri):
            try:
                return Version.of(self._client.get_model_version(self.name, str(number)))
            except MlflowException as error:
                if error.error_code != NO_MODEL:
                    raise
                raise AssayError(f"{self.name} has no version {number}; see assay history {self.name}") from error

    def history(self) -> list[Move]:
        """Every move of the champion, the first one first; empty if there is no such model yet."""
        with mlflow_reachable(self.tracking_uri):
            try:
                return read_moves(self._client, self.name)
            except MlflowException as error:
                if error.error_code != NO_MODEL:
                    raise
                return []

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """Download a version's bundle and verify it against the digest in the registry.

        Args:
            version: what to fetch.
            folder: where to put the bundle; replaced if it is there.

        Raises:
            AssayError: the bytes are not those that were registered, or MLflow cannot be reached.
        """
        if not version.bundle:
            raise AssayError(f"{version.address} has no tag {BUNDLE_TAG}: it was not registered by assay; train again")
        with atomic_folder(folder) as partial:
            with mlflow_reachable(self.tracking_uri), tempfile.TemporaryDirectory(dir=folder.parent) as download:
                # Not a models:/ address: MLflow looks these up in the registry of the process.
                source = self._client.get_model_version_download_uri(self.name, str(version.number))
                path = mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{source}/artifacts/bundle", dst_path=download, tracking_uri=self.tracking_uri
                )
                shutil.copytree(path, partial, dirs_exist_ok=True)
            Bundle.load(partial, version.bundle)
        return Bundle.load(folder, version.bundle)

    def register(
        self, mlflow_run: str, bundle_folder: Path, verdict: Verdict, tags: Mapping[str, str], description: str = ""
    ) -> Version:
        """Make a bundle a version of the model, once: a second call finds the first one's version.

        MLflow's client repeats a request whose answer was lost, so one call can make two versions: the
        lowest one is kept.

        Args:
            mlflow_run: id of the run that trained it.
            bundle_folder: the bundle.
            verdict: the gate's answer, passed or refused.
            tags: further tags of the version.
            description: Markdown, shown by MLflow.

        Raises:
            AssayError: the verdict is about another bundle, or MLflow cannot be reached.
        """
        bundle = Bundle.load(bundle_folder)
        _about(verdict, bundle.digest)
        own = {BUNDLE_TAG: bundle.digest, "assay.verdict": verdict.digest, "assay.outcome": verdict.outcome}
        wanted = {**tags, **own}
        with mlflow_reachable(self.tracking_uri):
            self._create_model()
            if not self._with_bundle(bundle.digest):
                model = log_bundle(self._client, mlflow_run, bundle)
                self._client.create_model_version(
                    self.name, model.artifact_location, mlflow_run, wanted, None, description, model_id=model.model_id
                )
            version = self._adopt_lowest(bundle.digest)
            for key, value in wanted.items():
                if version.tags.get(key) != value:
                    self._client.set_model_version_tag(self.name, str(version.number), key, value)
        return self.version(version.number)

    def describe(self, version: Version, markdown: str) -> None:
        """Set the text that MLflow shows for a version."""
        with mlflow_reachable(self.tracking_uri):
            self._client.update_model_version(self.name, str(version.number), markdown)

    def promote(
        self,
        version: Version,
        verdict: Verdict,
        expected_champion: Version | None,
        reason: str,
        run_key: str | None = None,
    ) -> Move | None:
        """Make a version the champion; the present one becomes `previous`.

        Args:
            version: a registered version.
            verdict: about its bundle; passed, or with a reason in `forced`.
            expected_champion: the champion that the verdict compared with.
            reason: for the history.
            run_key: of the run that promotes.

        Returns:
            The move, or None if the version is the champion already.

        Raises:
            ChampionChanged: the champion is not the expected one (any more).
            AssayError: the verdict does not allow it, or a step failed and was undone.
        """
        forced = _why_forced(version, verdict)
        self._verify(version)
        with self._lease() as lease:
            champion = self.champion()
            if _number(champion) not in (version.number, _number(expected_champion)):
                raise ChampionChanged(
                    f"{self.name}: the champion is version {_number(champion)}, but the candidate was compared with "
                    f"{_number(expected_champion)}; run the gate again"
                )
            move = Move(
                number=lease.fencing,
                kind="promotion",
                from_version=_number(champion),
                to_version=version.number,
                previous_version=_number(self.previous()),
                why=shortened(reason),
                verdict=verdict.digest,
                forced=forced,
                run_key=run_key,
            )
            return self._move(move, lease)

    def rollback(self, to: Version | None, reason: str, run_key: str | None = None) -> Move | None:
        """Put an earlier champion back.

        Args:
            to: a version that was champion before; None: the previous one.
            reason: for the history.
            run_key: of the run that rolls back.

        Returns:
            The move, or None if the version is the champion already.

        Raises:
            AssayError: no reason, or the version never was champion.
        """
        if not reason.strip():
            raise AssayError(f"{self.name}: a rollback needs a reason; say why")
        target = to or self.previous()
        if target is None:
            raise AssayError(f"{self.name} has no previous champion; name a version, see assay history {self.name}")
        self._verify(target)
        with self._lease() as lease:
            earlier = [move for move in self.history() if move.state == "done" and move.to_version == target.number]
            if not earlier:
                raise AssayError(f"{target.address} never was champion; choose from assay history {self.name}")
            move = Move(
                number=lease.fencing,
                kind="rollback",
                from_version=_number(self.champion()),
                to_version=target.number,
                previous_version=_number(self.previous()),
                why=shortened(reason),
                verdict=earlier[-1].verdict,
                forced=earlier[-1].forced,
                run_key=run_key,
            )
            return self._move(move, lease)

    def _move(self, move: Move, lease: Lease) -> Move | None:
        if move.from_version == move.to_version:
            logger.info("%s: version %d is the champion already", self.name, move.to_version)
            return None
        with mlflow_reachable(self.tracking_uri):
            done = self._aliases.move(move, lease)
        logger.info("%s: champion is version %d now (%s)", self.name, move.to_version, move.why)
        return done

    @contextmanager
    def _lease(self) -> Iterator[Lease]:
        """Hold the lease; what a dead holder left half-way is put right first."""
        moves = self.history()
        with hold(self._lease_path, at_least=moves[-1].number if moves else 0) as lease:
            with mlflow_reachable(self.tracking_uri):
                self._aliases.settle(lease)
            yield lease

    def _verify(self, version: Version) -> None:
        """Fetch what would serve, so that no alias points to bytes that differ from those assayed."""
        with tempfile.TemporaryDirectory() as folder:
            self.fetch(version, Path(folder) / "bundle")

    def _aliased(self, alias: str) -> Version | None:
        with mlflow_reachable(self.tracking_uri):
            found = self._aliases.get(alias)
        return Version.of(found) if found else None

    def _create_model(self) -> None:
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _with_bundle(self, digest: str) -> list[Version]:
        """Versions with this bundle, the lowest first."""
        query = f"name = '{self.name}' AND tags.`{BUNDLE_TAG}` = '{digest}'"
        found = self._client.search_model_versions(query)
        return sorted(map(Version.of, found), key=lambda version: version.number)

    def _adopt_lowest(self, digest: str) -> Version:
        lowest, *surplus = self._with_bundle(digest)
        for version in surplus:
            try:
                self._client.delete_model_version(self.name, str(version.number))
            except MlflowException as error:
                # Another process may have found and deleted it too.
                if error.error_code != NO_MODEL:
                    raise
        return lowest


def _number(version: Version | None) -> int | None:
    return version.number if version else None


def _about(verdict: Verdict, digest: str) -> None:
    if verdict.bundle != digest:
        raise AssayError(f"the verdict is about bundle {verdict.bundle}, not {digest}; run the gate on this bundle")


def _why_forced(version: Version, verdict: Verdict) -> str | None:
    """None if the verdict allows the promotion; the reason if it is forced; else an error."""
    _about(verdict, version.bundle)
    if verdict.outcome == "passed":
        return None
    if forced := shortened(verdict.forced or ""):
        return forced
    names = ", ".join(check.name for check in verdict.failed) or "no checks were made"
    raise AssayError(f"{version.address} was refused ({names}); mend the model, or force it with a reason")
