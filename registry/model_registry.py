"""One registered model: its versions, its champion, and how the champion changes.

The champion is an alias in the MLflow registry. It changes under a lease, only to a version whose verdict passed (or
with a reason that stays with it), only from the champion that the verdict compared with, and every change is recorded.
A change that fails half-way is undone.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.storage.leases import Lease, hold_lease
from assay.corpus.storage.object_store import SharedStore, shared_store
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.verdict import Verdict
from assay.registry.aliases import CHAMPION, PREVIOUS, Aliases, ChampionChanged
from assay.registry.approval_records import ApprovalRecords
from assay.registry.approvals import Approval, approval_tags
from assay.registry.card_descriptions import LONGEST_DESCRIPTION, shortened_card
from assay.registry.champion_history import ChampionHistory
from assay.registry.champion_memory import ChampionMemory
from assay.registry.history import AliasChange, shortened
from assay.registry.versions import Version, Versions
from assay.runs.events import PROMOTED, ROLLED_BACK, emit, model_resource
from assay.runs.mlflow_client import connect
from assay.runs.mlflow_runs import find_run
from assay.runs.tags import FAILED_TAG, OUTCOME_TAG, SIGNATURE_TAG, VERDICT_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.bundle import Bundle
from assay.serving.signatures import sign, signing_key

logger = logging.getLogger(__name__)


class ModelRegistry:
    """One registered model.

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
        self._lease_path = store / "locks" / f"{name}.json"
        self._shared = shared
        self._memory = ChampionMemory(store / "champions" / f"{name}.json", tracking_uri)
        with mlflow_reachable(tracking_uri):
            self._client = client or connect(tracking_uri)
        self._aliases = Aliases(self._client, name)
        self._versions = Versions(self._client, name, tracking_uri)
        self._approvals = ApprovalRecords(self._client, self._versions)
        self._history = ChampionHistory(self._client, self._versions, self._aliases, self._memory)

    def champion(self) -> Version | None:
        """Return the version that serves, or None."""
        return self.aliased(CHAMPION)

    def previous(self) -> Version | None:
        """Return the champion before the present one, or None."""
        return self.aliased(PREVIOUS)

    def aliased(self, alias: str) -> Version | None:
        """Return the version that an alias points to, or None."""
        with mlflow_reachable(self.tracking_uri):
            version = self._aliases.get(alias)
        return Version.of(version) if version else None

    def newest(self) -> Version | None:
        """Return the version with the highest number, or None."""
        with mlflow_reachable(self.tracking_uri):
            return self._versions.newest()

    def version(self, number: str) -> Version:
        """Return a version by its number.

        Raises:
            AssayError: there is no such version.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._versions.get(number)

    def find(self, bundle: str) -> Version | None:
        """Return the version that holds the bundle of this digest, or None."""
        with mlflow_reachable(self.tracking_uri):
            return self._versions.find(bundle)

    def compared_on(self, sample: str) -> list[Version]:
        """Return the versions whose test rows overlap with those of the sample."""
        with mlflow_reachable(self.tracking_uri):
            return self._versions.compared_on(sample)

    def pending(self) -> list[Version]:
        """Return the versions that wait for approval; record those whose time has expired as refused first."""
        with mlflow_reachable(self.tracking_uri):
            return self._approvals.pending()

    def history(self) -> list[AliasChange]:
        """Return every change of the champion, the oldest first; empty if there is no such model yet."""
        with mlflow_reachable(self.tracking_uri):
            return self._history.changes()

    def former_champions(self) -> list[Version]:
        """Return the champions that still exist and that no rollback took down, the newest first."""
        with mlflow_reachable(self.tracking_uri):
            return self._history.former()

    def last_champion(self) -> str | None:
        """Return the number of the last champion, which may be deleted by now, or None if there never was one."""
        with mlflow_reachable(self.tracking_uri):
            return self._history.last()

    def why_rolled_back(self, bundle: str, approval: Approval | None = None) -> str | None:
        """Describe the rollback that took down the version with this bundle; return None if there is none.

        Args:
            bundle: digest of the bundle.
            approval: approval by a person; one given after the rollback overrides it.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._history.why_rolled_back(bundle, approval)

    def fetch(self, version: Version, folder: Path) -> Bundle:
        """Download the bundle of a version and verify it against the digest in the registry.

        Args:
            version: the version to fetch.
            folder: folder of the bundle; an existing one is replaced.

        Raises:
            AssayError: the bytes are not those that were registered, or MLflow cannot be reached.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._versions.download(version, folder)

    def register(
        self,
        mlflow_run: str,
        bundle_folder: Path,
        verdict: Verdict,
        tags: Mapping[str, str],
        description: str = "",
        approval: Approval | None = None,
    ) -> Version:
        """Make a bundle a version of the model, once: a second call returns the version of the first.

        The verdict is kept with the MLflow run of the version.

        Args:
            mlflow_run: id of the run that trained it.
            bundle_folder: folder of the bundle.
            verdict: verdict of the gate, passed or refused.
            tags: further tags of the version.
            description: Markdown, shown by MLflow.
            approval: approval that a person is asked for; the version is pending then.

        Raises:
            AssayError: the verdict is about another bundle, or MLflow cannot be reached.
        """
        bundle = Bundle.load(bundle_folder)
        _check_bundle(verdict, bundle.digest)
        outcome = approval_tags(approval, verdict.outcome) if approval else {OUTCOME_TAG: verdict.outcome}
        own_tags = {VERDICT_TAG: verdict.digest, **outcome}
        with mlflow_reachable(self.tracking_uri):
            # A bundle that was registered before keeps its version and its run. The verdict is written first, so that
            # a reader of the tag, or a person who is asked, finds it.
            existing = self._versions.find(bundle.digest)
            earlier_run = existing.run_id if existing else None
            has_run = earlier_run is not None and find_run(self._client, earlier_run) is not None
            self._approvals.keep(earlier_run if earlier_run and has_run else mlflow_run, verdict)
            version = self._versions.create(
                mlflow_run, bundle, {**tags, **own_tags}, shortened_card(description, LONGEST_DESCRIPTION)
            )
            if verdict.outcome == "passed" and FAILED_TAG in version.tags:
                self._client.delete_model_version_tag(self.name, version.number, FAILED_TAG)
            return self._versions.get(version.number)

    def describe(self, version: Version, markdown: str) -> None:
        """Set the text that MLflow shows for a version."""
        with mlflow_reachable(self.tracking_uri):
            self._client.update_model_version(self.name, version.number, shortened_card(markdown, LONGEST_DESCRIPTION))

    def note(self, version: Version, line: str) -> None:
        """Put a line on top of the text that MLflow shows for a version."""
        with mlflow_reachable(self.tracking_uri):
            description = self._client.get_model_version(self.name, version.number).description or ""
            text = shortened_card(f"{line}\n\n{description}", LONGEST_DESCRIPTION)
            self._client.update_model_version(self.name, version.number, text)

    def promote(
        self,
        version: Version,
        verdict: Verdict,
        expected_champion: Version | None,
        reason: str,
        run_key: str | None = None,
        approval: Approval | None = None,
    ) -> AliasChange | None:
        """Make a version the champion; the present champion becomes `previous`.

        Args:
            version: a registered version.
            verdict: verdict about its bundle; passed, or with a reason in `forced`.
            expected_champion: the champion that the verdict compared with.
            reason: reason for the history.
            run_key: key of the run that promotes.
            approval: decision of the person who approved it, where one was asked.

        Returns:
            The change, or None if the version is the champion already.

        Raises:
            ChampionChanged: the champion is not (or no longer) the expected one.
            AssayError: the verdict does not allow it, the approval is not for it, or a step failed and was undone.
        """
        forced = _why_forced(version, verdict)
        self._verify(version)
        with self._lease() as lease, mlflow_reachable(self.tracking_uri):
            champion = _number(self.champion())
            if champion == version.number:
                logger.info("%s is the champion already", version.address)
                self._approvals.write(version, verdict, approval or self._history.approval_of_promotion(version))
                return None
            if champion != _number(expected_champion):
                raise ChampionChanged(
                    f"{self.name}: the champion is version {champion}, but the candidate was compared with "
                    f"{_number(expected_champion)}; run the gate again"
                )
            if not (verdict.forced or "").strip() and (why := self._history.why_rolled_back(version.bundle, approval)):
                raise AssayError(f"{self.name}: {why}; train another model, or promote it with --force REASON")
            self._approvals.check(version, verdict, approval)
            change = self._change(lease, "promotion", version, reason, verdict.digest, forced, run_key, approval)
            self._approvals.write(version, verdict, approval)
            return change

    def refuse(self, version: Version, verdict: Verdict, approval: Approval) -> Version:
        """Record that a person refused a version, or that nobody decided in time.

        Raises:
            AssayError: a different decision was recorded before.
        """
        with self._lease(), mlflow_reachable(self.tracking_uri):
            self._approvals.check(version, verdict, approval)
            self._approvals.write(version, verdict, approval)
        return self.version(version.number)

    def stored_verdict(self, version: Version) -> Verdict:
        """Return the verdict that a person was asked about.

        Raises:
            AssayError: nobody was asked, or the verdict was changed or removed.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._approvals.verdict(version)

    def tagged_verdict(self, version: Version) -> Verdict | None:
        """Return the verdict whose digest the version is tagged with, or None if it was changed or removed."""
        with mlflow_reachable(self.tracking_uri):
            return self._approvals.find(version, version.tags.get(VERDICT_TAG, ""))

    def rollback(self, to: str | None, reason: str, run_key: str | None = None) -> AliasChange:
        """Make an earlier champion the champion again.

        Args:
            to: number of a version that was champion before; None takes the last former champion whose bundle can
                still be downloaded, without those that a rollback took down.
            reason: reason for the history.
            run_key: key of the run that rolls back.

        Raises:
            AssayError: there is no reason, or the version never was champion, or it is the champion now.
        """
        if not reason.strip():
            raise AssayError(f"{self.name}: a rollback needs a reason; say why")
        if to:
            self._verify(target := self.version(to))
        else:
            target = self._champion_before()
        with self._lease() as lease:
            if _number(self.champion()) == target.number:
                raise AssayError(f"{target.address} is the champion already; see assay history {self.name}")
            with mlflow_reachable(self.tracking_uri):
                verdict, forced = self._history.promoted_on(target)
            return self._change(lease, "rollback", target, reason, verdict, forced, run_key)

    def _champion_before(self) -> Version:
        """Return the last former champion whose bundle can still be downloaded, verified."""
        champion, failed = _number(self.champion()), []
        for version in self.former_champions():
            if version.number == champion:
                continue
            try:
                self._verify(version)
            except AssayError as error:
                logger.warning("%s is passed over: %s", version.address, error)
                failed.append(f"{version.address}: {error}")
            else:
                return version
        if failed:
            raise AssayError(f"{self.name} has no previous champion that can be fetched; {'; '.join(failed)}")
        raise AssayError(
            f"{self.name} has no previous champion that no rollback took down; "
            f"name a version with --to, see assay history {self.name}"
        )

    def _change(
        self,
        lease: Lease,
        kind: Literal["promotion", "rollback"],
        version: Version,
        reason: str,
        verdict: str | None,
        forced: str | None,
        run_key: str | None,
        approval: Approval | None = None,
    ) -> AliasChange:
        change = AliasChange(
            number=lease.fencing,
            kind=kind,
            source=_number(self.champion()),
            target=version.number,
            bundle=version.bundle or None,
            previous=_number(self.previous()),
            reason=shortened(reason),
            verdict=verdict,
            forced=forced,
            approval=approval,
            run=run_key,
        )
        with mlflow_reachable(self.tracking_uri):
            done = self._aliases.apply(change, lease)
        self._memory.write(done.target)
        logger.info("%s: champion is version %s now (%s)", self.name, done.target, done.reason)
        summary = f"version {done.target} instead of {done.source or 'none'}: {done.reason}"
        payload = {"summary": summary, "address": version.address, "alias_change": done.model_dump(mode="json")}
        emit(PROMOTED if kind == "promotion" else ROLLED_BACK, model_resource(self.name), self.name, payload)
        return done

    @contextmanager
    def _lease(self) -> Iterator[Lease]:
        """Hold the lease, and complete or undo first what a dead holder left half-way."""
        changes = self.history()
        at_least = changes[-1].number if changes else 0
        with hold_lease(self._lease_path, self._shared or shared_store(), at_least=at_least) as lease:
            with mlflow_reachable(self.tracking_uri):
                self._aliases.recover(lease)
            yield lease

    def _verify(self, version: Version) -> None:
        """Download and sign what would serve, so that no alias points to bytes that differ from the tested ones."""
        with tempfile.TemporaryDirectory() as folder:
            bundle = self.fetch(version, Path(folder) / BUNDLE)
            if key := signing_key():
                with mlflow_reachable(self.tracking_uri):
                    self._client.set_model_version_tag(self.name, version.number, SIGNATURE_TAG, sign(bundle, key))


def failed_names(verdict: Verdict) -> str:
    """Return the names of the failed checks in one line."""
    return ", ".join(check.name for check in verdict.failed) or "no checks were made"


def _number(version: Version | None) -> str | None:
    return version.number if version else None


def _check_bundle(verdict: Verdict, digest: str) -> None:
    if verdict.bundle != digest:
        raise AssayError(f"the verdict is about bundle {verdict.bundle}, not {digest}; run the gate on this bundle")


def _why_forced(version: Version, verdict: Verdict) -> str | None:
    """Return why the promotion is forced, or None if the verdict allows it.

    Raises:
        AssayError: the verdict refuses, or is about another bundle.
    """
    _check_bundle(verdict, version.bundle)
    if verdict.outcome == "passed":
        return None
    if forced := shortened(verdict.forced or ""):
        return forced
    raise AssayError(
        f"{version.address} was refused ({failed_names(verdict)}); fix the model, or force it with a reason"
    )
