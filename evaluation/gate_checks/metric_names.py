"""Names of metrics of single classes, as MLflow accepts them."""

import re
from hashlib import sha256

# MLflow takes a slash, too, but not twice in a row or at the end.
_REFUSED = re.compile(r"[^\w\-. ]", re.ASCII)
# MLflow takes 250 characters in all.
LONGEST = 180


def metric_name(*parts: str) -> str:
    """Return the dotted name of a metric.

    A character that MLflow refuses becomes its number, such as `u26` for `&`, and the end of a long name a digest.
    """
    return ".".join(map(_accepted, parts))


def _accepted(part: str) -> str:
    name = _REFUSED.sub(lambda match: f"u{ord(match.group()):x}", part)
    return name if len(name) <= LONGEST else f"{name[:LONGEST]}-{sha256(part.encode()).hexdigest()[:12]}"
