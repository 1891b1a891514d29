"""What a field holds, in a few words for people."""

from collections.abc import Sequence

from assay.recipes.proposal.field_profile import LONGEST_CLASS, MAX_VALUES, FieldProfile

SHOWN = 5
MOST_NAMES = 12
_FEW = 20  # with more different values, long ones are texts
_LONG = 12  # characters
_HOLDS = {
    "words": "lists of words",
    "objects": "lists of objects",
    "list": "lists",
    "object": "objects",
    "time": "times",
    "id": "ids",
    "boolean": "true or false",
}


def content(profile: FieldProfile) -> str:
    """Return what the values are, and which share of the documents has none."""
    if not profile.present:
        return "nothing"
    missing = "" if profile.share == 1 else f", {_percent(1 - profile.share)} empty"
    kind = profile.kind
    if kind in _HOLDS:
        return _HOLDS[kind] + missing
    if profile.distinct <= SHOWN and max(map(len, profile.counts), default=0) <= LONGEST_CLASS:
        return (", ".join(profile.counts) or "values of several kinds") + missing
    is_long = profile.mean_length >= _LONG and profile.with_spaces > 0.3 * profile.present
    if kind == "text" and profile.distinct > _FEW and is_long:
        return f"texts of {profile.mean_length:.0f} characters{missing}"
    return counted_values(profile) + missing


def counted_values(profile: FieldProfile) -> str:
    """Return the number of different values."""
    more = "+" if profile.distinct >= MAX_VALUES else ""
    return f"{profile.distinct:,}{more} different {'numbers' if profile.kind == 'number' else 'values'}"


def shown_name(profile: FieldProfile) -> str:
    """Return the name of a field; a column of a table may have none."""
    return profile.name or "a column without a name"


def described(profiles: Sequence[FieldProfile]) -> str:
    """Return names of fields, each with what it holds."""
    shown = [f"{shown_name(profile)} ({content(profile)})" for profile in profiles[:SHOWN]]
    return "; ".join(shown) + _rest(len(profiles) - SHOWN, "; ")


def listed(names: Sequence[str]) -> str:
    """Return names of fields; of many, the first ones."""
    return ", ".join(names[:MOST_NAMES]) + _rest(len(names) - MOST_NAMES, ", ")


def _rest(more: int, separator: str) -> str:
    return f"{separator}and {more} more" if more > 0 else ""


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "under 1%"
