"""Properties of a snapshot as a whole: classes, labels, repeated ids, duplicates, contradictions.

Rows are streamed; memory holds 20 bytes of hashes per row (twice that while sorting at the end) and the
counts of each class, but no texts.
"""

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Example
from assay.corpus.near_duplicates import normalise
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import MAX_IDS, describe_ids

_Hashes = npt.NDArray[np.uint64]
ALL_ROWS = "all rows"
_TRAIN = "train"


@dataclass(frozen=True)
class Totals:
    """Aggregate of a snapshot: a sparse frame with one column per measure, null in the rows of other measures.

    The column `key` names the subject of a row (a class, an entity type, ids, or all rows). `examples` names the
    first rows behind a measure that is a count or a share, `counts` their number.
    """

    frame: pd.DataFrame
    examples: dict[str, list[str]]
    counts: dict[str, int]


NO_TOTALS = Totals(pd.DataFrame(), {}, {})


class TotalsCounter:
    """Counter that takes every example of a snapshot once, in order."""

    def __init__(self, cleaning: Cleaning | None = None) -> None:
        """Compare texts as the recipe cleans them; None cleans nothing."""
        self._cleaning = cleaning or Cleaning()
        self._ids = array("Q")
        self._texts = array("Q")
        self._labelings = array("I")
        self._labels: Counter[tuple[str | None, str]] = Counter()
        self._types: Counter[tuple[str | None, str]] = Counter()
        self._row_labels: Counter[tuple[str | None, str]] = Counter()
        self._labelled = 0

    def add(self, example: Example) -> None:
        """Count one row."""
        self._ids.append(_hash(example.id))
        texts = (text for text in (example.text, example.text_pair) if text is not None)
        self._texts.append(_hash(*(normalise(self._cleaning.text(text)) for text in texts)))
        self._labelings.append(_hash(_labeling(example, self._cleaning)) & 0xFFFFFFFF)
        if example.label is not None:
            self._labels[example.split, example.label] += 1
        self._row_labels.update((example.split, name) for name in example.labels or ())
        self._labelled += example.labels is not None
        self._types.update((example.split, str(entity.label)) for entity in example.entities or ())

    def finish(self, snapshot: Snapshot) -> Totals:
        """Return the totals of the counted rows, which were those of `snapshot`; their ids are read from it."""
        texts = np.frombuffer(self._texts, dtype=np.uint64)
        positions = {
            "repeated_ids": _repeats(np.frombuffer(self._ids, dtype=np.uint64)),
            "duplicate_share": _repeats(texts),
            "contradictions": _contradictions(texts, np.frombuffer(self._labelings, dtype=np.uint32)),
        }
        rows, rejects = len(texts), snapshot.manifest.counts.rejects
        examples = {name: _ids_at(snapshot, rows[:MAX_IDS]) for name, rows in positions.items()}
        counts = {name: len(rows) for name, rows in positions.items()}
        values = counts | {"duplicate_share": counts["duplicate_share"] / max(rows, 1)}
        measures: list[dict[str, Any]] = [
            {"key": ALL_ROWS, "rows": rows, "rejects_share": rejects / max(rejects + rows, 1)},
            *(
                {"key": describe_ids(examples[name], counts[name]) or ALL_ROWS, name: values[name]}
                for name in positions
            ),
            *_label_measures("class", self._labels),
            *_label_measures("row_label", self._row_labels, self._labelled),
            *_label_measures("entity_type", self._types),
        ]
        return Totals(_sparse_frame(measures), examples, counts)


def _label_measures(
    kind: str, counts: Counter[tuple[str | None, str]], rows: int | None = None
) -> list[dict[str, Any]]:
    """Return the measures of the classes, row labels or entity types; shares are of `rows`, else of the counts."""
    totals: Counter[str] = Counter()
    trained: set[str] = set()
    for (split, label), count in counts.items():
        totals[label] += count
        trained |= {label} if split == _TRAIN else set()
    measures: list[dict[str, Any]] = [{"key": ALL_ROWS, f"{kind}_count": len(totals)}]
    measures += [{"key": label, f"{kind}_rows": count} for label, count in sorted(totals.items())]
    if totals:
        label, count = max(sorted(totals.items()), key=lambda item: item[1])
        measures.append({"key": label, f"{kind}_share": count / (rows or totals.total())})
    unseen = sorted((label, str(split), count) for (split, label), count in counts.items() if label not in trained)
    measures += [
        {"key": label, f"fault.unseen_{kind}": f"{count} of them in {split!r}"} for label, split, count in unseen
    ]
    return measures


def _sparse_frame(measures: list[dict[str, Any]]) -> pd.DataFrame:
    """Return numbers as floats with NaN for null, so that a column without values keeps a numeric type."""
    names = {name for measure in measures for name in measure} | {
        f"{prefix}{kind}{suffix}"
        for kind in ("class", "row_label", "entity_type")
        for prefix, suffix in (("", "_count"), ("", "_rows"), ("", "_share"), ("fault.unseen_", ""))
    }
    frame = pd.DataFrame(measures, columns=["key", *sorted(names - {"key"})], dtype="object")
    numbers = [name for name in frame.columns if name != "key" and not name.startswith("fault.")]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def _labeling(example: Example, cleaning: Cleaning) -> str:
    """Return the labels of a row as text, so that near-duplicates with other offsets compare equal."""
    entities = [
        (entity.label, _normalised(cleaning.text(example.text[entity.start : entity.end])))
        for entity in example.entities or ()
    ]
    return repr((example.label, example.labels, sorted(entities, key=repr)))


@lru_cache(maxsize=1 << 16)
def _normalised(name: str) -> str:
    """Return a normalised name; names repeat often."""
    return normalise(name)


def _hash(*texts: str) -> int:
    hasher = blake2b(digest_size=8)
    for text in texts:
        hasher.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return int.from_bytes(hasher.digest(), "little")


def _repeats(hashes: _Hashes) -> npt.NDArray[np.intp]:
    """Return the positions of rows that have the hash of an earlier row."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    return np.sort(order[1:][ordered[1:] == ordered[:-1]])


def _contradictions(texts: _Hashes, labelings: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
    """Return the positions of rows whose text also occurs with other labels."""
    order = np.argsort(texts, kind="stable")
    ordered, row_labelings = texts[order], labelings[order]
    differ = (ordered[1:] == ordered[:-1]) & (row_labelings[1:] != row_labelings[:-1])
    return np.flatnonzero(np.isin(texts, ordered[1:][differ]))


def _ids_at(snapshot: Snapshot, positions: Iterable[int]) -> list[str]:
    """Return the ids of rows at ascending positions; read no further than the last."""
    wanted = list(map(int, positions))
    found: list[str] = []
    begin = 0
    for batch in snapshot.batches(["id"]) if wanted else ():
        while len(found) < len(wanted) and wanted[len(found)] < begin + len(batch):
            found.append(str(batch["id"][wanted[len(found)] - begin]))
        if len(found) == len(wanted):
            break
        begin += len(batch)
    return found
