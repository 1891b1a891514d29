"""Length buckets: a sampler of batches of rows with similar length."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler


class LengthBuckets(Sampler[list[int]]):
    """Sampler of every row once per epoch, in batches of similar length and in random order.

    The order depends only on (seed, epoch), so that a resumed run sees the same batches as an uninterrupted one. Rows
    of equal length are in different batches in each epoch.

    Args:
        lengths: length of each row in tokens.
        batch_size: rows per batch, over all processes.
        seed: seed of all orders.
        repeats: mean number of repeats of each row per epoch; None repeats each row once. Their sum is the number
            of rows per epoch.
        share: (rank of this process, number of processes), which selects its rows of each batch; it may get none if
            there are fewer rows than processes.
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
        """Set the epoch, which determines the order of the next pass."""
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
        """Draw the rows of an epoch by systematic sampling: whole repeats are exact, fractions are random."""
        rows = np.arange(len(self._lengths))
        if self._repeats is None:
            return rows
        positions = np.concatenate([[0.0], np.cumsum(self._repeats, dtype=np.float64)])
        positions *= self.rows / positions[-1]
        positions[-1] = self.rows  # exact, since the number of batches is fixed
        edges = np.floor(positions + rng.random()).astype(np.int64)
        return np.repeat(rows, edges[1:] - edges[:-1])
