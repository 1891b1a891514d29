"""Text formatting that several checks share."""


def percent(share: float) -> str:
    """Return a share in percent, such as 95% or 99.75%."""
    return f"{100 * share:.5g}%"
