import pytest

from assay.corpus.documents.remedies import remedy_of
from assay.corpus.returned_remedies import AGAIN, correction_remedy


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("there is no such row", "keep the ids of the tasks"),
        ("row_id is missing", "or name their field with --id"),
        ("text is missing", "keep the texts of the tasks"),
        ("text is empty", "keep the texts of the tasks"),
        ("text_pair is not that of the row, which may have changed since: why?", "write the tasks again"),
        ("label is no class of the recipe (--new-labels accepts it): fine", "or pass --new-labels"),
        ('new_entities is not a list like [[0, 4, "ORG"]]: Acme', "fill the cell in like that list"),
        ("label differs from that of the row: bad", "write decisions into new_label"),
        ("label is a number without a name: 3", "with the labels as text"),
        ("entities overlap: Acme and me grew", "in the tool, and export again"),
        ("entity lies outside the text: 3:99 in 38 characters", "the end exclusive"),
        ("entity.start is not a whole number: x", "the end exclusive"),
        ("entity is empty: 3:3", "the end exclusive"),
        ("not valid UTF-8: é", "--encoding"),
        ("a quotation mark is not closed: it opens in line 3", "--separator"),
        ("text follows a closing quotation mark: grew (the cell opens in line 3)", "--separator"),
        ("wrong number of cells: 3", "--separator"),
    ],
)
def test_correction_remedy_says_what_to_do_in_the_tool(reason: str, remedy: str) -> None:
    assert remedy in correction_remedy(reason)
    assert "source." not in correction_remedy(reason)


def test_correction_remedy_is_that_of_a_row_of_the_source_where_both_are_mended_alike() -> None:
    reason = "annotators disagree: ['good', 'bad']"
    assert correction_remedy(reason) == remedy_of(reason)
    assert correction_remedy("a reason of its own") == AGAIN
