from typing import Any

import pytest

from assay.corpus.documents.first_line import begins_with_row, numbered_columns, repeated_name


def rows(*names: str, cells: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(names, (f"{cell}".format(row) for cell in cells), strict=True)) for row in range(20)]


HEADLESS = rows("good", "A fine radio 1", cells=("good", "A fine radio {0}0"))
WORDS = [{"['EU', 'x']": "['UN', 'y']", "['B-ORG', 'O']": "['B-ORG', 'O']"}]


def test_repeated_name_needs_the_name_in_several_rows() -> None:
    assert repeated_name(HEADLESS) == ("good", 20)
    # The line of names of a file that was appended.
    assert repeated_name([*rows("text", "label", cells=("{0}", "good")), {"text": "text", "label": "label"}]) is None
    assert repeated_name([{"text": "A fine radio", "4": number} for number in (4, 0, 4)]) == ("4", 2)
    assert repeated_name([{"text": "A fine radio", "": "", "None": None}] * 3) is None  # columns without a value
    assert repeated_name([]) is None


@pytest.mark.parametrize(
    ("documents", "expected"),
    [(HEADLESS, True), (WORDS, True), (rows("text", "label", cells=("A radio {0}", "good")), False), ([], False)],
)
def test_begins_with_row(documents: list[dict[str, Any]], expected: bool) -> None:
    assert begins_with_row(documents) is expected


def test_numbered_columns_name_the_longest_texts_and_the_values_that_repeat() -> None:
    assert numbered_columns(HEADLESS) == "{text: 2, label: 1}"
    assert numbered_columns(rows("0", "good", "A fine radio", cells=("{0}", "good", "A fine radio {0}"))) == (
        "{text: 3, label: 2}"
    )
    assert numbered_columns(rows("A fine radio", cells=("A fine radio",))) == "{text: 1}"
    assert numbered_columns(WORDS) == "{tokens: 1, tags: 2}"
