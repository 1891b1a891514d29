"""Rows that were drawn together: what of a window and its reference is independent, and how it changes places."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Self

import numpy as np

from assay.corpus.example import Example
from assay.corpus.storage.digest import digest_json
from assay.evaluation.drift.vocabulary import words
from assay.evaluation.statistics import SEED, Bools, Floats, Ints

PERMUTATIONS = 1999
PERMUTED_A_CHUNK = 4_000_000
# People write the same short text by chance, but seldom the same long one: that is one text, copied.
COPIED_WORDS = 10
# Clusters of samples whose mean sizes differ by more than this factor cannot change places.
MOST_UNEVEN = 2.0


@dataclass(frozen=True)
class Clusters:
    """Rows of two samples in the clusters that were drawn independently.

    `codes` has the number of each row's cluster, the rows of the reference first. `window` says of each cluster
    whether its rows are of the window: a group with rows in both samples is two clusters.
    """

    codes: Ints
    window: Bools

    @classmethod
    def of(cls, reference: Sequence[str], window: Sequence[str]) -> Self:
        """Number the clusters of two samples, whose rows carry the names of theirs."""
        numbers: dict[tuple[bool, str], int] = {}
        named = [*((False, name) for name in reference), *((True, name) for name in window)]
        codes = [numbers.setdefault(one, len(numbers)) for one in named]
        return cls(np.array(codes, dtype=np.int64), np.array([later for later, _ in numbers], dtype=np.bool_))

    @classmethod
    def single(cls, reference: int, window: int) -> Self:
        """Every row is a cluster of its own."""
        return cls(np.arange(reference + window), np.arange(reference + window) >= reference)

    @property
    def counts(self) -> tuple[int, int]:
        """Clusters of the reference and of the window."""
        window = int(self.window.sum())
        return len(self.window) - window, window

    @property
    def uneven(self) -> bool:
        """Whether the clusters of one sample are too large to be exchanged with those of the other."""
        later = int(self.rows.sum())
        old, new = (
            rows / max(1, count) for rows, count in zip((len(self.codes) - later, later), self.counts, strict=True)
        )
        return max(old, new) > MOST_UNEVEN * min(old, new)

    @property
    def all_single(self) -> bool:
        """Whether rows and clusters are the same."""
        return len(self.codes) == len(self.window)

    @property
    def rows(self) -> Bools:
        """For each row, whether it is of the window."""
        return self.window[self.codes]

    @property
    def sizes(self) -> Floats:
        """Rows of each cluster."""
        return np.bincount(self.codes, minlength=len(self.window)).astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sum over the rows of each cluster: rows x ... to clusters x ...."""
        sums = np.zeros((len(self.window), *values.shape[1:]))
        np.add.at(sums, self.codes, values)
        return sums

    def where(self, rows: Bools) -> "Clusters":
        """The clusters of some rows."""
        kept, codes = np.unique(self.codes[rows], return_inverse=True)
        return Clusters(codes, self.window[kept])

    def smallest_p(self, halves: bool = False) -> float:
        """The smallest p-value that exchanging the clusters can give.

        Args:
            halves: only half of the clusters of each sample are exchanged, since a classifier learns from the others.
        """
        reference, window = (count - count // 2 if halves else count for count in self.counts)
        if self.uneven and min(reference, window) < 2:
            return 1.0
        return 1 / comb(reference + window, window)

    def p_value(
        self,
        statistic: Callable[[Bools], Floats],
        measured: float,
        *,
        seed: int = SEED,
        cells: int = 0,
        permutations: int = PERMUTATIONS,
    ) -> float:
        """Share of permutations that are at least as far apart as what was measured; never 0.

        Args:
            statistic: from permutations x clusters (whether a cluster is of the window) to one number each.
            measured: the statistic of the samples as they are.
            seed: of the permutations.
            cells: numbers that the statistic holds per permutation, where these are more than clusters.
            permutations: how many.
        """
        further = 0
        for members in self._permuted(seed, max(cells, len(self.window)), permutations):
            further += int(np.count_nonzero(statistic(members) >= measured - 1e-12))
        return (1 + further) / (1 + permutations)

    def _permuted(self, seed: int, cells: int, permutations: int) -> Iterator[Bools]:
        draw = np.random.default_rng(seed)
        chunk = max(1, PERMUTED_A_CHUNK // max(1, cells))
        for begin in range(0, permutations, chunk):
            size = min(chunk, permutations - begin)
            yield draw.permuted(np.tile(self.window, (size, 1)), axis=1)


def cluster_names(examples: Iterable[Example], of_documents: bool = False) -> list[str]:
    """Name the cluster of each row: its group, else its document, else the text that it copies, else the row itself.

    Args:
        examples: rows.
        of_documents: their source reads several rows from each document (form `parse`).
    """
    return [_name(example, number, of_documents) for number, example in enumerate(examples)]


def _name(example: Example, number: int, of_documents: bool) -> str:
    if example.group is not None:
        return f"group:{example.group}"
    if of_documents and (document := example.id.rpartition("#")[0]):
        return f"document:{document}"
    found = words(f"{example.text} {example.text_pair or ''}")
    return f"text:{digest_json(found)}" if len(found) >= COPIED_WORDS else f"row:{number}"
