import pytest

from assay.recipes.conditions import columns_of


@pytest.mark.parametrize(
    ("condition", "columns"),
    [
        ("year < 2010", {"year": "number"}),
        ("2000 <= year < 2016", {"year": "number"}),
        ("not (category in ['Books', 'Music'] or text_length > 400)", {"category": "text", "text_length": "number"}),
        ("label != 'positive' and year not in (2001, -1)", {"label": "text", "year": "number"}),
        ("likes > dislikes", {"likes": "number", "dislikes": "number"}),
        ("(year < 2010\n   and text_length > 100)", {"year": "number", "text_length": "number"}),
    ],
)
def test_columns_of_returns_columns_with_their_kinds(condition: str, columns: dict[str, str]) -> None:
    assert columns_of(condition) == columns


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')",
        "__import__('os').system('true') == 0",
        "year.__class__ == 1",
        "@year < 1",
        "`year` < 1",
        "len(category) < 4",
        "year ** 99 < 4",
        "year[0] < 1",
        "lambda: 1",
        "(y := 3) < 4",
        "f'{year}' == 'a'",
        "year in [y for y in (1, 2)]",
        "year < 1 if 1 else 2",
        "year; year < 1",
        "year = 1",
        "year",
        "1 < 2",
        "year in ()",
        "year in ((1,), 2)",
        "",
        "(" * 500,
        "year < 1 or " * 200 + "year < 2",
    ],
)
def test_columns_of_refuses_everything_but_comparisons(condition: str) -> None:
    with pytest.raises(ValueError, match=r"are allowed|cannot be parsed|shorten it|compare a column") as caught:
        columns_of(condition)
    assert repr(condition)[:40] in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("year == '1' and year < 3", "takes 'year' as number, but it is text"),
        ("label == 1", "takes 'label' as number, but it is text"),
        ("year in (1, 'a')", "compare a column with text or with numbers"),
        ("category < 'M'", "orders text"),
        ("year in 5", "`in` needs a list"),
        ("year is 5", "write == or !="),
    ],
)
def test_columns_of_refuses_incomparable_operands(condition: str, reason: str) -> None:
    with pytest.raises(ValueError, match=r"compare|text|in|==") as caught:
        columns_of(condition)
    assert reason in str(caught.value)
