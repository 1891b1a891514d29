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
from assay.corpus.splits import SIDES
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
from assay.corpus.splitting.stratify import NO_SIDE, TEST, TRAIN, VALIDATION, SideArray, draws, stratify

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
class Rows:
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
    """A side for each row, `NO_SIDE` where it is withheld; why rows were withheld; rows that kept a remembered side.

    `seen` marks test rows that share a text, group or document with a training row of an earlier run.
    """

    sides: SideArray
    seen: NDArray[np.bool_]
    withheld: dict[str, int]
    remembered: int = 0


@dataclass(frozen=True)
class _Units:
    """What is put on sides as a whole: number of each row's unit (-1: the row is withheld), and sides they have.

    `clusters` are those of the rows without what is excluded because it joins several (-1).
    """

    of_row: NDArray[np.int64]
    given: SideArray
    clusters: NDArray[np.int64]
    withheld: dict[str, int]
    remembered: int = 0


def read_rows(
    snapshot: Snapshot, split: Split, cleaning: Cleaning | None = None, documents: DocumentIds | None = None
) -> Rows:
    """Read keys, clusters and labels of a snapshot.

    Args:
        snapshot: where the rows are.
        split: says what makes two rows duplicates.
        cleaning: of the recipe, since the split compares what the model reads; None cleans nothing.
        documents: rows are sentences of documents, and what their ids are; None: each row is a document.
    """
    joining = read_keys(snapshot, split.duplicates, cleaning, sentences=documents is not None)
    keys = joining.without_documents() if documents == "positions" else joining
    return Rows(snapshot, keys, joining, find_clusters(joining), read_label_sets(snapshot))


def assign(rows: Rows, split: Split, ledger: Ledger) -> Assignment:
    """Put rows on sides by the method of the recipe.

    Raises:
        DataError: rows lack the published side or the time that the method needs.
    """
    if split.method == "published":
        sides, withheld = _published(rows, split)
        return Assignment(sides, _seen(rows, rows.clusters, sides, ledger), withheld)
    units = _remembered_units(rows, ledger) if split.remember else _new_units(rows.clusters)
    sides = _by_time(rows, split, units) if split.method == "time" else _stratified(rows, split, units)
    return Assignment(sides, _seen(rows, units.clusters, sides, ledger), units.withheld, units.remembered)


def _seen(rows: Rows, clusters: NDArray[np.int64], sides: SideArray, ledger: Ledger) -> NDArray[np.bool_]:
    """Which test rows are in a cluster of which something was ever in training."""
    trained = np.zeros(len(rows), dtype=bool)
    for keys in rows.keys.kinds():
        trained |= ledger.trained(keys)
    beside = duplicates_of(clusters, trained & (clusters >= 0))
    return np.asarray((trained | beside) & (sides == TEST))


def _shares(split: Split) -> tuple[float, float, float]:
    return split.train, split.validation, split.test


def _new_units(clusters: NDArray[np.int64]) -> _Units:
    given = np.full(int(clusters.max(initial=-1)) + 1, NO_SIDE, dtype=np.int8)
    return _Units(clusters, given, clusters, {})


def _remembered_units(rows: Rows, ledger: Ledger) -> _Units:
    """Clusters with the side that the ledger knows for them.

    A cluster in which several remembered sides meet is taken apart, and all that is new in it is excluded. Where
    its remembered rows still belong together, the side that is held back most wins, and the others are excluded.
    """
    known = [ledger.sides(keys) for keys in rows.keys.kinds()]
    met = _met_by_clusters(rows.clusters, known)
    torn = (met.sum(axis=0) > 1)[rows.clusters]
    own = _own_sides(rows, known, ledger)
    clusters, winner = _take_apart(rows, torn, own)
    placed = ~torn | ((own != NO_SIDE) & (own == winner))
    units = _numbered(rows.clusters * (len(SIDES) + 1) + winner + 1, placed)
    of_cluster = np.where(met.any(axis=0), met.argmax(axis=0), NO_SIDE)[rows.clusters]
    given = np.full(int(units.max(initial=-1)) + 1, NO_SIDE, dtype=np.int8)
    given[units[placed]] = np.where(torn, winner, of_cluster)[placed]
    withheld = _reasons(rows.keys.content, known, winner, placed)
    return _Units(units, given, clusters, withheld, int((placed & (known[0] != NO_SIDE)).sum()))


