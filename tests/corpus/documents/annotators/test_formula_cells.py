import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.documents.annotators.formula_cells import as_text_cell, texts_of_cells, without_apostrophe

TEXTS = st.text(st.sampled_from("'=+-@\t\r\n＝a"), max_size=5) | st.text()


@given(TEXTS)
def test_as_text_cell_begins_no_formula_and_can_be_undone(text: str) -> None:
    cell = as_text_cell(text)

    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    assert without_apostrophe(cell) == text


@pytest.mark.parametrize("cell", ["", "plain", "'plain", "it's = 5", "'", "=typed by a person"])
def test_without_apostrophe_keeps_what_as_text_cell_did_not_write(cell: str) -> None:
    assert without_apostrophe(cell) == cell


def test_texts_of_cells_leave_values_of_other_types() -> None:
    assert texts_of_cells({"text": "'=1", "new_labels": ["'=1"], "score": 1.0}) == {
        "text": "=1",
        "new_labels": ["'=1"],
        "score": 1.0,
    }
