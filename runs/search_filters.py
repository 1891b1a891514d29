"""Filters for searches of MLflow, for values with any characters."""


def equals(attribute: str, value: str) -> str:
    """Return a clause that matches everything whose attribute has this value.

    MLflow finds the end of a value by the rules of SQL, but does not remove the escapes, so that no clause can express
    a value with quotes or backslashes. A pattern stands in for it, which may match other values, too: compare the
    results with the value.

    Args:
        attribute: name of the attribute, such as ``name`` or ``tags.`KEY` ``.
        value: the value, without escapes.
    """
    pattern = value.translate({ord(character): "_" for character in "'\"`\\"})
    return f"{attribute} = '{value}'" if pattern == value else f"{attribute} LIKE '{pattern}'"
