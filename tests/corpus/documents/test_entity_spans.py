import itertools
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from bson import Decimal128, Int64
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.documents.entity_spans import find_names, locate_entities, read_entities, whole_words
from assay.corpus.documents.fields import EntityFields
from assay.corpus.documents.values import UnreadableError
from assay.corpus.example import Entity


@pytest.mark.parametrize(
    ("text", "name", "spans"),
    [
        ("Apple and Applesauce and pineApple", "Apple", [(0, 5)]),
        ("buy $AAPL, not US$AAPL", "$AAPL", [(4, 9)]),
        ("Acme Inc. and Acme Inc.com", "Acme Inc.", [(0, 9)]),
        ('(Apple)\'s "Apple"-Apple', "Apple", [(1, 6), (11, 16), (18, 23)]),
        ("Süß GmbH Süßwaren", "Süß", [(0, 3)]),
        ("Rene\u0301 met Rene", "Rene", [(10, 14)]),
        ("राम रामा", "राम", [(0, 3)]),
        ("a_b a", "a", [(4, 5)]),
        ("x.*y", ".*", []),
        ("ha ha ha", "ha ha", [(0, 5), (3, 8)]),
        ("我在北京工作", "北京", [(2, 4)]),
        ("昨日トヨタ自動車は", "トヨタ自動車", [(2, 8)]),
        ("いまAppleがiPhoneを", "Apple", [(2, 7)]),
        ("第10号", "10", [(1, 3)]),
        ("นายสมชายไป", "สมชาย", [(3, 8)]),
        ("ไปกรุงเทพฯ", "กรุงเทพ", [(2, 9)]),
        ("ที่ดี", "ท", []),
        ("か\u3099 か", "か", [(3, 4)]),
        ("서울에서 서울", "서울", [(5, 7)]),
        ("iPhone苹果13", "苹果", [(6, 8)]),
        ("☀\ufe0fApple", "Apple", [(2, 7)]),
        ("Apple\u200d, Apple\u200dpie, Apple\u200d", "Apple", [(0, 5), (19, 24)]),
    ],
)
def test_whole_words_finds_words_in_many_scripts(text: str, name: str, spans: list[tuple[int, int]]) -> None:
    assert whole_words(text, name) == spans


NOTHING = [None, float("nan"), np.float32("nan"), Decimal("nan"), Decimal128("NaN")]


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
@pytest.mark.parametrize("spans", [None, "places"])
def test_read_entities_takes_nan_for_missing(nothing: object, spans: str | None) -> None:
    span = {"text": "Apple", "start": nothing, "end": nothing}
    item = {**span, "label": nothing} if spans is None else {"label": nothing, "places": [span]}
    fields = EntityFields(spans=spans, default_label="ORG")
    assert read_entities("an Apple", [item], fields) == (Entity(3, 8, "ORG"),)
    with_offsets = {"text": nothing, "start": 3, "end": 8.0}
    item = with_offsets if spans is None else {"places": [with_offsets]}
    assert read_entities("an Apple", [item], fields) == (Entity(3, 8, "ORG"),)


@pytest.mark.parametrize("nothing", NOTHING[1:], ids=repr)
def test_read_entities_rejects_one_offset_alone(nothing: object) -> None:
    with pytest.raises(UnreadableError, match=r"entity\.end is not a whole number"):
        read_entities("an Apple", [{"text": "Apple", "start": 3, "end": nothing}], EntityFields())


def test_whole_words_ignores_case_on_request() -> None:
    text = "İstanbul: ACME wins"

    assert whole_words(text, "Acme") == []
    assert whole_words(text, "Acme", ignore_case=True) == [(10, 14)]


def test_find_names_prefers_the_longest_name() -> None:
    text = "Bank of Oslo buys Oslo Bank, says Oslo"
    names = {"Oslo": "PLACE", "Bank of Oslo": "COMPANY", "Oslo Bank": "COMPANY"}

    entities = sorted(find_names(text, names))

    assert [(text[e.start : e.end], e.label) for e in entities] == [
        ("Bank of Oslo", "COMPANY"),
        ("Oslo Bank", "COMPANY"),
        ("Oslo", "PLACE"),
    ]


def test_find_names_accepts_a_name_inside_a_longer_one() -> None:
    assert find_names("Apple Inc. rises", {"Apple": "X", "Apple Inc.": "Y"}) == [Entity(0, 10, "Y")]


