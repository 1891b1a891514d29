from hypothesis import given
from hypothesis import strategies as st

from serving.http.picking import pick

LENGTHS = st.lists(st.integers(1, 512), min_size=1, max_size=80)


@given(LENGTHS, st.integers(1, 4096), st.floats(0, 1000))
def test_a_batch_holds_the_oldest_row_and_stays_within_its_budget(
    lengths: list[int], most: int, overhead: float
) -> None:
    batch = pick(lengths, most, overhead)
    assert 0 in batch
    assert len(set(batch)) == len(batch)
    longest = max(lengths[index] for index in batch)
    assert len(batch) == 1 or len(batch) * longest <= most


@given(LENGTHS, st.floats(0, 50))
def test_no_row_brings_more_padding_than_a_batch_of_its_own_would_cost(lengths: list[int], overhead: float) -> None:
    batch = pick(lengths, 10**6, overhead)
    longest = max(lengths[index] for index in batch)
    padding = sum(longest - lengths[index] for index in batch)
    assert padding <= overhead * (len(batch) - 1)


@given(LENGTHS)
def test_rows_of_the_same_length_always_go_together(lengths: list[int]) -> None:
    batch = pick(lengths, 10**6, 0.0)
    assert sorted(batch) == [index for index, length in enumerate(lengths) if length == lengths[0]]


def test_every_row_has_its_turn_whatever_comes_after() -> None:
    # Given a long row and short ones that come without end,
    waiting, turns = [500], 0
    # then the long one is in the first batch, though the short ones fit each other better.
    assert pick([*waiting, *[10] * 70], 600, 5.0) == [turns]


def test_rows_join_from_both_sides_where_padding_is_cheap() -> None:
    assert sorted(pick([20, 19, 21, 90, 5], 2048, 3.0)) == [0, 1, 2]
    assert sorted(pick([20, 19, 21, 90, 5], 2048, 1000.0)) == [0, 1, 2, 3, 4]
