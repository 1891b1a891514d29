"""Something that is one way here and another way there."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

ABSENT = "-"


class Change(BaseModel):
    """One thing that two versions, or two runs, may differ in; None where one of them lacks it."""

    model_config = ConfigDict(frozen=True)

    what: str
    before: Any
    after: Any

    @property
    def cells(self) -> tuple[str, str, str]:
        """The change as a line of a table."""
        return self.what, _shown(self.before), _shown(self.after)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Every key whose values differ, in the order of `before`, then what only `after` has."""
    names = [*before, *(name for name in after if name not in before)]
    both = [Change(what=name, before=before.get(name), after=after.get(name)) for name in names]
    return [change for change in both if change.before != change.after]


def _shown(value: Any) -> str:
    return ABSENT if value is None else repr(value) if isinstance(value, float) else str(value)
