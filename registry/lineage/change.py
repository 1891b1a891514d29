"""Differences between two versions or runs, as rows of a table."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

ABSENT = "-"


class Change(BaseModel):
    """One difference between two versions or runs; None stands for a missing value."""

    model_config = ConfigDict(frozen=True)

    what: str
    before: Any
    after: Any

    @property
    def cells(self) -> tuple[str, str, str]:
        """The change as a row of a table."""
        return self.what, _shown(self.before), _shown(self.after)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return every key whose values differ, in the order of `before`, then the keys of `after` alone."""
    names = [*before, *(name for name in after if name not in before)]
    pairs = [Change(what=name, before=before.get(name), after=after.get(name)) for name in names]
    return [change for change in pairs if change.before != change.after]


def _shown(value: Any) -> str:
    return ABSENT if value is None else repr(value) if isinstance(value, float) else str(value)
