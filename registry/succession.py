"""The succession of champions in the history: the champions in force, and those that a rollback took down."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from assay.registry.approvals import Approval
from assay.registry.history import AliasChange


@dataclass
class Succession:
    """The champions of one registered model.

    Args:
        in_force: version numbers in the order in which they became champion, without those that a rollback took
            down or skipped. The last one is the present champion.
        rolled_back: rollback that took a version down, by version number. A version that became champion again is
            not included, and neither is one whose bundle did under another number.
        bundles: digest of the bundle by version number, kept here since the version itself may be deleted.
    """

    in_force: list[str] = field(default_factory=list)
    rolled_back: dict[str, AliasChange] = field(default_factory=dict)
    bundles: dict[str, str] = field(default_factory=dict)

    def promote(self, change: AliasChange) -> None:
        """Add a promotion."""
        self._lift(change)
        if not self.in_force and change.source:  # champion before the history begins
            self.in_force.append(change.source)
        self.in_force.append(change.target)

    def roll_back(self, change: AliasChange) -> None:
        """Add a rollback. If no version had the alias, it takes down the last champion."""
        down = change.source or (self.in_force[-1] if self.in_force else None)
        if down is not None and down != change.target:
            self.rolled_back[down] = change
        self._lift(change)
        if change.target in self.in_force:
            last = len(self.in_force) - self.in_force[::-1].index(change.target)
            self.in_force = self.in_force[: last - 1]
        self.in_force = [number for number in self.in_force if number not in self.rolled_back] + [change.target]

    def _lift(self, change: AliasChange) -> None:
        """Remove the rollbacks of the new champion: of its version, and of deleted versions with its bundle."""
        same = {number for number in self.rolled_back if change.bundle and self.bundles.get(number) == change.bundle}
        for number in same | {change.target}:
            self.rolled_back.pop(number, None)

    def why_rolled_back(
        self, bundle: str, digest_of: Callable[[str], str], approval: Approval | None = None
    ) -> str | None:
        """Describe the rollback that took down the version with this bundle; return None if there is none.

        Args:
            bundle: digest of a bundle.
            digest_of: returns the digest of a version that the history does not hold.
            approval: approval by a person; one given after the rollback overrides it.
        """
        for number, change in self.rolled_back.items():
            approved = approval and approval.state == "approved" and approval.when and approval.when > change.when
            if not approved and (self.bundles.get(number) or digest_of(number)) == bundle:
                return (
                    f"version {number} holds this bundle and was rolled back on {change.when:%Y-%m-%d}: {change.reason}"
                )
        return None


def read_succession(changes: Iterable[AliasChange]) -> Succession:
    """Return the succession after the finished changes of a history, given the oldest first."""
    succession = Succession()
    for change in changes:
        if change.state != "done":
            continue
        if change.bundle:
            succession.bundles[change.target] = change.bundle
        if change.kind == "promotion":
            succession.promote(change)
        else:
            succession.roll_back(change)
    return succession


def newest_first(numbers: Sequence[str]) -> list[str]:
    """Return each version once, the latest champion first."""
    return list(dict.fromkeys(reversed(numbers)))
