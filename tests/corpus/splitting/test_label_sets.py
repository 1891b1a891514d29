from pathlib import Path

import numpy as np
import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import ROWS_PER_BATCH, Snapshot
from assay.corpus.splitting.label_sets import LabelSets, read_label_sets
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION, stratify
from tests.snapshots import write_snapshot

ROWS = [
    Example("0", "Rome Rome", label="b", entities=(Entity(0, 4, "LOC"), Entity(5, 9, "LOC"))),
    Example("1", "Acme Rome", label="a", entities=(Entity(0, 4, "ORG"), Entity(5, 9, "LOC"))),
    Example("2", "nothing", label=None, entities=()),
    Example("3", "unread", label="b", entities=None),
]
NAMES = [(None, "rows"), ("sentence", "a"), ("sentence", "b"), ("tokens", "LOC"), ("tokens", "ORG")]


@pytest.fixture
def labels(tmp_path: Path) -> LabelSets:
    return read_label_sets(Snapshot.load(write_snapshot(tmp_path / "s", ROWS).path))


def test_read_label_sets_counts_a_type_once_per_row(labels: LabelSets) -> None:
    assert (labels.names, labels.row_count) == (NAMES, 4)
    pairs = sorted(zip(labels.rows.tolist(), labels.labels.tolist(), strict=True))
    assert pairs == [(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 3), (1, 4), (2, 0), (3, 0), (3, 2)]


def test_by_split_counts_the_rows_of_each_label(labels: LabelSets) -> None:
    counts = labels.by_split(np.array([TRAIN, TEST, NO_SPLIT, VALIDATION], dtype=np.int8))
    assert counts[TRAIN].tolist() == [1, 0, 1, 1, 0]
    assert counts[VALIDATION].tolist() == [1, 0, 1, 0, 0]
    assert counts[TEST].tolist() == [1, 1, 0, 1, 1]


def test_by_cluster_adds_up_the_rows_of_a_cluster(labels: LabelSets) -> None:
    counts = labels.by_cluster(np.array([1, 1, 0, -1]))
    assert counts.toarray().tolist() == [[1, 0, 0, 0, 0], [2, 1, 1, 2, 1]]
    assert labels.by_cluster(np.full(4, -1)).shape == (0, 5)


def test_read_label_sets_numbers_rows_across_batches(tmp_path: Path) -> None:
    rows = [Example(str(number), "Rome", label="ab"[number % 2]) for number in range(ROWS_PER_BATCH + 3)]
    labels = read_label_sets(Snapshot.load(write_snapshot(tmp_path / "s", rows).path))
    assert labels.row_count == ROWS_PER_BATCH + 3
    assert labels.by_split(np.zeros(len(rows), dtype=np.int8))[TRAIN].tolist() == [2003, 1002, 1001]
    assert np.flatnonzero(np.bincount(labels.rows) != 2).size == 0


def test_read_label_sets_of_no_rows_are_empty(tmp_path: Path) -> None:
    labels = read_label_sets(Snapshot.load(write_snapshot(tmp_path / "s", []).path))
    assert (labels.names, labels.row_count, len(labels.rows)) == ([(None, "rows")], 0, 0)
    assert labels.by_split(np.zeros(0, dtype=np.int8)).tolist() == [[0], [0], [0]]


def test_read_label_sets_counts_each_of_several_labels_of_a_row(tmp_path: Path) -> None:
    rows = [
        Example("0", "a", label="x", labels=("m", "n")),
        Example("1", "b", labels=()),
        Example("2", "c", labels=("n",)),
    ]
    labels = read_label_sets(Snapshot.load(write_snapshot(tmp_path / "s", rows).path))
    assert labels.names == [(None, "rows"), ("sentence", "x"), ("labels", "m"), ("labels", "n")]
    assert labels.by_split(np.array([TRAIN, TEST, TEST], dtype=np.int8))[[TRAIN, TEST]].tolist() == [
        [1, 1, 1, 1],
        [2, 0, 0, 1],
    ]


def test_stratify_gives_each_split_its_share_of_every_label_of_several(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = ["often", "rare", "seldom"]
    draws = random.random((600, 3)) < [0.5, 0.05, 0.15]
    rows = [
        Example(str(number), f"text {number}", labels=tuple(name for name, on in zip(names, row, strict=True) if on))
        for number, row in enumerate(draws)
    ]
    labels = read_label_sets(Snapshot.load(write_snapshot(tmp_path / "s", rows).path))
    keys = np.array([f"{number:016d}".encode() for number in range(600)], dtype="S16")
    split_of = stratify(labels.by_cluster(np.arange(600)), keys, (0.8, 0.1, 0.1), seed=13)
    counts = labels.by_split(split_of)
    assert counts[TEST] == pytest.approx(0.1 * counts.sum(axis=0), abs=1)
