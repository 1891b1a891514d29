"""A sample of the ids of the test rows of a version, short enough for an MLflow tag.

The sample holds the smallest hashes, so that two versions with common test rows sample the same ones
(Broder 1997, "On the resemblance and containment of documents").
"""

import hashlib
from collections.abc import Iterable

ROWS = 128  # if two sets share a twentieth of their rows, two samples miss that in 1 of 800 cases
HEX_DIGITS = 16


def sample_rows(ids: Iterable[str]) -> str:
    """Return the sample of these row ids: hashes separated by spaces."""
    return " ".join(sorted({_hash(row_id) for row_id in ids})[:ROWS])


def share_rows(sample: str, other: str) -> bool:
    """Return whether the rows of two samples overlap: whether both hold one of the smallest hashes of their union."""
    first, second = set(sample.split()), set(other.split())
    return bool(first & second & set(sorted(first | second)[:ROWS]))


def _hash(row_id: str) -> str:
    encoded = row_id.encode("utf-8", errors="surrogatepass")
    return hashlib.blake2b(encoded, digest_size=HEX_DIGITS // 2, person=b"row").hexdigest()
