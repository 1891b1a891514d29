"""Counts in messages, with their noun in singular or plural."""


def counted(number: float, noun: str, several: str | None = None) -> str:
    """Return a count with its noun: `1 row`, `1,200 rows`.

    Args:
        number: a whole number.
        noun: its noun in the singular.
        several: the plural, if it is more than the noun with an s.
    """
    return f"{number:,.0f} {noun if number == 1 else several or f'{noun}s'}"
