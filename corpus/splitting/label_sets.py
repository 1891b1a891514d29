"""Labels of each row, its class, its labels and the types of its entities, as sparse counts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from assay.corpus.example import Head
from assay.corpus.snapshot import Snapshot

ROWS = 0  # the first label is the row itself, so that row counts are balanced like labels


@dataclass(frozen=True)
class LabelSets:
    """Pairs (row, label): row `rows[i]` has label `labels[i]`, once per label even with several entities of a type.

    `names[label]` is its head (None for `ROWS`) and its name in the data.
    """

    rows: NDArray[np.int32]
    labels: NDArray[np.int32]
    names: list[tuple[Head | None, str]]
    row_count: int

    def by_cluster(self, clusters: NDArray[np.int64]) -> csr_array:
        """Return clusters x labels: rows per cluster with the label; rows numbered -1 are in no cluster."""
        shape = (int(clusters.max(initial=-1)) + 1, len(self.names))
        cluster = clusters[self.rows]
        assigned = cluster >= 0
        ones = np.ones(int(assigned.sum()), dtype=np.int64)
        counts = coo_array((ones, (cluster[assigned], self.labels[assigned])), shape=shape).tocsr()
        counts.sort_indices()
        return counts

    def by_split(self, split_of: NDArray[np.int8]) -> NDArray[np.int64]:
        """Return 3 x labels: rows of train, validation and test with the label."""
        placed = split_of[self.rows]
        assigned = placed >= 0
        cells = placed[assigned].astype(np.int64) * len(self.names) + self.labels[assigned]
        return np.bincount(cells, minlength=3 * len(self.names)).reshape(3, len(self.names))


def read_label_sets(snapshot: Snapshot) -> LabelSets:
    """Read classes, labels and entity types of every row, batch by batch."""
    manifest = snapshot.manifest
    classes, several, types = list(manifest.labels), list(manifest.row_labels), list(manifest.entity_labels)
    rows: list[NDArray[np.int32]] = []
    labels: list[NDArray[np.int32]] = []
    done = 0
    for batch in snapshot.batches(["label", "labels", "entities"]):
        for batch_rows, batch_labels in _pairs(batch, classes, several, types):
            rows.append((batch_rows + done).astype(np.int32))
            labels.append(batch_labels.astype(np.int32))
        done += batch.num_rows
    names: list[tuple[Head | None, str]] = [(None, "rows")]
    names += [("sentence", name) for name in classes] + [("labels", name) for name in several]
    names += [("tokens", name) for name in types]
    empty = np.zeros(0, dtype=np.int32)
    return LabelSets(np.concatenate([empty, *rows]), np.concatenate([empty, *labels]), names, done)


def _pairs(
    batch: pa.RecordBatch, classes: list[str], several: list[str], types: list[str]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    yield np.arange(batch.num_rows), np.full(batch.num_rows, ROWS)
    labelled = np.flatnonzero(batch["label"].is_valid().to_numpy(zero_copy_only=False))
    yield labelled, 1 + _positions(batch["label"].drop_null(), classes)
    with_labels = pc.list_parent_indices(batch["labels"]).to_numpy()
    yield with_labels, 1 + len(classes) + _positions(pc.list_flatten(batch["labels"]), several)
    entities = batch["entities"]
    rows = pc.list_parent_indices(entities).to_numpy()
    type_positions = _positions(pc.struct_field(pc.list_flatten(entities), "label"), types)
    pairs = np.unique(np.stack([rows, type_positions], axis=1), axis=0)
    yield pairs[:, 0], 1 + len(classes) + len(several) + pairs[:, 1]


def _positions(values: pa.Array, names: list[str]) -> NDArray[np.int64]:
    positions = pc.index_in(values, value_set=pa.array(names, pa.string()))
    return np.asarray(positions.to_numpy(zero_copy_only=False), dtype=np.int64)
