"""The test rows that a version was compared on, as a tag short enough for MLflow: a sample of their ids.

The sample is the rows whose hashes are smallest, so that two versions sample the same rows wherever they share them
(Broder 1997, "On the resemblance and containment of documents").
"""

import hashlib
from collections.abc import Iterable

ROWS = 128  # of which none is shared by chance in 1 of 800 cases where a twentieth of the rows are
HEX_DIGITS = 16


def sample_rows(ids: Iterable[str]) -> str:
    """Return the sample of these row ids."""
    return " ".join(sorted({_hash(row_id) for row_id in ids})[:ROWS])


def share_rows(sample: str, other: str) -> bool:
    """Return whether the rows of two samples overlap: whether both hold one of the smallest of all."""
    first, second = set(sample.split()), set(other.split())
    return bool(first & second & set(sorted(first | second)[:ROWS]))


def _hash(row_id: str) -> str:
    encoded = row_id.encode("utf-8", errors="surrogatepass")
    return hashlib.blake2b(encoded, digest_size=HEX_DIGITS // 2, person=b"row").hexdigest()