def test_find_names_marks_the_first_occurrence_on_request() -> None:
    assert find_names("Bo met Bo", {"Bo": "PERSON"}, occurrences="first") == [Entity(0, 2, "PERSON")]
    assert len(find_names("Bo met Bo", {"Bo": "PERSON"})) == 2


def test_find_names_rejects_an_absent_name() -> None:
    with pytest.raises(UnreadableError, match="entity is not in the text: Acme"):
        find_names("Globex", {"Acme": "COMPANY"})
    with pytest.raises(UnreadableError, match="entity stands only inside a longer word: Acme in Acmeology"):
        find_names("Acmeology", {"Acme": "COMPANY"})


@given(text=st.text(alphabet="ab .é", max_size=30), names=st.sets(st.text(alphabet="ab é", min_size=1, max_size=4)))
def test_find_names_gives_spans_of_names_without_overlap(text: str, names: set[str]) -> None:
    present = {name: "X" for name in names if whole_words(text, name)}

    entities = sorted(find_names(text, present))

    assert all(text[entity.start : entity.end] in present for entity in entities)
    assert all(left.end <= right.start for left, right in itertools.pairwise(entities))
    assert bool(entities) == bool(present)


def test_read_entities_combines_offsets_and_names() -> None:
    text = "Oslo: Bo Oslo praises Oslo"
    items = [{"start": 6, "end": 13, "label": "PERSON", "text": "Bo Oslo"}, {"text": " Oslo "}]

    entities = read_entities(text, items, EntityFields())

    assert entities == (Entity(0, 4, "ENTITY"), Entity(6, 13, "PERSON"), Entity(22, 26, "ENTITY"))


def test_read_entities_takes_lists_of_types_and_spans() -> None:
    fields = EntityFields(spans="points", end_inclusive=True)
    points = [{"text": "Virus", "start": 0, "end": 4}, {"text": "Fieber", "start": 10, "end": 15}]

    assert read_entities("Virus und Fieber", [{"label": ["med"], "points": points}], fields) == (
        Entity(0, 5, "med"),
        Entity(10, 16, "med"),
    )
    assert read_entities("Virus", [{"label": [], "points": points[:1]}], fields) == (Entity(0, 5, "ENTITY"),)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"label": ["a", "b"], "points": []}, r"entity has several types: \['a', 'b'\]"),
        ({"label": "a"}, "entity.points is not a list of objects"),
        ({"label": "a", "points": [3]}, r"entity.points is not a list of objects: \[3\]"),
        ({"label": "a", "points": [{"text": "Virus", "start": 0, "end": 9}]}, "entity lies outside the text"),
    ],
)
def test_read_entities_rejects_malformed_lists(item: dict[str, object], reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_entities("Virus", [item], EntityFields(spans="points", end_inclusive=True))


def test_read_entities_takes_inclusive_ends() -> None:
    fields = EntityFields(end_inclusive=True)

    assert read_entities("Bo!", [{"start": 0, "end": 1, "text": "Bo"}], fields) == (Entity(0, 2, "ENTITY"),)


@pytest.mark.parametrize("others", [[], [{"text": "f"}]])
def test_read_entities_rejects_entities_that_overlap(others: list[dict[str, object]]) -> None:
    items = [{"start": 2, "end": 5, "label": "B"}, {"start": 0, "end": 4, "label": "A"}, *others]

    assert len(locate_entities("abcde f", items, EntityFields())) == 2 + len(others)
    with pytest.raises(UnreadableError, match=r"^entities overlap: abcd and cde$"):
        read_entities("abcde f", items, EntityFields())


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ({"text": "Bo"}, "entities are not a list"),
        (["Bo"], "entity is not an object: Bo"),
        ([{"label": "X"}], r"entity\.text is missing"),
        ([{"text": "  "}], r"entity\.text is empty"),
        ([{"text": "Bo", "label": 3}], r"entity\.label is not text: 3 \(int\)"),
        ([{"text": "Al"}], "entity is not in the text: Al"),
        ([{"text": "Bo", "label": "A"}, {"text": "Bo", "label": "B"}], "entity has two types: Bo is A and B"),
        ([{"text": "Bo", "start": 1, "end": 3}], "entity differs from the text: 'Bo' against 'o ' at 1:3"),
        ([{"start": 0, "end": 99}], "entity lies outside the text: 0:99 in 8 characters"),
        ([{"start": -2, "end": 1}], "entity lies outside the text"),
        ([{"start": 2, "end": 2}], "entity is empty: 2:2"),
        ([{"start": 5, "end": 2}], "entity ends before it begins: 5:2"),
        ([{"start": 0, "end": 0}], "entity is empty: 0:0"),
        ([{"start": 0}], r"entity\.end is not a whole number: missing"),
        ([{"start": 0.5, "end": 2}], r"entity\.start is not a whole number: 0\.5"),
        ([{"start": "0", "end": 2}], r"entity\.start is not a whole number: 0"),
        ([{"start": float("nan"), "end": 2}], r"entity\.start is not a whole number: nan"),
        ([{"start": 1e300, "end": 2}], r"entity\.start is not a whole number: 1e\+300"),
        ([{"start": 2, "end": 3}], "entity covers white space alone: 2:3"),
        ([{"text": "\u200b"}], "entity covers white space alone: a name without offsets"),
        ([{"start": False, "end": 2}], r"entity\.start is not a whole number: False"),
    ],
)
def test_read_entities_rejects_invalid_entities(items: object, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason):
        read_entities("Bo sings", items, EntityFields())