def _met_by_clusters(clusters: NDArray[np.int64], known: list[SideArray]) -> NDArray[np.bool_]:
    """3 x clusters: whether the cluster holds a text, group or document that was on the side."""
    met = np.zeros((len(SIDES), int(clusters.max(initial=-1)) + 1), dtype=bool)
    for side in range(len(SIDES)):
        for sides in known:
            met[side, clusters[sides == side]] = True
    return met


def _own_sides(rows: Rows, known: list[SideArray], ledger: Ledger) -> SideArray:
    """Side of each row that was there before; none where its duplicates or its group were held back more.

    A row that repeats a known text in a group or document that is new was not there before, unless those of most
    known texts are new: then the recipe has begun to name groups.
    """
    content, *others = known
    own = content.copy()
    for sides in others:
        own[sides > content] = NO_SIDE
    for groups in (rows.keys.group, rows.keys.document):
        repeated = (groups != NO_KEY) & (content != NO_SIDE)
        new = repeated & (ledger.sides(groups) == NO_SIDE)
        if 2 * new.sum() < repeated.sum():
            own[new] = NO_SIDE
    own[_in_new_documents(rows, content)] = NO_SIDE
    return own


def _in_new_documents(rows: Rows, content: SideArray) -> NDArray[np.bool_]:
    """Return which rows are in new documents, as far as documents that have no lasting name show it.

    Such a document repeats known texts of other documents only, and adds new ones or mixes those of several splits.
    """
    by_position: NDArray[np.bool_] = (rows.joining.document != NO_KEY) & (rows.keys.document == NO_KEY)
    if not by_position.any():
        return by_position
    text, document = (np.unique(keys, return_inverse=True)[1] for keys in (rows.keys.content, rows.joining.document))
    repeated = (np.bincount(np.unique(np.stack([text, document]), axis=1)[0]) > 1)[text]
    known = content != NO_SIDE
    holds = np.zeros((len(SIDES), int(document.max()) + 1), dtype=bool)
    holds[content[known], document[known]] = True
    varied = holds.sum(axis=0) > 1
    varied[document[~known]] = True
    varied[document[known & ~repeated]] = False
    return np.asarray(by_position & varied[document])


def _take_apart(rows: Rows, torn: NDArray[np.bool_], own: SideArray) -> tuple[NDArray[np.int64], SideArray]:
    """Part the torn clusters: clusters of all rows, and of the remembered rows in torn ones the side that wins.

    A torn row that has no side of its own is in no cluster (-1), and no side wins there.
    """
    before = np.flatnonzero(torn & (own != NO_SIDE))
    parts = find_clusters(rows.joining.take(before))
    clusters = np.where(torn, -1, rows.clusters)
    clusters[before] = parts + int(rows.clusters.max(initial=-1)) + 1
    highest = np.full(int(parts.max(initial=-1)) + 1, NO_SIDE, dtype=np.int8)
    np.maximum.at(highest, parts, own[before])  # TRAIN < VALIDATION < TEST
    winner = np.full(len(rows), NO_SIDE, dtype=np.int8)
    winner[before] = highest[parts]
    return clusters, winner


def _reasons(
    content: HashArray, known: list[SideArray], winner: SideArray, placed: NDArray[np.bool_]
) -> dict[str, int]:
    """Count the excluded rows: those that were there before and gave way, by what to, and those that join several."""
    excluded = np.flatnonzero(~placed)
    # A row whose text is placed all the same repeats another one.
    before = (known[0][excluded] != NO_SIDE) & ~np.isin(content[excluded], content[placed & (winner != NO_SIDE)])
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


def _row_sides(units: NDArray[np.int64], sides: SideArray) -> SideArray:
    return np.where(units < 0, NO_SIDE, np.append(sides, np.int8(NO_SIDE))[units]).astype(np.int8)


def _stratified(rows: Rows, split: Split, units: _Units) -> SideArray:
    keys = cluster_keys(rows.keys, units.of_row)
    sides = stratify(rows.labels.by_cluster(units.of_row), keys, _shares(split), split.seed, units.given)
    return _row_sides(units.of_row, sides)


