import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.models.buckets import LengthBuckets


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=200),
    batch_size=st.integers(1, 17),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_length_buckets_yield_every_row_once_in_batches_of_similar_length(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    buckets = LengthBuckets(np.array(lengths, dtype=np.int32), batch_size, seed)
    buckets.set_epoch(epoch)
    batches = list(buckets)
    assert len(batches) == len(buckets)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    # each batch holds a stretch of the sorted lengths: no two of them overlap by more than their ends
    stretches = sorted((min(lengths[row] for row in batch), max(lengths[row] for row in batch)) for batch in batches)
    assert all(former[1] <= latter[0] for former, latter in itertools.pairwise(stretches))


@given(rows=st.integers(1, 60), batch_size=st.integers(4, 17), processes=st.integers(2, 4))
def test_length_buckets_share_every_batch_among_processes(rows: int, batch_size: int, processes: int) -> None:
    lengths = np.arange(rows, dtype=np.int32) % 7
    whole = list(LengthBuckets(lengths, batch_size, 3))
    shares = [list(LengthBuckets(lengths, batch_size, 3, share=(rank, processes))) for rank in range(processes)]
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert sorted(row for part in parts for row in part) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_length_buckets_order_depends_only_on_seed_and_epoch() -> None:
    lengths = np.arange(100, dtype=np.int32) % 7
    buckets, again, other = (LengthBuckets(lengths, 8, seed) for seed in (3, 3, 4))
    first = list(buckets)
    torch.rand(5)
    np.random.default_rng().random()
    assert list(again) == first
    assert list(other) != first
    buckets.set_epoch(1)
    assert list(buckets) != first
    buckets.set_epoch(0)
    assert list(buckets) == first


@given(
    repeats=st.lists(st.floats(0.25, 6), min_size=1, max_size=60),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_length_buckets_repeat_each_row_as_requested(repeats: list[float], batch_size: int, seed: int) -> None:
    lengths = np.arange(len(repeats), dtype=np.int32) % 7
    buckets = LengthBuckets(lengths, batch_size, seed, np.array(repeats, dtype=np.float32))
    times = np.zeros((200, len(repeats)))
    for epoch in range(len(times)):
        buckets.set_epoch(epoch)
        batches = list(buckets)
        # every epoch has the same number of rows and batches, and none is empty
        assert len(batches) == len(buckets)
        assert all(batches)
        np.add.at(times[epoch], [row for batch in batches for row in batch], 1)
    assert set(times.sum(axis=1)) == {buckets.rows}
    # in each epoch a row comes as often as asked, rounded up or down, and over all of them as often as asked
    wanted = np.array(repeats) * buckets.rows / sum(repeats)
    assert (np.abs(times - wanted) < 1 + 1e-6).all()
    assert np.abs(times.mean(axis=0) - wanted).max() < 0.2


def test_length_buckets_keep_whole_repeats_exactly() -> None:
    repeats = np.array([1, 3, 1, 2], dtype=np.float32)
    buckets = LengthBuckets(np.array([4, 4, 5, 9], dtype=np.int32), 2, 0, repeats)
    assert sorted(row for batch in buckets for row in batch) == [0, 1, 1, 1, 2, 3, 3]
