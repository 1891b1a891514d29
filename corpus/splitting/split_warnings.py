"""Warnings about a split that is unusual but valid."""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from assay.corpus.example import Head
from assay.corpus.splits import SPLIT_NAMES
from assay.corpus.splitting.assignment import BESIDE_TEST, BESIDE_VALIDATION, JOINS, Assignment, SplittingRows
from assay.corpus.splitting.split_settings import Split
from assay.corpus.splitting.stratify import TEST

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
    warnings = [*_shares(split, rows, assignment), *_untested(heads, rows, assignment)]
    return warnings + _excluded(name, assignment)


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
    causes = [f"the largest cluster of duplicates and groups, which stays whole, has {largest:,} rows"]
    causes += ["rows keep the split of earlier runs (split.remember)"] if assignment.remembered else []
    return [
        f"{', '.join(SPLIT_NAMES)} have {_percent(counts)} of the rows, and the recipe asks for {_percent(wanted)}: "
        f"{'; '.join(causes)}; add rows, or change split.train, split.validation and split.test"
    ]


def _percent(counts: NDArray[np.float64] | NDArray[np.int64]) -> str:
    return ", ".join(f"{count / counts.sum():.1%}" for count in counts)


def _untested(heads: Collection[Head], rows: SplittingRows, assignment: Assignment) -> list[str]:
    """Return warnings about classes, labels and entity types that no test row has, although the bundle knows them."""
    counts = rows.labels.by_split(assignment.split_of)[TEST]
    lines = []
    for head, kind in (("sentence", "class"), ("labels", "label"), ("tokens", "entity type")):
        missing = [
            name
            for (of_head, name), count in zip(rows.labels.names, counts.tolist(), strict=True)
            if of_head == head and head in heads and not count
        ]
        if missing:
            shown = ", ".join(map(repr, missing[:NAMES_SHOWN]))
            more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
            lines.append(f"no test row has the {kind} {shown}{more}, so nothing is tested of it; add rows that have it")
    return lines


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
