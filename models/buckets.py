"""Which rows meet in a batch: those of like length. Needs numpy and torch alone."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


class LengthBuckets(Sampler[list[int]]):
    """Every row once an epoch, in batches of like length, batches in random order.

    The order depends on nothing but (seed, epoch): a resumed run sees what an unbroken one would have seen.
    Rows of equal length meet in other batches each epoch.

    Args:
        lengths: of each row.
        batch_size: rows a batch, over all processes.
        seed: of every order.
        repeats: how often each row comes in an epoch, on average; none: once. An epoch has as many rows as these
            add up to.
        share: (number of this process, number of processes): which rows of each batch are its own; where there are
            fewer rows than processes, it may be none.
    """

    def __init__(
        self,
        lengths: npt.NDArray[np.int32],
        batch_size: int,
        seed: int,
        repeats: npt.NDArray[np.float32] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._repeats = repeats
        self._own = slice(share[0], None, share[1])
        self._epoch = 0
        self.rows = len(lengths) if repeats is None else round(repeats.sum(dtype=np.float64))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of the next pass."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self.rows // self._batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self._seed, self._epoch))
        shuffled = rng.permutation(self._drawn(rng))
        ordered = shuffled[np.argsort(self._lengths[shuffled], kind="stable")]
        for batch in rng.permutation(len(self)):
            yield ordered[batch * self._batch_size : (batch + 1) * self._batch_size][self._own].tolist()

    def _drawn(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """The rows of an epoch. Systematic sampling: whole repeats are kept exactly, chance decides on fractions."""
        rows = np.arange(len(self._lengths))
        if self._repeats is None:
            return rows
        places = np.concatenate([[0.0], np.cumsum(self._repeats, dtype=np.float64)])
        places *= self.rows / places[-1]
        places[-1] = self.rows  # not a hair less: the number of batches is fixed
        edges = np.floor(places + rng.random()).astype(np.int64)
        return np.repeat(rows, edges[1:] - edges[:-1])
