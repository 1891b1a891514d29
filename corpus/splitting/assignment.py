"""The three split methods, over rows with known clusters and labels."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import DataError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SPLIT_NAMES
from assay.corpus.splitting.duplicates import (
    NO_KEY,
    HashArray,
    Keys,
    cluster_keys,
    duplicates_of,
    find_clusters,
    read_keys,
)
from assay.corpus.splitting.label_sets import LabelSets, read_label_sets
from assay.corpus.splitting.ledger import Ledger
from assay.corpus.splitting.split_settings import Split
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION, SplitArray, pseudo_random, stratify

JOINS = "joins several previous assignments"
BESIDE_TEST = "shares a text or group with a test row of earlier runs"
BESIDE_VALIDATION = "shares a text or group with a validation row of earlier runs"
OF_TEST = "duplicate of a test row"
OF_VALIDATION = "duplicate of a validation row"
GROUP_OF_TEST = "in the group of a test row"
GROUP_OF_VALIDATION = "in the group of a validation row"

# Whether the ids of sentences name their document permanently, or by a position that another document may have in
# the next run.
DocumentIds = Literal["permanent", "positions"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplittingRows:
    """Keys, clusters and labels of the rows of a snapshot, in its order.

    `keys` are those in the ledger; `joining` adds the keys of documents known only by their position, which join
    rows of this snapshot only. `clusters` numbers the rows that must stay together: rows joined by a chain of
    near-duplicates, groups and documents, over the whole snapshot.
    """

    snapshot: Snapshot
    keys: Keys
    joining: Keys
    clusters: NDArray[np.int64]
    labels: LabelSets

    def __len__(self) -> int:
        return len(self.clusters)


@dataclass(frozen=True)
class Assignment:
    """The split of each row, `NO_SPLIT` for excluded rows; exclusions by reason; rows that kept a previous split.

    `seen` marks test rows that share a text, group or document with a training row of an earlier run.
    """

    split_of: SplitArray
    seen: NDArray[np.bool_]
    excluded: dict[str, int]
    remembered: int = 0


@dataclass(frozen=True)
class _Groups:
    """Units of assignment: the group of each row (-1 for excluded rows), and splits already given to groups.

    `clusters` are those of the rows without the excluded rows that join several clusters (-1).
    """

    of_row: NDArray[np.int64]
    given: SplitArray
    clusters: NDArray[np.int64]
    excluded: dict[str, int]
    remembered: int = 0


def read_rows(
    snapshot: Snapshot, split: Split, cleaning: Cleaning | None = None, documents: DocumentIds | None = None
) -> SplittingRows:
    """Read keys, clusters and labels of a snapshot.

    Args:
            snapshot: the rows.
            split: defines which rows are duplicates.
            cleaning: cleaning of the recipe, since the split compares what the model reads; None cleans nothing.
            documents: kind of ids, if rows are sentences of documents; None if each row is a document.
    """
    joining = read_keys(snapshot, split.duplicates, cleaning, sentences=documents is not None)
    keys = joining.without_documents() if documents == "positions" else joining
    return SplittingRows(snapshot, keys, joining, find_clusters(joining), read_label_sets(snapshot))


def assign(rows: SplittingRows, split: Split, ledger: Ledger) -> Assignment:
    """Assign rows to splits by the method of the recipe.

    Raises:
        DataError: rows lack the published split or the time that the method needs.
    """
    if split.method == "published":
        split_of, excluded = _published(rows, split)
        return Assignment(split_of, _seen(rows, rows.clusters, split_of, ledger), excluded)
    groups = _remembered_groups(rows, ledger) if split.remember else _new_groups(rows.clusters)
    split_of = _by_time(rows, split, groups) if split.method == "time" else _stratified(rows, split, groups)
    return Assignment(split_of, _seen(rows, groups.clusters, split_of, ledger), groups.excluded, groups.remembered)


def _seen(rows: SplittingRows, clusters: NDArray[np.int64], split_of: SplitArray, ledger: Ledger) -> NDArray[np.bool_]:
    """Return which test rows share a cluster with a row that was ever in training."""
    trained = np.zeros(len(rows), dtype=bool)
    for keys in rows.keys.kinds():
        trained |= ledger.trained(keys)
    joined = duplicates_of(clusters, trained & (clusters >= 0))
    return np.asarray((trained | joined) & (split_of == TEST))


def _shares(split: Split) -> tuple[float, float, float]:
    return split.train, split.validation, split.test


def _new_groups(clusters: NDArray[np.int64]) -> _Groups:
    given = np.full(int(clusters.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    return _Groups(clusters, given, clusters, {})


def _remembered_groups(rows: SplittingRows, ledger: Ledger) -> _Groups:
    """Group clusters with the split that the ledger knows for them.

    A cluster with several previous splits is divided, and its new rows are excluded. Where
    its known rows still belong together, the split that is held out most wins, and the others are excluded.
    """
    known = [ledger.split_of(keys) for keys in rows.keys.kinds()]
    previous = _previous_splits_of_clusters(rows.clusters, known)
    conflicting = (previous.sum(axis=0) > 1)[rows.clusters]
    previous_split = _previous_splits_of_rows(rows, known, ledger)
    clusters, winner = _divide_conflicts(rows, conflicting, previous_split)
    assigned = ~conflicting | ((previous_split != NO_SPLIT) & (previous_split == winner))
    groups = _renumber(rows.clusters * (len(SPLIT_NAMES) + 1) + winner + 1, assigned)
    of_cluster = np.where(previous.any(axis=0), previous.argmax(axis=0), NO_SPLIT)[rows.clusters]
    given = np.full(int(groups.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    given[groups[assigned]] = np.where(conflicting, winner, of_cluster)[assigned]
    excluded = _reasons(rows.keys.content, known, winner, assigned)
    return _Groups(groups, given, clusters, excluded, int((assigned & (known[0] != NO_SPLIT)).sum()))


def _previous_splits_of_clusters(clusters: NDArray[np.int64], known: list[SplitArray]) -> NDArray[np.bool_]:
    """Return 3 x clusters: whether the cluster holds a text, group or document that was in the split."""
    previous = np.zeros((len(SPLIT_NAMES), int(clusters.max(initial=-1)) + 1), dtype=bool)
    for split_name in range(len(SPLIT_NAMES)):
        for split_of in known:
            previous[split_name, clusters[split_of == split_name]] = True
    return previous


def _previous_splits_of_rows(rows: SplittingRows, known: list[SplitArray], ledger: Ledger) -> SplitArray:
    """Return the previous split of each row; none where its duplicates or its group were held out more.

    A row that repeats a known text in a new group or document is new, unless most groups of
    known texts are new: then the recipe has started to name groups.
    """
    content, *others = known
    previous_split = content.copy()
    for split_of in others:
        previous_split[split_of > content] = NO_SPLIT
    for groups in (rows.keys.group, rows.keys.document):
        repeated = (groups != NO_KEY) & (content != NO_SPLIT)
        new = repeated & (ledger.split_of(groups) == NO_SPLIT)
        if 2 * new.sum() < repeated.sum():
            previous_split[new] = NO_SPLIT
    previous_split[_in_new_documents(rows, content)] = NO_SPLIT
    return previous_split


def _in_new_documents(rows: SplittingRows, content: SplitArray) -> NDArray[np.bool_]:
    """Return which rows are in new documents, as far as documents known by position show it.

    Such a document only repeats known texts of other documents, and adds new ones or mixes those of several splits.
    """
    by_position: NDArray[np.bool_] = (rows.joining.document != NO_KEY) & (rows.keys.document == NO_KEY)
    if not by_position.any():
        return by_position
    text, document = (np.unique(keys, return_inverse=True)[1] for keys in (rows.keys.content, rows.joining.document))
    repeated = (np.bincount(np.unique(np.stack([text, document]), axis=1)[0]) > 1)[text]
    known = content != NO_SPLIT
    holds = np.zeros((len(SPLIT_NAMES), int(document.max()) + 1), dtype=bool)
    holds[content[known], document[known]] = True
    varied = holds.sum(axis=0) > 1
    varied[document[~known]] = True
    varied[document[known & ~repeated]] = False
    return np.asarray(by_position & varied[document])


def _divide_conflicts(
    rows: SplittingRows, conflicting: NDArray[np.bool_], previous_split: SplitArray
) -> tuple[NDArray[np.int64], SplitArray]:
    """Divide clusters with several splits; return the clusters of all rows and the winning split of divided ones.

    A row of such a cluster without a previous split of its own is in no cluster (-1) and has no winner.
    """
    before = np.flatnonzero(conflicting & (previous_split != NO_SPLIT))
    parts = find_clusters(rows.joining.take(before))
    clusters = np.where(conflicting, -1, rows.clusters)
    clusters[before] = parts + int(rows.clusters.max(initial=-1)) + 1
    highest = np.full(int(parts.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    np.maximum.at(highest, parts, previous_split[before])  # TRAIN < VALIDATION < TEST
    winner = np.full(len(rows), NO_SPLIT, dtype=np.int8)
    winner[before] = highest[parts]
    return clusters, winner


def _reasons(
    content: HashArray, known: list[SplitArray], winner: SplitArray, assigned: NDArray[np.bool_]
) -> dict[str, int]:
    """Count the excluded rows by reason: known rows that gave way to a held-out split, and rows that join several."""
    excluded = np.flatnonzero(~assigned)
    # An excluded row whose text is assigned elsewhere repeats another row.
    before = (known[0][excluded] != NO_SPLIT) & ~np.isin(content[excluded], content[assigned & (winner != NO_SPLIT)])
    highest = np.max([winner, *known], axis=0)[excluded]
    gave_way = {BESIDE_TEST: before & (highest == TEST), BESIDE_VALIDATION: before & (highest == VALIDATION)}
    counts = {reason: int(rows.sum()) for reason, rows in gave_way.items()}
    counts[JOINS] = len(excluded) - sum(counts.values())
    return {reason: count for reason, count in counts.items() if count}


def _renumber(values: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number equal values from 0 without gaps; -1 for rows that are not chosen."""
    numbers = np.full(len(values), -1, dtype=np.int64)
    numbers[chosen] = np.unique(values[chosen], return_inverse=True)[1]
    return numbers


