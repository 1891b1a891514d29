"""Names that loaders of YAML 1.1 have read as booleans: `yes` is true, `off` is false, unless they are in quotes."""

from collections.abc import Collection

_WORDS = {"true": ("yes", "on", "y"), "false": ("no", "off", "n")}


def misread_name(name: str, known: Collection[str]) -> str | None:
    """Return the known name that became the name `true` or `false`; None for any other name, or if it is known.

    A recipe in a file keeps `yes` as it is written; values of a deployment or of Python may come from such a loader.
    """
    if name in known:
        return None
    return next((one for one in known if one.lower() in _WORDS.get(name, ())), None)


def quote_hint(name: str, misread: str) -> str:
    """Return the remedy for a name that was read as a boolean."""
    return f"{misread!r} without quotes is {name} in YAML 1.1; put it in quotes"
