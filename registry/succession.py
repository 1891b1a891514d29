"""Who was champion after whom, as the history has it: the champions in force, and the ones a rollback took down."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from assay.registry.approvals import Approval
from assay.registry.history import AliasChange


@dataclass
class Succession:
    """The champions of one registered model.

    Args:
        in_force: version numbers in the order in which they became champion, without those that a rollback took
            down or went past. The last one is the present champion.
        rolled_back: version number -> the rollback that took it down. A version that was promoted again, or put
            back, is not among them, and neither is one whose bundle was under another number.
        bundles: version number -> digest of its bundle, kept here since the version itself may be deleted.
    """

    in_force: list[str] = field(default_factory=list)
    rolled_back: dict[str, AliasChange] = field(default_factory=dict)
    bundles: dict[str, str] = field(default_factory=dict)

    def promote(self, move: AliasChange) -> None:
        """Take a promotion into account."""
        self._lift(move)
        if not self.in_force and move.source:  # champion before the history begins
            self.in_force.append(move.source)
        self.in_force.append(move.target)

    def roll_back(self, move: AliasChange) -> None:
        """Take a rollback into account. Where nothing had the alias, it takes down the last champion."""
        down = move.source or (self.in_force[-1] if self.in_force else None)
        if down is not None and down != move.target:
            self.rolled_back[down] = move
        self._lift(move)
        if move.target in self.in_force:
            last = len(self.in_force) - self.in_force[::-1].index(move.target)
            self.in_force = self.in_force[: last - 1]
        self.in_force = [number for number in self.in_force if number not in self.rolled_back] + [move.target]

    def _lift(self, move: AliasChange) -> None:
        """Forget the rollbacks of what the move makes champion: of its version, and of deleted ones with its bundle."""
        same = {number for number in self.rolled_back if move.bundle and self.bundles.get(number) == move.bundle}
        for number in same | {move.target}:
            self.rolled_back.pop(number, None)

    def why_rolled_back(
        self, bundle: str, digest_of: Callable[[str], str], approval: Approval | None = None
    ) -> str | None:
        """Name the rollback that took down the version with this bundle; None if none did.

        Args:
            bundle: digest of a bundle.
            digest_of: digest of a version, asked where the history does not hold it.
            approval: a person's approval; given after the rollback, it overrides the rollback.
        """
        for number, move in self.rolled_back.items():
            approved = approval and approval.state == "approved" and approval.when and approval.when > move.when
            if not approved and (self.bundles.get(number) or digest_of(number)) == bundle:
                return f"version {number} holds this bundle and was rolled back on {move.when:%Y-%m-%d}: {move.reason}"
        return None


def read_succession(moves: Iterable[AliasChange]) -> Succession:
    """Return what the finished moves of a history add up to; the first one comes first."""
    succession = Succession()
    for move in moves:
        if move.state != "done":
            continue
        if move.bundle:
            succession.bundles[move.target] = move.bundle
        if move.kind == "promotion":
            succession.promote(move)
        else:
            succession.roll_back(move)
    return succession


def newest_first(numbers: Sequence[str]) -> list[str]:
    """Return each version once, the one that became champion last first."""
    return list(dict.fromkeys(reversed(numbers)))
