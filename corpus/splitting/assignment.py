"""Who goes where: the three methods of the split, over rows whose clusters and labels are known."""

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
from assay.corpus.splitting.settings import Split
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION, SplitArray, draws, stratify

JOINS = "joins remembered sides"
BESIDE_TEST = "shares a text or group with a test row of earlier runs"
BESIDE_VALIDATION = "shares a text or group with a validation row of earlier runs"
OF_TEST = "duplicate of a test row"
OF_VALIDATION = "duplicate of a validation row"
GROUP_OF_TEST = "in the group of a test row"
GROUP_OF_VALIDATION = "in the group of a validation row"

# What the ids of sentences say of their document: a name that stays, or a position, which another document may have
# in the next run.
DocumentIds = Literal["lasting", "positions"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplittingRows:
    """What the split needs to know of the rows of a snapshot, in its order.

    `keys` are those that the ledger remembers; `joining` has besides those of documents that are known by their
    position alone, which join rows of this snapshot only. `clusters` numbers what must not be parted: rows that a chain
    of near-duplicates, groups and documents joins, over the whole snapshot.
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
    """A side for each row, `NO_SPLIT` where it is withheld; why rows were withheld; rows that kept a remembered side.

    `seen` marks test rows that share a text, group or document with a training row of an earlier run.
    """

    split_of: SplitArray
    seen: NDArray[np.bool_]
    excluded: dict[str, int]
    remembered: int = 0


@dataclass(frozen=True)
class _Groups:
    """What is put on sides as a whole: number of each row's unit (-1: the row is withheld), and sides they have.

    `clusters` are those of the rows without what is excluded because it joins several (-1).
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
        snapshot: where the rows are.
        split: says what makes two rows duplicates.
        cleaning: of the recipe, since the split compares what the model reads; None cleans nothing.
        documents: rows are sentences of documents, and what their ids are; None: each row is a document.
    """
    joining = read_keys(snapshot, split.duplicates, cleaning, sentences=documents is not None)
    keys = joining.without_documents() if documents == "positions" else joining
    return SplittingRows(snapshot, keys, joining, find_clusters(joining), read_label_sets(snapshot))


def assign(rows: SplittingRows, split: Split, ledger: Ledger) -> Assignment:
    """Put rows on sides by the method of the recipe.

    Raises:
        DataError: rows lack the published side or the time that the method needs.
    """
    if split.method == "published":
        split_of, excluded = _published(rows, split)
        return Assignment(split_of, _seen(rows, rows.clusters, split_of, ledger), excluded)
    units = _remembered_groups(rows, ledger) if split.remember else _new_groups(rows.clusters)
    split_of = _by_time(rows, split, units) if split.method == "time" else _stratified(rows, split, units)
    return Assignment(split_of, _seen(rows, units.clusters, split_of, ledger), units.excluded, units.remembered)


def _seen(rows: SplittingRows, clusters: NDArray[np.int64], split_of: SplitArray, ledger: Ledger) -> NDArray[np.bool_]:
    """Which test rows are in a cluster of which something was ever in training."""
    trained = np.zeros(len(rows), dtype=bool)
    for keys in rows.keys.kinds():
        trained |= ledger.trained(keys)
    beside = duplicates_of(clusters, trained & (clusters >= 0))
    return np.asarray((trained | beside) & (split_of == TEST))


def _shares(split: Split) -> tuple[float, float, float]:
    return split.train, split.validation, split.test


def _new_groups(clusters: NDArray[np.int64]) -> _Groups:
    given = np.full(int(clusters.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    return _Groups(clusters, given, clusters, {})


def _remembered_groups(rows: SplittingRows, ledger: Ledger) -> _Groups:
    """Clusters with the side that the ledger knows for them.

    A cluster in which several remembered sides meet is taken apart, and all that is new in it is excluded. Where
    its remembered rows still belong together, the side that is held back most wins, and the others are excluded.
    """
    known = [ledger.split_of(keys) for keys in rows.keys.kinds()]
    met = _met_by_clusters(rows.clusters, known)
    torn = (met.sum(axis=0) > 1)[rows.clusters]
    own = _own_splits(rows, known, ledger)
    clusters, winner = _take_apart(rows, torn, own)
    placed = ~torn | ((own != NO_SPLIT) & (own == winner))
    units = _numbered(rows.clusters * (len(SPLIT_NAMES) + 1) + winner + 1, placed)
    of_cluster = np.where(met.any(axis=0), met.argmax(axis=0), NO_SPLIT)[rows.clusters]
    given = np.full(int(units.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    given[units[placed]] = np.where(torn, winner, of_cluster)[placed]
    excluded = _reasons(rows.keys.content, known, winner, placed)
    return _Groups(units, given, clusters, excluded, int((placed & (known[0] != NO_SPLIT)).sum()))


def _met_by_clusters(clusters: NDArray[np.int64], known: list[SplitArray]) -> NDArray[np.bool_]:
    """3 x clusters: whether the cluster holds a text, group or document that was on the side."""
    met = np.zeros((len(SPLIT_NAMES), int(clusters.max(initial=-1)) + 1), dtype=bool)
    for split_name in range(len(SPLIT_NAMES)):
        for split_of in known:
            met[split_name, clusters[split_of == split_name]] = True
    return met


def _own_splits(rows: SplittingRows, known: list[SplitArray], ledger: Ledger) -> SplitArray:
    """Side of each row that was there before; none where its duplicates or its group were held back more.

    A row that repeats a known text in a group or document that is new was not there before, unless those of most
    known texts are new: then the recipe has begun to name groups.
    """
    content, *others = known
    own = content.copy()
    for split_of in others:
        own[split_of > content] = NO_SPLIT
    for groups in (rows.keys.group, rows.keys.document):
        repeated = (groups != NO_KEY) & (content != NO_SPLIT)
        new = repeated & (ledger.split_of(groups) == NO_SPLIT)
        if 2 * new.sum() < repeated.sum():
            own[new] = NO_SPLIT
    own[_in_new_documents(rows, content)] = NO_SPLIT
    return own


def _in_new_documents(rows: SplittingRows, content: SplitArray) -> NDArray[np.bool_]:
    """Return which rows are in new documents, as far as documents that have no lasting name show it.

    Such a document repeats known texts of other documents only, and adds new ones or mixes those of several splits.
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


def _take_apart(rows: SplittingRows, torn: NDArray[np.bool_], own: SplitArray) -> tuple[NDArray[np.int64], SplitArray]:
    """Part the torn clusters: clusters of all rows, and of the remembered rows in torn ones the side that wins.

    A torn row that has no side of its own is in no cluster (-1), and no side wins there.
    """
    before = np.flatnonzero(torn & (own != NO_SPLIT))
    parts = find_clusters(rows.joining.take(before))
    clusters = np.where(torn, -1, rows.clusters)
    clusters[before] = parts + int(rows.clusters.max(initial=-1)) + 1
    highest = np.full(int(parts.max(initial=-1)) + 1, NO_SPLIT, dtype=np.int8)
    np.maximum.at(highest, parts, own[before])  # TRAIN < VALIDATION < TEST
    winner = np.full(len(rows), NO_SPLIT, dtype=np.int8)
    winner[before] = highest[parts]
    return clusters, winner


def _reasons(
    content: HashArray, known: list[SplitArray], winner: SplitArray, placed: NDArray[np.bool_]
) -> dict[str, int]:
    """Count the excluded rows: those that were there before and gave way, by what to, and those that join several."""
    excluded = np.flatnonzero(~placed)
    # A row whose text is placed all the same repeats another one.
    before = (known[0][excluded] != NO_SPLIT) & ~np.isin(content[excluded], content[placed & (winner != NO_SPLIT)])
    highest = np.max([winner, *known], axis=0)[excluded]
    gave_way = {BESIDE_TEST: before & (highest == TEST), BESIDE_VALIDATION: before & (highest == VALIDATION)}
    counts = {reason: int(rows.sum()) for reason, rows in gave_way.items()}
    counts[JOINS] = len(excluded) - sum(counts.values())
    return {reason: count for reason, count in counts.items() if count}


def _numbered(values: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number equal values from 0 without gaps; -1 for rows that are not chosen."""
    numbers = np.full(len(values), -1, dtype=np.int64)
    numbers[chosen] = np.unique(values[chosen], return_inverse=True)[1]
    return numbers


def _row_splits(units: NDArray[np.int64], split_of: SplitArray) -> SplitArray:
    return np.where(units < 0, NO_SPLIT, np.append(split_of, np.int8(NO_SPLIT))[units]).astype(np.int8)


def _stratified(rows: SplittingRows, split: Split, units: _Groups) -> SplitArray:
    keys = cluster_keys(rows.keys, units.of_row)
    split_of = stratify(rows.labels.by_cluster(units.of_row), keys, _shares(split), split.seed, units.given)
    return _row_splits(units.of_row, split_of)


def _by_time(rows: SplittingRows, split: Split, units: _Groups) -> SplitArray:
    """Oldest units train, newest test; a unit is as old as its oldest row, so that no repeat of an old text tests.

    Units without a side share out among themselves what each side lacks of its share of all rows.
    """
    placed = units.of_row >= 0
    oldest = np.full(len(units.given), np.iinfo(np.int64).max)
    np.minimum.at(oldest, units.of_row[placed], _times(rows.snapshot)[placed])
    sizes = np.bincount(units.of_row[placed], minlength=len(units.given))
    order = np.lexsort((draws(cluster_keys(rows.keys, units.of_row), split.seed), oldest))
    order = order[units.given[order] == NO_SPLIT]
    # The middle of a unit decides, so that a large one on the border goes where most of it belongs.
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    split_of = units.given.copy()
    split_of[order] = np.searchsorted(np.cumsum(_lacking(split, sizes, units.given))[:2], middle, side="right")
    return _row_splits(units.of_row, split_of)


def _lacking(split: Split, sizes: NDArray[np.int64], given: SplitArray) -> NDArray[np.float64]:
    """Rows that each side should get of those without a side, so that it comes as near to its share as they allow."""
    taken = np.array([sizes[given == split_name].sum() for split_name in range(len(SPLIT_NAMES))])
    lacking = np.maximum(0.0, np.array(_shares(split)) * sizes.sum() - taken)
    return np.asarray(lacking * (sizes[given == NO_SPLIT].sum() / max(1.0, lacking.sum())))


def _times(snapshot: Snapshot) -> NDArray[np.int64]:
    """Microseconds since 1970 of every row; a time without a zone is taken as UTC."""
    times = np.empty(len(snapshot), dtype=np.int64)
    position = 0
    for batch in snapshot.batches(["id", "time"]):
        for row_id, text in zip(batch["id"].to_pylist(), batch["time"].to_pylist(), strict=True):
            times[position] = _microseconds(row_id, text)
            position += 1
    return times


def _microseconds(row_id: str, text: str | None) -> int:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise DataError(
            f"row {row_id}: source.fields.time holds {text!r}, not an ISO 8601 time such as 2024-05-01T12:00:00Z; "
            "correct the row, or choose split.method: stratified"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6)


def _published(rows: SplittingRows, split: Split) -> tuple[SplitArray, dict[str, int]]:
    """The publisher's sides; duplicates of test rows leave train and validation, those of validation leave train.

    Of two published sides the one that is not train becomes test, and validation is carved from train.
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
    """Sides as the source gives them.

    Raises:
        DataError: a row has none, or train or both others are missing altogether.
    """
    numbers = {split_name: number for number, split_name in enumerate(SPLIT_NAMES)}
    split_of = np.empty(len(snapshot), dtype=np.int8)
    position = 0
    for batch in snapshot.batches(["id", "split"]):
        for row_id, name in zip(batch["id"].to_pylist(), batch["split"].to_pylist(), strict=True):
            if name not in numbers:
                raise DataError(
                    f"row {row_id}: the source puts it on side {name!r}, and split.method is published, which needs "
                    "train, validation or test; name the sides in the source, or choose split.method: stratified"
                )
            split_of[position] = numbers[name]
            position += 1
    present = [name for name, number in numbers.items() if (split_of == number).any()]
    if "train" not in present or len(present) < 2:
        raise DataError(
            f"the source publishes only the side(s) {', '.join(present)}, and split.method is published, which needs "
            "train and one more; name the sides in the source, or choose split.method: stratified"
        )
    return split_of


def _exclude(rows: SplittingRows, split_of: SplitArray, of: int, duplicate: str, grouped: str) -> dict[str, int]:
    """Take what shares a cluster with one side's rows off the sides that are less held back; how many there were.

    Args:
        rows: what the snapshot holds.
        split_of: of the rows, changed here.
        of: the side whose rows stay.
        duplicate: reason of a row whose text is that of such a row.
        grouped: reason of the others, which share its group, or a chain of groups and duplicates.
    """
    repeats = duplicates_of(rows.clusters, split_of == of) & (split_of != NO_SPLIT) & (split_of < of)
    same = repeats & np.isin(rows.keys.duplicates, rows.keys.duplicates[split_of == of])
    split_of[repeats] = NO_SPLIT
    return {duplicate: int(same.sum()), grouped: int((repeats & ~same).sum())}


def _hold_out_validation(rows: SplittingRows, split: Split, split_of: SplitArray) -> None:
    """Move the recipe's share of the training rows to validation, stratified and duplicates together."""
    units = _numbered(rows.clusters, split_of == TRAIN)
    share = split.validation / (split.train + split.validation)
    counts = rows.labels.by_cluster(units)
    held_out = stratify(counts, cluster_keys(rows.keys, units), (1 - share, share, 0.0), split.seed)
    split_of[units >= 0] = held_out[units[units >= 0]]
    _logger.info("carved %d validation rows from the training rows", int((split_of == VALIDATION).sum()))