INVISIBLE = ["\u200e", "\u200f", "\ufeff", "\u2060", "\u2068", "\u2069", "\u200c", "\u200d", "\u00ad", "\x96"]


@pytest.mark.parametrize("edge", INVISIBLE)
def test_read_entities_leaves_out_invisible_characters_at_the_edges(edge: str) -> None:
    text = f"at {edge}Tim{edge}Cook{edge} {edge}{edge}now"
    wanted = (Entity(4, 12, "X"),)
    inner = text[3:13]
    for item in ({"start": 3, "end": 13}, {"start": 3, "end": 13, "text": inner}, {"text": inner},
                 {"start": 3, "end": 13, "text": inner.strip(edge)}):  # fmt: skip
        assert read_entities(text, [{"label": "X", **item}], EntityFields()) == wanted
    with pytest.raises(UnreadableError, match="entity covers white space alone"):
        read_entities(text, [{"start": 14, "end": 16}], EntityFields())


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\u00a0", "\u3000", "\u200b", " \u2009 "])
def test_read_entities_leaves_out_white_space_at_the_edges(space: str) -> None:
    text = f"at{space}Hooli{space}now"
    start, end = 2, len(text) - 3
    wanted = (Entity(2 + len(space), 7 + len(space), "X"),)
    inner = text[start:end]
    for item in ({"start": start, "end": end}, {"start": start, "end": end, "text": inner}, {"text": inner},
                 {"start": start, "end": end, "text": "Hooli"}):  # fmt: skip
        assert read_entities(text, [{"label": "X", **item}], EntityFields()) == wanted


@pytest.mark.parametrize(
    ("text", "word"), [("Acmeology", "Acmeology"), ("my_Acme_x", "my_Acme_x"), ("서Acme", "서Acme")]
)
def test_read_entities_names_the_longer_word_that_holds_a_name(text: str, word: str) -> None:
    with pytest.raises(UnreadableError, match=f"entity stands only inside a longer word: Acme in {word}$"):
        read_entities(text, [{"text": "Acme"}], EntityFields())


@pytest.mark.parametrize("number", [float, Decimal, np.int64, np.float32, Int64, lambda value: Decimal128(str(value))])
def test_read_entities_takes_whole_numbers_of_any_type(number: Callable[[int], object]) -> None:
    items = [{"start": number(0), "end": number(4), "label": "ORG"}]
    assert read_entities("Acme opens", items, EntityFields()) == (Entity(0, 4, "ORG"),)


@pytest.mark.parametrize(
    ("text", "name"), [("Zu\u0308rich grows", "Z\u00fcrich"), ("Z\u00fcrich grows", "Zu\u0308rich")]
)
def test_read_entities_compares_words_whatever_the_form_of_their_accents(text: str, name: str) -> None:
    end = text.index(" ")
    item = {"start": 0, "end": end, "label": "LOC", "text": name}
    assert read_entities(text, [item], EntityFields()) == (Entity(0, end, "LOC"),)
    with pytest.raises(UnreadableError, match="entity differs from the text"):
        read_entities(text, [{**item, "text": "Zurich"}], EntityFields())
