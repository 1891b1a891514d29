"""Clusters of the rows of a window and its reference, and permutation tests that exchange whole clusters."""

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
CELLS_PER_CHUNK = 4_000_000
# Equal short texts occur by chance, but equal long texts are copies of one text.
COPIED_WORDS = 10
# Clusters are not exchanged if the mean cluster sizes of the samples differ by more than this factor.
MOST_UNEVEN = 2.0


@dataclass(frozen=True)
class Clusters:
    """Independent clusters of the rows of two samples.

    `codes` is the cluster number of each row, the rows of the reference first. `window` is the mask of the clusters of
    the window: a group with rows in both samples forms two clusters.
    """

    codes: Ints
    window: Bools

    @classmethod
    def of(cls, reference: Sequence[str], window: Sequence[str]) -> Self:
        """Number the clusters of two samples from the cluster names of their rows."""
        numbers: dict[tuple[bool, str], int] = {}
        keys = [*((False, name) for name in reference), *((True, name) for name in window)]
        codes = [numbers.setdefault(key, len(numbers)) for key in keys]
        return cls(np.array(codes, dtype=np.int64), np.array([in_window for in_window, _ in numbers], dtype=np.bool_))

    @classmethod
    def single(cls, reference: int, window: int) -> Self:
        """Make each row its own cluster."""
        return cls(np.arange(reference + window), np.arange(reference + window) >= reference)

    @property
    def counts(self) -> tuple[int, int]:
        """Return the number of clusters of the reference and of the window."""
        window = int(self.window.sum())
        return len(self.window) - window, window

    @property
    def uneven(self) -> bool:
        """Return whether the clusters of one sample are too large to be exchanged with those of the other."""
        window_rows = int(self.rows.sum())
        reference_size, window_size = (
            rows / max(1, count)
            for rows, count in zip((len(self.codes) - window_rows, window_rows), self.counts, strict=True)
        )
        return max(reference_size, window_size) > MOST_UNEVEN * min(reference_size, window_size)

    @property
    def all_single(self) -> bool:
        """Return whether each row is its own cluster."""
        return len(self.codes) == len(self.window)

    @property
    def rows(self) -> Bools:
        """Return the mask of the rows of the window."""
        return self.window[self.codes]

    @property
    def sizes(self) -> Floats:
        """Return the number of rows of each cluster."""
        return np.bincount(self.codes, minlength=len(self.window)).astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sum values over the rows of each cluster: from rows x ... to clusters x ...."""
        sums = np.zeros((len(self.window), *values.shape[1:]))
        np.add.at(sums, self.codes, values)
        return sums

    def where(self, rows: Bools) -> "Clusters":
        """Return the clusters of a subset of the rows."""
        clusters, codes = np.unique(self.codes[rows], return_inverse=True)
        return Clusters(codes, self.window[clusters])

    def smallest_p(self, halves: bool = False) -> float:
        """Return the smallest p-value that exchanging the clusters can give.

        Args:
            halves: whether only half of the clusters of each sample are exchanged, since a classifier is fitted on the
                other half.
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
        """Return the share of permutations whose statistic is at least the measured one; never 0.

        Args:
            statistic: function from window masks (permutations x clusters) to one number per permutation.
            measured: statistic of the actual samples.
            seed: seed of the permutations.
            cells: numbers in memory per permutation, if more than the number of clusters.
            permutations: number of permutations.
        """
        exceeding = 0
        for members in self._permuted(seed, max(cells, len(self.window)), permutations):
            exceeding += int(np.count_nonzero(statistic(members) >= measured - 1e-12))
        return (1 + exceeding) / (1 + permutations)

    def _permuted(self, seed: int, cells: int, permutations: int) -> Iterator[Bools]:
        draw = np.random.default_rng(seed)
        chunk = max(1, CELLS_PER_CHUNK // max(1, cells))
        for begin in range(0, permutations, chunk):
            size = min(chunk, permutations - begin)
            yield draw.permuted(np.tile(self.window, (size, 1)), axis=1)


def cluster_names(examples: Iterable[Example], of_documents: bool = False) -> list[str]:
    """Name the cluster of each row: its group, else its document, else its text if that is long, else the row itself.

    Args:
        examples: rows.
        of_documents: whether the source reads several rows from each document (document format `parse`).
    """
    return [_name(example, number, of_documents) for number, example in enumerate(examples)]


def _name(example: Example, number: int, of_documents: bool) -> str:
    if example.group is not None:
        return f"group:{example.group}"
    if of_documents and (document := example.id.rpartition("#")[0]):
        return f"document:{document}"
    text_words = words(f"{example.text} {example.text_pair or ''}")
    return f"text:{digest_json(text_words)}" if len(text_words) >= COPIED_WORDS else f"row:{number}"
