import pytest

from assay.evaluation.row_sample import sample_rows, share_rows

ROWS = [f"row {number}" for number in range(5_000)]


def test_sample_rows_is_short_and_ignores_order() -> None:
    assert sample_rows(ROWS) == sample_rows(reversed([*ROWS, ROWS[0]]))
    assert len(sample_rows(ROWS)) < 5_000


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        (ROWS[:300], ROWS[:300], True),
        (ROWS[:300], ROWS[:2_000], True),  # the test set grew
        (ROWS[:1_000], ROWS[800:1_800], True),  # a window that moves
        (ROWS[:5], ROWS[4:9], True),
        (ROWS[:2_000], ROWS[2_000:4_000], False),
        (ROWS[:5], ROWS[5:10], False),
        ([], ROWS, False),
    ],
)
def test_share_rows_detects_overlap(first: list[str], second: list[str], shared: bool) -> None:
    assert share_rows(sample_rows(first), sample_rows(second)) == shared
    assert share_rows(sample_rows(second), sample_rows(first)) == shared
