"""Who goes where: the three methods of the split, over rows whose clusters and labels are known."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from corpus.errors import DataError
from corpus.snapshot import Snapshot
from corpus.splits import SIDES
from recipes.recipe import Split
from tasks.sides.duplicates import Keys, cluster_keys, duplicates_of, find_clusters, read_keys
from tasks.sides.label_sets import LabelSets, read_label_sets
from tasks.sides.ledger import MIXED, Ledger
from tasks.sides.stratify import NO_SIDE, TEST, TRAIN, VALIDATION, SideArray, draws, stratify

JOINS = "joins remembered sides"
OF_TEST = "duplicate of a test row"
OF_VALIDATION = "duplicate of a validation row"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rows:
    """What the split needs to know of the rows of a snapshot, in its order."""

    snapshot: Snapshot
    keys: Keys
    clusters: NDArray[np.int64]
    labels: LabelSets

    def __len__(self) -> int:
        return len(self.clusters)


@dataclass(frozen=True)
class Assignment:
    """A side for each row, `NO_SIDE` where it is withheld; why rows were withheld; rows that kept a remembered side."""

    sides: SideArray
    withheld: dict[str, int]
    remembered: int = 0


@dataclass(frozen=True)
class _Units:
    """What is put on sides as a whole: number of each row's unit (-1: the row is withheld), and sides they have."""

    of_row: NDArray[np.int64]
    given: SideArray
    remembered: int


def read_rows(snapshot: Snapshot, split: Split) -> Rows:
    """Read keys, clusters and labels of a snapshot."""
    keys = read_keys(snapshot, split.duplicates)
    return Rows(snapshot, keys, find_clusters(keys), read_label_sets(snapshot))


def assign(rows: Rows, split: Split, ledger: Ledger) -> Assignment:
    """Put rows on sides by the method of the recipe.

    Raises:
        DataError: rows lack the published side or the time that the method needs.
    """
    if split.method == "published":
        return _published(rows, split)
    units = _remembered_units(rows, ledger) if split.remember else _new_units(rows.clusters)
    sides = _by_time(rows, split, units) if split.method == "time" else _stratified(rows, split, units)
    withheld = int((units.of_row < 0).sum())
    return Assignment(sides, {JOINS: withheld} if withheld else {}, units.remembered)


def _shares(split: Split) -> tuple[float, float, float]:
    return split.train, split.validation, split.test


def _new_units(clusters: NDArray[np.int64]) -> _Units:
    return _Units(clusters, np.full(int(clusters.max(initial=-1)) + 1, NO_SIDE, dtype=np.int8), 0)


def _remembered_units(rows: Rows, ledger: Ledger) -> _Units:
    """Clusters with the side that the ledger knows for them.

    A cluster in which several remembered sides meet is taken apart: remembered rows keep theirs, the
    others are withheld.
    """
    known = [ledger.sides(keys) for keys in (rows.keys.content, rows.keys.duplicates, rows.keys.group)]
    met = _met_by_clusters(rows.clusters, known)
    joins = (met.sum(axis=0) > 1)[rows.clusters]
    own = _own_sides(known)
    placed = ~joins | (own != NO_SIDE)
    part = np.where(joins, own, NO_SIDE).astype(np.int64) + 1
    units = _numbered(rows.clusters * (len(SIDES) + 1) + part, placed)
    of_cluster = np.where(met.any(axis=0), met.argmax(axis=0), NO_SIDE)[rows.clusters]
    given = np.full(int(units.max(initial=-1)) + 1, NO_SIDE, dtype=np.int8)
    given[units[placed]] = np.where(joins, own, of_cluster)[placed]
    return _Units(units, given, int((placed & (own != NO_SIDE)).sum()))


def _met_by_clusters(clusters: NDArray[np.int64], known: list[SideArray]) -> NDArray[np.bool_]:
    """3 x clusters: whether the cluster holds a row, a duplicate or a group that was on the side."""
    met = np.zeros((len(SIDES), int(clusters.max(initial=-1)) + 1), dtype=bool)
    for side in range(len(SIDES)):
        for sides in known:
            met[side, clusters[(sides == side) | (sides == MIXED)]] = True
    return met


def _own_sides(known: list[SideArray]) -> SideArray:
    """Side of each row that was there before; none where its duplicates or its group were on another side."""
    content, *others = known
    own = np.where(content == MIXED, NO_SIDE, content).astype(np.int8)
    for sides in others:
        own[(sides != NO_SIDE) & (sides != MIXED) & (sides != own)] = NO_SIDE
    return own


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
    """Oldest units train, newest test; a unit is as old as its oldest row, so that no repeat of an old text tests."""
    placed = units.of_row >= 0
    oldest = np.full(len(units.given), np.iinfo(np.int64).max)
    np.minimum.at(oldest, units.of_row[placed], _times(rows.snapshot)[placed])
    sizes = np.bincount(units.of_row[placed], minlength=len(units.given))
    order = np.lexsort((draws(cluster_keys(rows.keys, units.of_row), split.seed), oldest))
    # The middle of a unit decides, so that a large one on the border goes where most of it belongs.
    middle = (np.cumsum(sizes[order]) - sizes[order] / 2) / max(1, sizes.sum())
    sides = np.empty(len(units.given), dtype=np.int8)
    sides[order] = np.searchsorted([split.train, split.train + split.validation], middle, side="right")
    return _row_sides(units.of_row, np.where(units.given == NO_SIDE, sides, units.given).astype(np.int8))


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


def _published(rows: Rows, split: Split) -> Assignment:
    """The publisher's sides; duplicates of test rows leave train and validation, those of validation leave train.

    Of two published sides the one that is not train becomes test, and validation is carved from train.
    """
    sides = _published_sides(rows.snapshot)
    carve = not (sides == VALIDATION).any() or not (sides == TEST).any()
    if carve:
        if (sides == VALIDATION).any():
            _logger.warning("the source publishes no test split: its validation rows are the test rows of this run")
        sides[sides == VALIDATION] = TEST
    withheld = {OF_TEST: _withhold(rows, sides, TEST), OF_VALIDATION: _withhold(rows, sides, VALIDATION)}
    if carve:
        _carve_validation(rows, split, sides)
    return Assignment(sides, {reason: count for reason, count in withheld.items() if count})


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


def _withhold(rows: Rows, sides: SideArray, of: int) -> int:
    """Take the near-duplicates of one side's rows off the sides that are less held back; how many there were."""
    lower = {TEST: (TRAIN, VALIDATION), VALIDATION: (TRAIN,)}[of]
    repeats = duplicates_of(rows.clusters, sides == of) & np.isin(sides, lower)
    sides[repeats] = NO_SIDE
    return int(repeats.sum())


def _carve_validation(rows: Rows, split: Split, sides: SideArray) -> None:
    """Move the recipe's share of the training rows to validation, stratified and duplicates together."""
    units = _numbered(rows.clusters, sides == TRAIN)
    share = split.validation / (split.train + split.validation)
    counts = rows.labels.by_cluster(units)
    carved = stratify(counts, cluster_keys(rows.keys, units), (1 - share, share, 0.0), split.seed)
    sides[units >= 0] = carved[units[units >= 0]]
    _logger.info("carved %d validation rows from the training rows", int((sides == VALIDATION).sum()))
