"""Filters for the searches of MLflow, for values that hold any character."""


def equals(attribute: str, value: str) -> str:
    """Return a clause that finds all whose attribute has this value.

    MLflow finds the end of a value by the rules of SQL, but does not take the escapes out again, so that no clause
    means a value with quotes or backslashes. It is searched by a pattern, which may find others, too: the caller
    compares what is found with the value.

    Args:
        attribute: such as ``name`` or ``tags.`KEY` ``.
        value: as it stands.
    """
    pattern = value.translate({ord(character): "_" for character in "'\"`\\"})
    return f"{attribute} = '{value}'" if pattern == value else f"{attribute} LIKE '{pattern}'"