def _row_splits(groups: NDArray[np.int64], split_of: SplitArray) -> SplitArray:
    return np.where(groups < 0, NO_SPLIT, np.append(split_of, np.int8(NO_SPLIT))[groups]).astype(np.int8)


def _stratified(rows: SplittingRows, split: Split, groups: _Groups) -> SplitArray:
    keys = cluster_keys(rows.keys, groups.of_row)
    split_of = stratify(rows.labels.by_cluster(groups.of_row), keys, _shares(split), split.seed, groups.given)
    return _row_splits(groups.of_row, split_of)


def _by_time(rows: SplittingRows, split: Split, groups: _Groups) -> SplitArray:
    """Assign the oldest groups to train and the newest to test.

    A group is as old as its oldest row, so that no repeat of an old text is in test. Groups without a split fill up the
    rows that each split lacks of its share of all rows.
    """
    assigned = groups.of_row >= 0
    oldest = np.full(len(groups.given), np.iinfo(np.int64).max)
    np.minimum.at(oldest, groups.of_row[assigned], _times(rows.snapshot)[assigned])
    sizes = np.bincount(groups.of_row[assigned], minlength=len(groups.given))
    order = np.lexsort((pseudo_random(cluster_keys(rows.keys, groups.of_row), split.seed), oldest))
    order = order[groups.given[order] == NO_SPLIT]
    # The middle of a group decides, so that a large group at the border goes where most of it belongs.
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    split_of = groups.given.copy()
    split_of[order] = np.searchsorted(np.cumsum(_lacking(split, sizes, groups.given))[:2], middle, side="right")
    return _row_splits(groups.of_row, split_of)


