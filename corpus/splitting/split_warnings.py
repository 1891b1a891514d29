"""Warnings about a split that is unusual but valid."""

from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from assay.corpus.example import LABEL_KINDS, Head
from assay.corpus.plural import counted
from assay.corpus.splits import SPLIT_NAMES
from assay.corpus.splitting.assignment import BESIDE_TEST, BESIDE_VALIDATION, JOINS, Assignment, SplittingRows
from assay.corpus.splitting.split_settings import Split
from assay.corpus.splitting.stratify import TEST, TRAIN, VALIDATION

FAR = 0.25  # relative to the share: a test share of 10 % is far off below 7.5 % and above 12.5 %
ROUNDING = 2.0  # rows by which any share may deviate
NAMES_SHOWN = 10
NEW_LEDGER = "delete ledger/{name}.parquet in the store, after which models of earlier runs are not comparable"


def split_warnings(
    name: str, heads: Collection[Head], split: Split, rows: SplittingRows, assignment: Assignment
) -> list[str]:
    """Return one line per unexpected property of a split; an empty list for a split as requested.

    Args:
        name: name of the recipe.
        heads: heads of its network.
        split: settings of the split.
        rows: the assigned rows.
        assignment: the result.
    """
    warnings = [*_shares(split, rows, assignment), *_untrained(heads, rows, assignment)]
    return [*warnings, *_untested(heads, rows, assignment), *_excluded(name, assignment)]


def new_ledger(name: str) -> str:
    """Return how to start a new ledger, which assigns all rows again."""
    return NEW_LEDGER.format(name=name)


def _shares(split: Split, rows: SplittingRows, assignment: Assignment) -> list[str]:
    if split.method == "published":
        return []
    counts = np.bincount(assignment.split_of[assignment.split_of >= 0], minlength=len(SPLIT_NAMES))
    wanted = np.array([split.train, split.validation, split.test]) * counts.sum()
    if (np.abs(counts - wanted) <= np.maximum(FAR * wanted, ROUNDING)).all():
        return []
    largest = int(np.bincount(rows.clusters).max())
    causes = [f"the largest cluster of duplicates and groups, which stays whole, has {counted(largest, 'row')}"]
    causes += ["rows keep the split of earlier runs (split.remember)"] if assignment.remembered else []
    return [
        f"{', '.join(SPLIT_NAMES)} have {_percent(counts)} of the rows, and the recipe asks for {_percent(wanted)}: "
        f"{'; '.join(causes)}; add rows, or change split.train, split.validation and split.test"
    ]


def _percent(counts: NDArray[np.float64] | NDArray[np.int64]) -> str:
    return ", ".join(f"{count / counts.sum():.1%}" for count in counts)


def _untested(heads: Collection[Head], rows: SplittingRows, assignment: Assignment) -> list[str]:
    """Return warnings about classes, labels and entity types that no test row has, although the bundle knows them."""
    counts = rows.labels.by_split(assignment.split_of)
    return [
        f"no test row has the {kind} {_shown(map(repr, missing))}, so nothing is tested of it; add rows that have it"
        for kind, named in _named_by_kind(heads, rows)
        if (missing := [name for number, name in named if not counts[TEST, number]])
    ]


def _untrained(heads: Collection[Head], rows: SplittingRows, assignment: Assignment) -> list[str]:
    """Return warnings about classes, labels and entity types that only validation or test rows have."""
    counts = rows.labels.by_split(assignment.split_of)
    missing_by_kind = {
        kind: [
            f"{name!r} ({_held_out(counts[:, number])})"
            for number, name in named
            if not counts[TRAIN, number] and counts[:, number].any()
        ]
        for kind, named in _named_by_kind(heads, rows)
    }
    return [
        f"no training row has the {kind} {_shown(missing)}, so the model misses it, and each such row is an error "
        "(validation.unseen_labels); add training rows that have it"
        for kind, missing in missing_by_kind.items()
        if missing
    ]


def _named_by_kind(heads: Collection[Head], rows: SplittingRows) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """Yield what the labels of each head are called, and their numbers and names."""
    for head, kind in LABEL_KINDS.items():
        if head in heads:
            yield kind, [(number, name) for number, (of_head, name) in enumerate(rows.labels.names) if of_head == head]


def _shown(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMES_SHOWN} more" if len(every) > NAMES_SHOWN else ""
    return ", ".join(every[:NAMES_SHOWN]) + more


def _held_out(counts: NDArray[np.int64]) -> str:
    """Return the rows of validation and test in a few words."""
    of_split = [(counts[split], SPLIT_NAMES[split]) for split in (VALIDATION, TEST) if counts[split]]
    return ", ".join(counted(count, f"{name} row") for count, name in of_split)


def _excluded(name: str, assignment: Assignment) -> list[str]:
    count = sum(assignment.excluded.get(reason, 0) for reason in (BESIDE_TEST, BESIDE_VALIDATION))
    if not count:
        return []
    joining = assignment.excluded.get(JOINS, 0)
    new = f" and {joining:,} new rows" if joining else ""
    return [
        f"{count:,} rows of earlier runs{new} are excluded, since the recipe's groups, duplicates or cleaning now join "
        f"them with rows that are held out; to assign all rows again, {new_ledger(name)}"
    ]
