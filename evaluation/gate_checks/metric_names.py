"""Names of metrics of single classes, as MLflow accepts them."""

import re

_REFUSED = re.compile(r"[^\w\-. /]", re.ASCII)


def metric_name(*parts: str) -> str:
    """Return the dotted name of a metric; a character that MLflow refuses becomes its number, such as `u26` for `&`."""
    return ".".join(_REFUSED.sub(lambda match: f"u{ord(match.group()):x}", part) for part in parts)