def _lacking(split: Split, sizes: NDArray[np.int64], given: SplitArray) -> NDArray[np.float64]:
    """Return how many of the unassigned rows each split should get to come as close to its share as possible."""
    taken = np.array([sizes[given == split_name].sum() for split_name in range(len(SPLIT_NAMES))])
    lacking = np.maximum(0.0, np.array(_shares(split)) * sizes.sum() - taken)
    return np.asarray(lacking * (sizes[given == NO_SPLIT].sum() / max(1.0, lacking.sum())))


def _times(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return microseconds since 1970 of every row; a time without a zone is in UTC."""
    times = np.empty(len(snapshot), dtype=np.int64)
    position = 0
    for batch in snapshot.batches(["id", "time"]):
        for row_id, text in zip(batch["id"].to_pylist(), batch["time"].to_pylist(), strict=True):
            times[position] = _microseconds(row_id, text)
            position += 1
    return times


def _microseconds(row_id: str, text: str | None) -> int:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise DataError(
            f"row {row_id}: source.fields.time holds {text!r}, not an ISO 8601 time such as 2024-05-01T12:00:00Z; "
            "correct the row, or choose split.method: stratified"
        ) from error
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(time.timestamp() * 1e6)


def _published(rows: SplittingRows, split: Split) -> tuple[SplitArray, dict[str, int]]:
    """Return the published splits; duplicates of test rows leave train and validation, those of validation leave train.

    Of two published splits, the one that is not train becomes test, and validation is held out from train.
    """
    split_of = _published_splits(rows.snapshot)
    hold_out = not (split_of == VALIDATION).any() or not (split_of == TEST).any()
    if hold_out:
        if (split_of == VALIDATION).any():
            _logger.warning("the source publishes no test split: its validation rows are the test rows of this run")
        split_of[split_of == VALIDATION] = TEST
    excluded = _exclude(rows, split_of, TEST, OF_TEST, GROUP_OF_TEST)
    excluded |= _exclude(rows, split_of, VALIDATION, OF_VALIDATION, GROUP_OF_VALIDATION)
    if hold_out:
        _hold_out_validation(rows, split, split_of)
    return split_of, {reason: count for reason, count in excluded.items() if count}


def _published_splits(snapshot: Snapshot) -> SplitArray:
    """Return the splits of the source.

    Raises:
        DataError: a row has none, or train or both other splits are missing.
    """
    numbers = {split_name: number for number, split_name in enumerate(SPLIT_NAMES)}
    split_of = np.empty(len(snapshot), dtype=np.int8)
    position = 0
    for batch in snapshot.batches(["id", "split"]):
        for row_id, name in zip(batch["id"].to_pylist(), batch["split"].to_pylist(), strict=True):
            if name not in numbers:
                raise DataError(
                    f"row {row_id}: its published split is {name!r}, and split.method is published, which needs "
                    "train, validation or test; name the splits in the source, or choose split.method: stratified"
                )
            split_of[position] = numbers[name]
            position += 1
    present = [name for name, number in numbers.items() if (split_of == number).any()]
    if "train" not in present or len(present) < 2:
        raise DataError(
            f"the source publishes only {', '.join(present)}, and split.method is published, which needs "
            "train and one more; name the splits in the source, leave out source.limit if it is set, or choose "
            "split.method: stratified"
        )
    return split_of


def _exclude(rows: SplittingRows, split_of: SplitArray, of: int, duplicate: str, grouped: str) -> dict[str, int]:
    """Exclude rows that share a cluster with rows of a split from the splits that are held out less; return counts.

    Args:
        rows: the rows of the snapshot.
        split_of: splits of the rows, changed in place.
        of: the split whose rows stay.
        duplicate: reason for a row with the text of such a row.
        grouped: reason for other rows, which share its group, or a chain of groups and duplicates.
    """
    repeats = duplicates_of(rows.clusters, split_of == of) & (split_of != NO_SPLIT) & (split_of < of)
    same = repeats & np.isin(rows.keys.duplicates, rows.keys.duplicates[split_of == of])
    split_of[repeats] = NO_SPLIT
    return {duplicate: int(same.sum()), grouped: int((repeats & ~same).sum())}


def _hold_out_validation(rows: SplittingRows, split: Split, split_of: SplitArray) -> None:
    """Move the recipe's share of the training rows to validation, stratified and with duplicates together."""
    groups = _renumber(rows.clusters, split_of == TRAIN)
    share = split.validation / (split.train + split.validation)
    counts = rows.labels.by_cluster(groups)
    held_out = stratify(counts, cluster_keys(rows.keys, groups), (1 - share, share, 0.0), split.seed)
    split_of[groups >= 0] = held_out[groups[groups >= 0]]
    _logger.info("held out %d validation rows from the training rows", int((split_of == VALIDATION).sum()))
