import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.documents.offset_units import from_characters, to_characters
from assay.corpus.documents.values import UnreadableError
from tests.corpus.documents.reading import entities_of, reject_of

TEXT = "😀 Zoë in Zürich"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_offsets_are_converted_in_both_directions(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))

    utf16, utf8 = len(text[:offset].encode("utf-16-le")) // 2, len(text[:offset].encode())

    assert (from_characters(text, offset, "utf16"), from_characters(text, offset, "bytes")) == (utf16, utf8)
    assert to_characters(text, utf16, "utf16") == to_characters(text, utf8, "bytes") == offset


@pytest.mark.parametrize(("unit", "start", "end"), [("characters", 2, 5), ("utf16", 3, 6), ("bytes", 5, 9)])
def test_entities_are_placed_by_the_unit_of_their_offsets(unit: str, start: int, end: int) -> None:
    source = {"fields": {"entities": "entities"}, "entity": {"offset_unit": unit}}

    document = {"text": TEXT, "entities": [{"start": start, "end": end, "label": "PER"}]}

    assert entities_of(source, document) == [[("Zoë", "PER")]]


def test_to_characters_rejects_offsets_inside_a_character_or_outside_the_text() -> None:
    with pytest.raises(UnreadableError, match="entity begins or ends inside a character: offset 1 in utf16"):
        to_characters(TEXT, 1, "utf16")
    with pytest.raises(UnreadableError, match="entity lies outside the text: 99 of 20 in bytes"):
        to_characters(TEXT, 99, "bytes")


def test_offsets_in_another_unit_are_rejected_with_the_key() -> None:
    document = {"text": TEXT, "entities": [{"start": 3, "end": 6, "text": "Zoë", "label": "PER"}]}

    assert reject_of({"fields": {"entities": "entities"}}, document) == (
        "entity differs from the text: 'Zoë' against 'oë ' at 3:6"
    )