def _by_time(rows: Rows, split: Split, units: _Units) -> SideArray:
    """Oldest units train, newest test; a unit is as old as its oldest row, so that no repeat of an old text tests.

    Units without a side share out among themselves what each side lacks of its share of all rows.
    """
    placed = units.of_row >= 0
    oldest = np.full(len(units.given), np.iinfo(np.int64).max)
    np.minimum.at(oldest, units.of_row[placed], _times(rows.snapshot)[placed])
    sizes = np.bincount(units.of_row[placed], minlength=len(units.given))
    order = np.lexsort((draws(cluster_keys(rows.keys, units.of_row), split.seed), oldest))
    order = order[units.given[order] == NO_SIDE]
    # The middle of a unit decides, so that a large one on the border goes where most of it belongs.
    middle = np.cumsum(sizes[order]) - sizes[order] / 2
    sides = units.given.copy()
    sides[order] = np.searchsorted(np.cumsum(_lacking(split, sizes, units.given))[:2], middle, side="right")
    return _row_sides(units.of_row, sides)


def _lacking(split: Split, sizes: NDArray[np.int64], given: SideArray) -> NDArray[np.float64]:
    """Rows that each side should get of those without a side, so that it comes as near to its share as they allow."""
    taken = np.array([sizes[given == side].sum() for side in range(len(SIDES))])
    lacking = np.maximum(0.0, np.array(_shares(split)) * sizes.sum() - taken)
    return np.asarray(lacking * (sizes[given == NO_SIDE].sum() / max(1.0, lacking.sum())))


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


def _published(rows: Rows, split: Split) -> tuple[SideArray, dict[str, int]]:
    """The publisher's sides; duplicates of test rows leave train and validation, those of validation leave train.

    Of two published sides the one that is not train becomes test, and validation is carved from train.
    """
    sides = _published_sides(rows.snapshot)
    carve = not (sides == VALIDATION).any() or not (sides == TEST).any()
    if carve:
        if (sides == VALIDATION).any():
            _logger.warning("the source publishes no test split: its validation rows are the test rows of this run")
        sides[sides == VALIDATION] = TEST
    withheld = _withhold(rows, sides, TEST, OF_TEST, GROUP_OF_TEST)
    withheld |= _withhold(rows, sides, VALIDATION, OF_VALIDATION, GROUP_OF_VALIDATION)
    if carve:
        _carve_validation(rows, split, sides)
    return sides, {reason: count for reason, count in withheld.items() if count}


def _published_sides(snapshot: Snapshot) -> SideArray:
    """Sides as the source gives them.

    Raises:
        DataError: a row has none, or train or both others are missing altogether.
    """
    numbers = {side: number for number, side in enumerate(SIDES)}
    sides = np.empty(len(snapshot), dtype=np.int8)
    position = 0
    for batch in snapshot.batches(["id", "split"]):
        for row_id, name in zip(batch["id"].to_pylist(), batch["split"].to_pylist(), strict=True):
            if name not in numbers:
                raise DataError(
                    f"row {row_id}: the source puts it on side {name!r}, and split.method is published, which needs "
                    "train, validation or test; name the sides in the source, or choose split.method: stratified"
                )
            sides[position] = numbers[name]
            position += 1
    present = [name for name, number in numbers.items() if (sides == number).any()]
    if "train" not in present or len(present) < 2:
        raise DataError(
            f"the source publishes only the side(s) {', '.join(present)}, and split.method is published, which needs "
            "train and one more; name the sides in the source, or choose split.method: stratified"
        )
    return sides


def _withhold(rows: Rows, sides: SideArray, of: int, duplicate: str, grouped: str) -> dict[str, int]:
    """Take what shares a cluster with one side's rows off the sides that are less held back; how many there were.

    Args:
        rows: what the snapshot holds.
        sides: of the rows, changed here.
        of: the side whose rows stay.
        duplicate: reason of a row whose text is that of such a row.
        grouped: reason of the others, which share its group, or a chain of groups and duplicates.
    """
    repeats = duplicates_of(rows.clusters, sides == of) & (sides != NO_SIDE) & (sides < of)
    same = repeats & np.isin(rows.keys.duplicates, rows.keys.duplicates[sides == of])
    sides[repeats] = NO_SIDE
    return {duplicate: int(same.sum()), grouped: int((repeats & ~same).sum())}


def _carve_validation(rows: Rows, split: Split, sides: SideArray) -> None:
    """Move the recipe's share of the training rows to validation, stratified and duplicates together."""
    units = _numbered(rows.clusters, sides == TRAIN)
    share = split.validation / (split.train + split.validation)
    counts = rows.labels.by_cluster(units)
    carved = stratify(counts, cluster_keys(rows.keys, units), (1 - share, share, 0.0), split.seed)
    sides[units >= 0] = carved[units[units >= 0]]
    _logger.info("carved %d validation rows from the training rows", int((sides == VALIDATION).sum()))
