from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from assay.serving.http.batch_selection import select_batch

LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=80)


def use(lengths: list[int], overhead: float) -> float:
    """Share of what a batch costs that is no padding; half of its overhead counts."""
    return sum(lengths) / (len(lengths) * max(lengths) + overhead / 2)


@given(LENGTHS, st.integers(1, 4096), st.floats(0, 1000))
def test_a_batch_holds_the_oldest_row_and_stays_within_its_budget(
    lengths: list[int], most: int, overhead: float
) -> None:
    batch = select_batch(lengths, most, overhead)
    assert 0 in batch
    assert len(set(batch)) == len(batch)
    longest = max(lengths[index] for index in batch)
    assert len(batch) == 1 or len(batch) * longest <= most


@given(LENGTHS, st.integers(1, 4096), st.floats(1, 50))
def test_no_other_run_of_lengths_with_the_oldest_row_makes_better_use(
    lengths: list[int], most: int, overhead: float
) -> None:
    found = use([lengths[index] for index in select_batch(lengths, most, overhead)], overhead)
    ordered, oldest = sorted(lengths), sorted(lengths).index(lengths[0])
    for first, last in product(range(oldest + 1), range(oldest, len(ordered))):
        run = ordered[first : last + 1]
        if len(run) == 1 or len(run) * max(run) <= most:
            assert found >= use(run, overhead) - 1e-9


@given(LENGTHS, st.floats(0.1, 50))
def test_rows_as_long_as_the_oldest_always_come_with_it(lengths: list[int], overhead: float) -> None:
    batch = select_batch(lengths, 10**6, overhead)
    assert set(batch) >= {index for index, length in enumerate(lengths) if length == lengths[0]}


def test_every_row_has_its_turn_whatever_comes_after() -> None:
    # Given a long row and short ones that come without end,
    waiting, turns = [500], 0
    # then the long one is in the first batch, though the short ones fit each other better.
    assert select_batch([*waiting, *[10] * 70], 600, 5.0) == [turns]


def test_rows_join_from_both_sides_where_padding_is_cheap() -> None:
    assert sorted(select_batch([20, 19, 21, 90, 5], 2048, 20.0)) == [0, 1, 2]
    assert sorted(select_batch([20, 19, 21, 90, 70], 2048, 2000.0)) == [0, 1, 2, 3, 4]
