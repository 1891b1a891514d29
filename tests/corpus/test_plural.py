import pytest

from assay.corpus.plural import counted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (counted(1, "row"), "1 row"),
        (counted(0, "row"), "0 rows"),
        (counted(1200, "row"), "1,200 rows"),
        (counted(1.0, "class", "classes"), "1 class"),
        (counted(2.0, "class", "classes"), "2 classes"),
    ],
)
def test_counted_has_the_noun_in_singular_or_plural(text: str, expected: str) -> None:
    assert text == expected
