"""Collation of rows into batches of tensors, padded to their longest row."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from assay.models import distributed as processes
from assay.models.buckets import LengthBuckets
from assay.models.crf import IGNORED
from assay.models.dataset import EncodedRows, Floats

Batch = dict[str, Tensor]
_TARGETS = ("labels_sentence", "labels_labels", "labels_tokens")


class Collator:
    """Collator of rows into one padded batch of tensors.

    Args:
        pad_id: id of the padding token.
        type_ids: whether the encoder takes `token_type_ids`.
        sentence: return `labels_sentence` (B).
        tokens: return `labels_tokens` (B x L): the tag on the first token of each word, `IGNORED` elsewhere.
        weights: return `labels_weights` (B): the sample weights.
        labels: return `labels_labels` (B x labels): 1 for each label that applies, `IGNORED` for unlabelled rows.
    """

    def __init__(
        self,
        pad_id: int,
        *,
        type_ids: bool,
        sentence: bool,
        tokens: bool,
        weights: bool = False,
        labels: bool = False,
    ) -> None:
        self.pad_id = pad_id
        self._type_ids = type_ids
        self._sentence = sentence
        self._tokens = tokens
        self._weights = weights
        self._labels = labels

    def __call__(self, rows: EncodedRows, indices: Sequence[int]) -> Batch:
        """Return the batch of the rows at `indices`, in that order."""
        shape = (len(indices), int(rows.lengths[list(indices)].max()))
        batch: dict[str, npt.NDArray[np.int64] | Floats] = {
            "input_ids": np.full(shape, self.pad_id, dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
        }
        for position, row in enumerate(indices):
            ids = rows.get("ids", row)
            batch["input_ids"][position, : len(ids)] = ids
            batch["attention_mask"][position, : len(ids)] = 1
        if self._type_ids:
            batch["token_type_ids"] = _padded(rows, "type_ids", indices, shape)
        if self._sentence:
            batch["labels_sentence"] = rows.labels[list(indices)].astype(np.int64)
        if self._tokens:
            batch["labels_tokens"] = _tags_on_first_tokens(rows, indices, shape)
        if self._labels:
            batch["labels_labels"] = np.stack([rows.get("row_labels", row) for row in indices]).astype(np.int64)
        if self._weights:
            batch["labels_weights"] = rows.weights[list(indices)]
        return {name: torch.from_numpy(values) for name, values in batch.items()}


class _Batches(Dataset[Batch]):
    """Dataset that maps a list of row numbers to a collated batch, without a list of single rows.

    Its length is that of an epoch, from which the Trainer computes speeds.
    """

    def __init__(self, rows: EncodedRows, collate: Collator, length: int) -> None:
        self._rows = rows
        self._collate = collate
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, indices: list[int]) -> Batch:
        return self._collate(self._rows, indices) if indices else _unlabelled(self._collate(self._rows, [0]))


class BucketLoader(DataLoader[Batch]):
    """Loader of the Trainer, with batches of similar length; it passes the epoch on to the sampler.

    With `oversample`, the weight of a row is its number of repeats per epoch. Each process gets its share of each
    batch.
    """

    def __init__(
        self, rows: EncodedRows, collate: Collator, batch_size: int, seed: int, *, oversample: bool = False
    ) -> None:
        share = processes.rank(), processes.count()
        self._buckets = LengthBuckets(rows.lengths, batch_size, seed, rows.weights if oversample else None, share)
        # Its own generator keeps the loader from drawing from the global one, whose state dropout depends on.
        super().__init__(
            _Batches(rows, collate, self._buckets.rows),
            sampler=self._buckets,
            batch_size=None,
            generator=torch.Generator(),
        )

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order of the next pass."""
        self._buckets.set_epoch(epoch)


def ordered_batches(rows: EncodedRows, batch_size: int) -> Iterator[list[int]]:
    """Yield batches of row numbers, shortest rows first, for passes in which the order does not matter."""
    order = np.argsort(rows.lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size].tolist()


def _unlabelled(batch: Batch) -> Batch:
    """Remove the labels of a batch: a process without rows in a step takes part with rows that do not count."""
    return {name: torch.full_like(values, IGNORED) if name in _TARGETS else values for name, values in batch.items()}


def _padded(rows: EncodedRows, column: str, indices: Sequence[int], shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    values = np.zeros(shape, dtype=np.int64)
    for position, row in enumerate(indices):
        row_values = rows.get(column, row)
        values[position, : len(row_values)] = row_values
    return values


def _tags_on_first_tokens(rows: EncodedRows, indices: Sequence[int], shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    tags = np.full(shape, IGNORED, dtype=np.int64)
    for position, row in enumerate(indices):
        tags[position, rows.get("word_ids", row)] = rows.get("tags", row)
    return tags
