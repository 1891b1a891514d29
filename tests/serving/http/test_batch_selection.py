from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from assay.serving.http.batch_selection import select_batch

LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=80)


def use(lengths: list[int], overhead: float) -> float:
    """Return the share of the cost of a batch that is not padding; half of its overhead counts."""
    return sum(lengths) / (len(lengths) * max(lengths) + overhead / 2)


@given(LENGTHS, st.integers(1, 4096), st.floats(0, 1000))
def test_select_batch_includes_the_oldest_row_within_the_limit(
    lengths: list[int], max_tokens: int, overhead: float
) -> None:
    batch = select_batch(lengths, max_tokens, overhead)
    assert 0 in batch
    assert len(set(batch)) == len(batch)
    longest = max(lengths[index] for index in batch)
    assert len(batch) == 1 or len(batch) * longest <= max_tokens


@given(LENGTHS, st.integers(1, 4096), st.floats(1, 50))
def test_select_batch_makes_the_best_use_of_a_batch(lengths: list[int], max_tokens: int, overhead: float) -> None:
    best = use([lengths[index] for index in select_batch(lengths, max_tokens, overhead)], overhead)
    ordered, oldest = sorted(lengths), sorted(lengths).index(lengths[0])
    for first, last in product(range(oldest + 1), range(oldest, len(ordered))):
        run = ordered[first : last + 1]
        if len(run) == 1 or len(run) * max(run) <= max_tokens:
            assert best >= use(run, overhead) - 1e-9


@given(LENGTHS, st.floats(0.1, 50))
def test_select_batch_includes_all_rows_of_the_same_length(lengths: list[int], overhead: float) -> None:
    batch = select_batch(lengths, 10**6, overhead)
    assert set(batch) >= {index for index, length in enumerate(lengths) if length == lengths[0]}


def test_select_batch_lets_no_row_wait_forever() -> None:
    # The oldest row is selected, though the short ones fit each other better.
    assert select_batch([500, *[10] * 70], 600, 5.0) == [0]


def test_select_batch_adds_shorter_and_longer_rows_if_padding_is_cheap() -> None:
    assert sorted(select_batch([20, 19, 21, 90, 5], 2048, 20.0)) == [0, 1, 2]
    assert sorted(select_batch([20, 19, 21, 90, 70], 2048, 2000.0)) == [0, 1, 2, 3, 4]
