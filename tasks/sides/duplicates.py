"""Near-duplicates: rows that must not be parted, because one would give the other's answer away.

A text is known by a 128-bit hash of what `corpus.near_duplicates.normalise` leaves of it. Rows that share
such a key, or a group, form a cluster, and clusters are what is put on sides.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from corpus.near_duplicates import normalise
from corpus.snapshot import Snapshot

DuplicatesBy = Literal["text", "text_pair", "both"]
HashArray = NDArray[np.bytes_]  # dtype S16: one 128-bit hash a row
HASH_BYTES = 16
NO_KEY = bytes(HASH_BYTES)


@dataclass(frozen=True)
class Keys:
    """Hashes of each row of a snapshot, in its order.

    `content` stands for the whole row (text and pair), `duplicates` for what the recipe says makes a duplicate,
    `group` for its group; `NO_KEY` where the row has none.
    """

    content: HashArray
    duplicates: HashArray
    group: HashArray


def read_keys(snapshot: Snapshot, by: DuplicatesBy) -> Keys:
    """Read the keys of every row; memory holds 48 bytes a row and one batch.

    Args:
        snapshot: where the rows are.
        by: for pairs, which side makes two rows duplicates; `both`: the pair as a whole. Rows without a pair
            go by their text.
    """
    content, duplicates, group = bytearray(), bytearray(), bytearray()
    for batch in snapshot.batches(["text", "text_pair", "group"]):
        texts, pairs, groups = (batch[name].to_pylist() for name in ("text", "text_pair", "group"))
        for text, pair in zip(texts, pairs, strict=True):
            text_key, whole_key, key = _row_keys(text, pair, by)
            content += whole_key or text_key
            duplicates += key
        group += b"".join(NO_KEY if value is None else _hash("group", value) for value in groups)
    return Keys(_hashes(content), _hashes(duplicates), _hashes(group))


def all_keys(text: str, pair: str | None) -> set[bytes]:
    """Every key that a row may have in a ledger, whatever its recipe calls a duplicate; not its group's."""
    found = (_row_keys(text, pair, by) for by in get_args(DuplicatesBy))
    return {key for text_key, whole_key, key in found for key in (whole_key or text_key, key)}


def _row_keys(text: str, pair: str | None, by: DuplicatesBy) -> tuple[bytes, bytes | None, bytes]:
    """Key of the text, of the whole pair (None without one), and the one that makes duplicates."""
    text_key = _hash("text", normalise(text))
    if pair is None:
        return text_key, None, text_key
    pair_key = _hash("text_pair", normalise(pair))
    whole_key = hashlib.blake2b(text_key + pair_key, digest_size=HASH_BYTES, person=b"both").digest()
    return text_key, whole_key, {"text": text_key, "text_pair": pair_key, "both": whole_key}[by]


def _hash(kind: str, value: str) -> bytes:
    """128-bit BLAKE2b; `kind` keeps a text apart from a group of that name."""
    encoded = value.encode("utf-8", errors="surrogatepass")
    return hashlib.blake2b(encoded, digest_size=HASH_BYTES, person=kind.encode()).digest()


def _hashes(buffer: bytearray) -> HashArray:
    return np.frombuffer(buffer, dtype=f"S{HASH_BYTES}")


def find_clusters(keys: Keys) -> NDArray[np.int64]:
    """Number of each row's cluster, 0 to clusters - 1.

    Rows are in one cluster when a chain of shared duplicate keys and shared groups leads from one to the other.
    """
    texts, text_of_row = np.unique(keys.duplicates, return_inverse=True)
    grouped = np.flatnonzero(keys.group != NO_KEY)
    if not grouped.size:
        return text_of_row.astype(np.int64)
    groups, group_of_row = np.unique(keys.group[grouped], return_inverse=True)
    nodes = len(texts) + len(groups)
    edges = (text_of_row[grouped], len(texts) + group_of_row)
    graph = coo_array((np.ones(len(grouped), dtype=np.int8), edges), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    # Every node has a row, so components are numbered without gaps.
    return np.asarray(component[text_of_row], dtype=np.int64)


def cluster_keys(keys: Keys, clusters: NDArray[np.int64]) -> HashArray:
    """One hash a cluster that depends on its rows only: the smallest of their duplicate keys.

    Rows numbered -1 are in no cluster.
    """
    rows = np.flatnonzero(clusters >= 0)
    order = rows[np.lexsort((keys.duplicates[rows], clusters[rows]))]
    first = np.unique(clusters[order], return_index=True)[1]
    return keys.duplicates[order[first]]


def duplicates_of(clusters: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows share a cluster with one of `rows` (those themselves included)."""
    hit = np.zeros(int(clusters.max(initial=-1)) + 1, dtype=bool)
    hit[clusters[rows]] = True
    return hit[clusters]
