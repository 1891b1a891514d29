"""Sample rows as the model reads them."""

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.evaluation.marked_text import marked_text, sample_rows

CLEANING = Cleaning(html=True, urls="drop", whitespace=True)


def test_marked_text_marks_entities_in_the_cleaned_text() -> None:
    text = "<b>Acme &amp; Co</b>  opens in Ulm http://a.example"
    entities = (Entity(3, 16, "ORG"), Entity(text.index("Ulm"), text.index("Ulm") + 3, "CITY"))
    assert marked_text(text, entities, CLEANING) == "[Acme & Co](ORG) opens in [Ulm](CITY)"
    assert marked_text("Acme opens", (Entity(0, 4, "ORG"),), Cleaning()) == "[Acme](ORG) opens"


def test_marked_text_leaves_out_entities_that_are_cleaned_away_or_overlap() -> None:
    assert marked_text("see www.a.example now", (Entity(4, 17, "URL"),), Cleaning(urls="drop")) == "see  now"
    assert marked_text("New York", (Entity(0, 8, "CITY"), Entity(4, 8, "NAME")), Cleaning()) == "[New York](CITY)"


def test_sample_rows_cover_classes_then_types_and_prefer_rows_with_entities() -> None:
    rows = [
        Example("1", "plain", label="good", entities=()),
        Example("2", "Acme", label="good", entities=(Entity(0, 4, "ORG"),)),
        Example("3", "again", label="good", entities=()),
        Example("4", "Ulm", label="bad", entities=(Entity(0, 3, "CITY"),)),
        Example("5", "May", label="bad", entities=(Entity(0, 3, "MONTH"),)),
    ]
    assert [row.id for row in sample_rows(rows, Cleaning())] == ["2", "4", "5"]
    assert [row.text for row in sample_rows(rows, Cleaning())] == ["[Acme](ORG)", "[Ulm](CITY)", "[May](MONTH)"]
    assert [row.id for row in sample_rows(rows[:2], Cleaning())] == ["1", "2"]


def test_sample_rows_show_both_texts_of_a_pair() -> None:
    [row] = sample_rows([Example("1", "who?", text_pair="Acme  did", label="yes")], Cleaning(whitespace=True))
    assert (row.label, row.text) == ("yes", "who? ⟷ Acme did")
