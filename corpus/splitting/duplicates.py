"""Near-duplicates: rows that must stay together, because one would reveal the label of the other.

A text is identified by a 128-bit hash of the result of `assay.corpus.near_duplicates.normalise`. Rows that share
such a key, a group or a document form a cluster, and the split assigns clusters as a whole.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from assay.corpus.cleaning import Cleaning
from assay.corpus.documents.document_reader import document_of
from assay.corpus.near_duplicates import normalise
from assay.corpus.snapshot import Snapshot

DuplicatesBy = Literal["text", "text_pair", "both"]
HashArray = NDArray[np.bytes_]  # dtype S16: one 128-bit hash per row
HASH_BYTES = 16
NO_KEY = bytes(HASH_BYTES)
# All cleanings that affect near-duplicates: white space is folded in any case.
_CLEANINGS = tuple(Cleaning(html=html, urls=urls) for html in (False, True) for urls in ("keep", "drop", "token"))


@dataclass(frozen=True)
class Keys:
    """Hashes of each row of a snapshot, in its order.

    `content` identifies the whole row (text and pair) without cleaning, `duplicates` the part that
    defines duplicates in the recipe, `group` its group, `document` the document of a sentence; `NO_KEY` where
    the row has none.
    """

    content: HashArray
    duplicates: HashArray
    group: HashArray
    document: HashArray

    def kinds(self) -> list[HashArray]:
        """Return content, duplicates, group and document, without arrays that equal the one before."""
        kinds = [self.content, self.duplicates, self.group, self.document]
        return [keys for position, keys in enumerate(kinds) if position % 2 == 0 or (keys != kinds[position - 1]).any()]

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Return the keys of some rows."""
        return replace(
            self,
            content=self.content[rows],
            duplicates=self.duplicates[rows],
            group=self.group[rows],
            document=self.document[rows],
        )

    def without_documents(self) -> Self:
        """Return the keys without documents and without groups that are documents."""
        group = np.where(self.group == self.document, NO_KEY, self.group).astype(self.group.dtype)
        return replace(self, group=group, document=np.full_like(self.document, NO_KEY))


def read_keys(
    snapshot: Snapshot, by: DuplicatesBy, cleaning: Cleaning | None = None, *, sentences: bool = False
) -> Keys:
    """Read the keys of every row; memory holds 64 bytes per row and one batch.

    Args:
            snapshot: the rows.
            by: the text of a pair that makes two rows duplicates; `both` is the pair as a whole. Rows without a pair
                use their text.
            cleaning: cleaning of the recipe; None cleans nothing.
            sentences: rows are sentences, whose ids name their document.
    """
    cleaning = cleaning or Cleaning()
    buffers = [bytearray() for _ in range(4)]
    for batch in snapshot.batches(["id", "text", "text_pair", "group"]):
        for buffer, keys in zip(buffers, _batch_keys(batch, by, cleaning, sentences=sentences), strict=True):
            buffer += keys
    return Keys(*map(_hashes, buffers))


def _batch_keys(batch: pa.RecordBatch, by: DuplicatesBy, cleaning: Cleaning, *, sentences: bool) -> Iterator[bytes]:
    """Yield the concatenated keys of content, duplicates, group and document."""
    texts, pairs = batch["text"].to_pylist(), batch["text_pair"].to_pylist()
    row_keys = [_row_keys(text, pair, by, cleaning) for text, pair in zip(texts, pairs, strict=True)]
    yield b"".join(content for content, _ in row_keys)
    yield b"".join(duplicates for _, duplicates in row_keys)
    yield b"".join(NO_KEY if group is None else _hash("group", group) for group in batch["group"].to_pylist())
    if sentences:
        yield b"".join(_hash("group", document_of(row_id)) for row_id in batch["id"].to_pylist())
    else:
        yield NO_KEY * batch.num_rows


def all_keys(text: str, pair: str | None) -> set[bytes]:
    """Return every key that a row may have in a ledger, for any cleaning and definition of duplicates.

    Keys of its group and document are not included.
    """
    cleaned = {(text, pair)}
    cleaned |= {(cleaning.text(text), pair and cleaning.text(pair)) for cleaning in _CLEANINGS}
    return {key for texts in cleaned for key in _text_keys(*texts).values()}


def _row_keys(text: str, pair: str | None, by: DuplicatesBy, cleaning: Cleaning) -> tuple[bytes, bytes]:
    """Return the key of the whole row without cleaning, and the key that defines duplicates."""
    cleaned, cleaned_pair = cleaning.text(text), pair and cleaning.text(pair)
    keys = _text_keys(cleaned, cleaned_pair)
    raw = keys if (cleaned, cleaned_pair) == (text, pair) else _text_keys(text, pair)
    return raw["both"], keys[by]


def _text_keys(text: str, pair: str | None) -> dict[DuplicatesBy, bytes]:
    text_key = _hash("text", normalise(text))
    if pair is None:
        return {"text": text_key, "text_pair": text_key, "both": text_key}
    pair_key = _hash("text_pair", normalise(pair))
    both = hashlib.blake2b(text_key + pair_key, digest_size=HASH_BYTES, person=b"both").digest()
    return {"text": text_key, "text_pair": pair_key, "both": both}


def _hash(kind: str, value: str) -> bytes:
    """Return a 128-bit BLAKE2b hash; `kind` distinguishes a text from a group of the same name."""
    encoded = value.encode("utf-8", errors="surrogatepass")
    return hashlib.blake2b(encoded, digest_size=HASH_BYTES, person=kind.encode()).digest()


def _hashes(buffer: bytearray) -> HashArray:
    return np.frombuffer(buffer, dtype=f"S{HASH_BYTES}")


def find_clusters(keys: Keys) -> NDArray[np.int64]:
    """Return the number of each row's cluster, from 0 to clusters - 1.

    Rows are in one cluster if a chain of shared texts, groups and documents connects them.
    """
    cleaned = np.flatnonzero(keys.content != keys.duplicates)
    texts, numbers = np.unique(np.concatenate([keys.duplicates, keys.content[cleaned]]), return_inverse=True)
    text_of_row = numbers[: len(keys.duplicates)].astype(np.int64)
    grouped = np.flatnonzero(keys.group != NO_KEY)
    in_document = np.flatnonzero((keys.document != NO_KEY) & (keys.document != keys.group))
    joined = np.concatenate([cleaned, grouped, in_document])
    if not joined.size:
        return text_of_row
    groups, group_of = np.unique(np.concatenate([keys.group[grouped], keys.document[in_document]]), return_inverse=True)
    nodes = len(texts) + len(groups)
    edges = (text_of_row[joined], np.concatenate([numbers[len(text_of_row) :], len(texts) + group_of]))
    graph = coo_array((np.ones(len(joined), dtype=np.int8), edges), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    # Every node has a row, so components are numbered without gaps.
    return np.asarray(component[text_of_row], dtype=np.int64)


def cluster_keys(keys: Keys, clusters: NDArray[np.int64]) -> HashArray:
    """Return one hash per cluster that depends only on its rows: the smallest of their duplicate keys.

    Rows numbered -1 are in no cluster.
    """
    rows = np.flatnonzero(clusters >= 0)
    order = rows[np.lexsort((keys.duplicates[rows], clusters[rows]))]
    first = np.unique(clusters[order], return_index=True)[1]
    return keys.duplicates[order[first]]


def duplicates_of(clusters: NDArray[np.int64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows share a cluster with one of `rows`, including `rows` themselves."""
    hit = np.zeros(int(clusters.max(initial=-1)) + 1, dtype=bool)
    hit[clusters[rows]] = True
    return hit[clusters]
