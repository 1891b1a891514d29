"""Counts of classes and entity types by split, in one pass over a snapshot."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from assay.corpus.snapshot import Snapshot
from assay.evaluation.data_report import LabelCount


def labels_by_split(snapshot: Snapshot, split_of: Mapping[str, str]) -> tuple[list[LabelCount], list[LabelCount]]:
    """Return the classes with their rows, and the entity types with their entities, the most frequent first.

    `row_labels_by_split` counts the labels of which any number may apply.

    Args:
        snapshot: the rows.
        split_of: split by row id; rows without one count only in the total.
    """
    classes: Counter[tuple[str, str | None]] = Counter()
    types: Counter[tuple[str, str | None]] = Counter()
    for batch in snapshot.batches(["id", "label", "entities"]):
        splits = [split_of.get(row) for row in batch["id"].to_pylist()]
        classes.update((label, split) for label, split in zip(_values(batch, "label"), splits, strict=True) if label)
        for entities, split in zip(_values(batch, "entities"), splits, strict=True):
            types.update((entity["label"], split) for entity in entities or ())
    return _counts(classes), _counts(types)


def row_labels_by_split(snapshot: Snapshot, split_of: Mapping[str, str]) -> list[LabelCount]:
    """Return the row labels with their rows, the most frequent first; `split_of` as in `labels_by_split`."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for batch in snapshot.batches(["id", "labels"]) if snapshot.manifest.row_labels else ():
        splits = [split_of.get(row) for row in batch["id"].to_pylist()]
        for labels, split in zip(_values(batch, "labels"), splits, strict=True):
            counts.update((label, split) for label in labels or ())
    return _counts(counts)


def _values(batch: Any, name: str) -> list[Any]:
    values: list[Any] = batch[name].to_pylist()
    return values


def _counts(counts: Counter[tuple[str, str | None]]) -> list[LabelCount]:
    by_name: dict[str, Counter[str | None]] = {}
    for (name, split), count in counts.items():
        by_name.setdefault(name, Counter())[split] += count
    rows = [
        LabelCount(
            name=name,
            total=splits.total(),
            train=splits["train"],
            validation=splits["validation"],
            test=splits["test"],
        )
        for name, splits in by_name.items()
    ]
    return sorted(rows, key=lambda row: (-row.total, row.name))
