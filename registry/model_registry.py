"""One registered model: its versions, its champion, and how the champion changes.

The champion is an alias in the MLflow registry. It moves under a lease, only to a version whose verdict
passed (or with a reason that stays with it), only from the champion that the verdict was about, and
every move is written down. What fails half-way is undone.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from assay.corpus.errors import AssayError
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.verdict import Verdict
from assay.registry.aliases import CHAMPION, FORCED_TAG, PREVIOUS, PROMOTED_TAG, Aliases, ChampionChanged
from assay.registry.approval_records import ApprovalRecords
from assay.registry.approvals import FAILED_TAG, OUTCOME_TAG, Approval, approval_tags
from assay.registry.card_descriptions import LONGEST_DESCRIPTION, shortened_card
from assay.registry.champion_memory import ChampionMemory
from assay.registry.history import AliasChange, read_alias_changes, shortened
from assay.registry.lock import Lease, hold
from assay.registry.succession import newest_first, read_succession
from assay.registry.versions import NOT_THERE, Version, Versions
from assay.runs.events import PROMOTED, ROLLED_BACK, emit, model_resource
from assay.runs.mlflow_client import connect
from assay.runs.mlflow_runs import find_run
from assay.runs.tags import VERDICT_TAG
from assay.runs.tracking import mlflow_reachable
from assay.serving.bundle import Bundle
from assay.serving.signatures import SIGNATURE_TAG, sign, signing_key

logger = logging.getLogger(__name__)


class ModelRegistry:
    """One registered model.

    Args:
        name: of the registered model.
        tracking_uri: MLflow.
        store: folder with the lease of promotions; all who promote this model must share it.
        client: of the same MLflow, where the caller has one.
    """

    def __init__(self, name: str, tracking_uri: str, store: Path, client: MlflowClient | None = None) -> None:
        self.name = name
        self.tracking_uri = tracking_uri
        self._lease_path = store / "locks" / f"{name}.json"
        self._memory = ChampionMemory(store / "champions" / f"{name}.json", tracking_uri)
        with mlflow_reachable(tracking_uri):
            self._client = client or connect(tracking_uri)
        self._aliases = Aliases(self._client, name)
        self._versions = Versions(self._client, name, tracking_uri)
        self._answers = ApprovalRecords(self._client, self._versions)

    def champion(self) -> Version | None:
        """The version that serves."""
        return self._aliased(CHAMPION)

    def previous(self) -> Version | None:
        """The champion before the present one."""
        return self._aliased(PREVIOUS)

    def version(self, number: str) -> Version:
        """A version by its number.

        Raises:
            AssayError: there is none.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._versions.get(number)

    def find(self, bundle: str) -> Version | None:
        """The version that holds the bundle of this digest."""
        with mlflow_reachable(self.tracking_uri):
            return self._versions.find(bundle)

    def compared_on(self, sample: str) -> list[Version]:
        """Return the versions whose test rows overlap with those of the sample."""
        with mlflow_reachable(self.tracking_uri):
            return self._versions.compared_on(sample)

    def pending(self) -> list[Version]:
        """Versions that wait for approval; those that waited in vain are written down as refused first."""
        with mlflow_reachable(self.tracking_uri):
            return self._answers.pending()

    def history(self) -> list[AliasChange]:
        """Every move of the champion, the first one first; empty if there is no such model yet."""
        with mlflow_reachable(self.tracking_uri):
            try:
                return read_alias_changes(self._client, self.name)
            except MlflowException as error:
                if error.error_code != NOT_THERE:
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
        """Make a bundle a version of the model, once: a second call finds the first one's version.

        The verdict is kept with the MLflow run of the version.

        Args:
            mlflow_run: id of the run that trained it.
            bundle_folder: the bundle.
            verdict: the gate's answer, passed or refused.
            tags: further tags of the version.
            description: Markdown, shown by MLflow.
            approval: what a person is asked; the version is pending then.

        Raises:
            AssayError: the verdict is about another bundle, or MLflow cannot be reached.
        """
        bundle = Bundle.load(bundle_folder)
        _about(verdict, bundle.digest)
        outcome = approval_tags(approval, verdict.outcome) if approval else {OUTCOME_TAG: verdict.outcome}
        own = {VERDICT_TAG: verdict.digest, **outcome}
        with mlflow_reachable(self.tracking_uri):
            # A bundle that came before keeps its version and its run. The verdict comes first: who finds the tag, or
            # a question, finds what it is about.
            found = self._versions.find(bundle.digest)
            earlier = found.run_id if found else None
            self._answers.keep(earlier if earlier and find_run(self._client, earlier) else mlflow_run, verdict)
            version = self._versions.create(
                mlflow_run, bundle, {**tags, **own}, shortened_card(description, LONGEST_DESCRIPTION)
            )
            if verdict.outcome == "passed" and FAILED_TAG in version.tags:
                self._client.delete_model_version_tag(self.name, version.number, FAILED_TAG)
            return self._versions.get(version.number)

    def describe(self, version: Version, markdown: str) -> None:
        """Set the text that MLflow shows for a version."""
        with mlflow_reachable(self.tracking_uri):
            self._client.update_model_version(self.name, version.number, shortened_card(markdown, LONGEST_DESCRIPTION))

    def note(self, version: Version, line: str) -> None:
        """Put a line on top of what MLflow shows for a version."""
        with mlflow_reachable(self.tracking_uri):
            shown = self._client.get_model_version(self.name, version.number).description or ""
            text = shortened_card(f"{line}\n\n{shown}", LONGEST_DESCRIPTION)
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
        """Make a version the champion; the present one becomes `previous`.

        Args:
            version: a registered version.
            verdict: about its bundle; passed, or with a reason in `forced`.
            expected_champion: the champion that the verdict compared with.
            reason: for the history.
            run_key: of the run that promotes.
            approval: the answer of the person who approved it, where one was asked.

        Returns:
            The move, or None if the version is the champion already.

        Raises:
            ChampionChanged: the champion is not the expected one (any more).
            AssayError: the verdict does not allow it, the approval is not for it, or a step failed and was undone.
        """
        forced = _why_forced(version, verdict)
        self._verify(version)
        with self._lease() as lease, mlflow_reachable(self.tracking_uri):
            champion = _number(self.champion())
            if champion == version.number:
                logger.info("%s is the champion already", version.address)
                self._answers.write(version, verdict, approval or self._answer_of_promotion(version))
                return None
            if champion != _number(expected_champion):
                raise ChampionChanged(
                    f"{self.name}: the champion is version {champion}, but the candidate was compared with "
                    f"{_number(expected_champion)}; run the gate again"
                )
            if not (verdict.forced or "").strip() and (why := self.why_rolled_back(version.bundle, approval)):
                raise AssayError(f"{self.name}: {why}; train another model, or promote it with --force REASON")
            self._answers.check(version, verdict, approval)
            move = self._move(lease, "promotion", version, reason, verdict.digest, forced, run_key, approval)
            self._answers.write(version, verdict, approval)
            return move

    def refuse(self, version: Version, verdict: Verdict, approval: Approval) -> Version:
        """Write down that a person refused a version, or that nobody answered in time.

        Raises:
            AssayError: it was answered otherwise before.
        """
        with self._lease(), mlflow_reachable(self.tracking_uri):
            self._answers.check(version, verdict, approval)
            self._answers.write(version, verdict, approval)
        return self.version(version.number)

    def kept_verdict(self, version: Version) -> Verdict:
        """The verdict that a person was asked about.

        Raises:
            AssayError: nobody was asked, or what is kept is another verdict.
        """
        with mlflow_reachable(self.tracking_uri):
            return self._answers.verdict(version)

    def tagged_verdict(self, version: Version) -> Verdict | None:
        """The verdict whose digest the version is tagged with; None where it is not kept, or was changed."""
        with mlflow_reachable(self.tracking_uri):
            return self._answers.find(version, version.tags.get(VERDICT_TAG, ""))

    def rollback(self, to: str | None, reason: str, run_key: str | None = None) -> AliasChange:
        """Put an earlier champion back.

        Args:
            to: number of a version that was champion before; None: the last one before the present one whose bundle
                can still be fetched, without those that a rollback took down.
            reason: for the history.
            run_key: of the run that rolls back.

        Raises:
            AssayError: no reason, the version never was champion, or it is the champion now.
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
            verdict, forced = self._promoted_on(target)
            return self._move(lease, "rollback", target, reason, verdict, forced, run_key)

    def former_champions(self) -> list[Version]:
        """Return the champions that are left and that no rollback took down, the last one first.

        The history says which they are; where it is lost, the tags of the versions and the alias `previous` do.
        """
        moves = self.history()
        numbers = newest_first(read_succession(moves).in_force)
        with mlflow_reachable(self.tracking_uri):
            if not moves:
                numbers = self._versions.once_promoted() or [_number(self.previous()) or ""]
            return [version for number in numbers if number and (version := self._versions.look_up(number))]

    def last_champion(self) -> str | None:
        """Return the number of the last champion, which may be deleted by now; None if there never was one.

        Where the registered model itself was deleted, and its history with it, the store still knows.
        """
        in_force = read_succession(self.history()).in_force
        former = [] if in_force else self.former_champions()
        number = in_force[-1] if in_force else next((version.number for version in former), None)
        return number or self._memory.read()

    def why_rolled_back(self, bundle: str, approval: Approval | None = None) -> str | None:
        """Name the rollback that took down the version with this bundle; None if none did.

        Args:
            bundle: digest of the bundle.
            approval: a person's approval; given after the rollback, it overrides the rollback.
        """
        succession = read_succession(self.history())
        with mlflow_reachable(self.tracking_uri):
            return succession.why_rolled_back(bundle, self._versions.digest_of, approval)

    def _promoted_on(self, version: Version) -> tuple[str | None, str | None]:
        """Return the verdict that made a version champion, and why it was forced.

        Where the history that knows of it is lost, the tags of the version say so.

        Raises:
            AssayError: it never was champion.
        """
        moves = [move for move in self.history() if move.target == version.number]
        done = [move for move in moves if move.state == "done"]
        if done:
            return done[-1].verdict, done[-1].forced
        if not moves and PROMOTED_TAG in version.tags:
            return version.tags.get(VERDICT_TAG), version.tags.get(FORCED_TAG)
        raise AssayError(f"{version.address} never was champion; choose from assay history {self.name}")

    def _champion_before(self) -> Version:
        """Return the last former champion whose bundle can still be fetched, verified."""
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

    def _answer_of_promotion(self, version: Version) -> Approval | None:
        """The answer that promoted a version which still reads as pending: the process died before it said so there."""
        if version.approval is None or version.approval.state != "pending":
            return None
        moves = [move for move in self.history() if move.target == version.number and move.state == "done"]
        answer = moves[-1].approval if moves else None
        return answer if answer and answer.approval_key == version.approval.approval_key else None

    def _move(
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
        move = AliasChange(
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
            done = self._aliases.move(move, lease)
        self._memory.write(done.target)
        logger.info("%s: champion is version %s now (%s)", self.name, done.target, done.reason)
        summary = f"version {done.target} instead of {done.source or 'none'}: {done.reason}"
        payload = {"summary": summary, "address": version.address, "move": done.model_dump(mode="json")}
        emit(PROMOTED if kind == "promotion" else ROLLED_BACK, model_resource(self.name), self.name, payload)
        return done

    @contextmanager
    def _lease(self) -> Iterator[Lease]:
        """Hold the lease; what a dead holder left half-way is put right first."""
        moves = self.history()
        with hold(self._lease_path, at_least=moves[-1].number if moves else 0) as lease:
            with mlflow_reachable(self.tracking_uri):
                self._aliases.apply_verdict(lease)
            yield lease

    def _verify(self, version: Version) -> None:
        """Fetch what would serve, so that no alias points to bytes that differ from those assayed; sign it."""
        with tempfile.TemporaryDirectory() as folder:
            bundle = self.fetch(version, Path(folder) / BUNDLE)
            if key := signing_key():
                with mlflow_reachable(self.tracking_uri):
                    self._client.set_model_version_tag(self.name, version.number, SIGNATURE_TAG, sign(bundle, key))

    def _aliased(self, alias: str) -> Version | None:
        with mlflow_reachable(self.tracking_uri):
            found = self._aliases.get(alias)
        return Version.of(found) if found else None


def _number(version: Version | None) -> str | None:
    return version.number if version else None


def _about(verdict: Verdict, digest: str) -> None:
    if verdict.bundle != digest:
        raise AssayError(f"the verdict is about bundle {verdict.bundle}, not {digest}; run the gate on this bundle")


def _why_forced(version: Version, verdict: Verdict) -> str | None:
    """None if the verdict allows the promotion; the reason if it is forced.

    Raises:
        AssayError: refused, or about another bundle.
    """
    _about(verdict, version.bundle)
    if verdict.outcome == "passed":
        return None
    if forced := shortened(verdict.forced or ""):
        return forced
    raise AssayError(
        f"{version.address} was refused ({failed_names(verdict)}); mend the model, or force it with a reason"
    )


def failed_names(verdict: Verdict) -> str:
    """The checks that failed, for one line."""
    return ", ".join(check.name for check in verdict.failed) or "no checks were made"
