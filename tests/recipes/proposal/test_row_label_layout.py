import json
from collections.abc import Callable
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_roles import Choices

TEXTS = [f"the {word} number {number} of the day" for number, word in enumerate(["bank", "match", "storm", "day"] * 10)]
TOPICS: list[list[str]] = [["money"], ["sport", "money"], ["weather"], []] * 10


def documents(**columns: list[Any]) -> list[dict[str, Any]]:
    return [
        {"text": text, **{name: values[number] for name, values in columns.items()}}
        for number, text in enumerate(TEXTS)
    ]


def test_find_layout_takes_lists_of_few_names_for_labels() -> None:
    layout = find_layout(documents(topics=TOPICS, region=["north", "south"] * 20), Choices())
    assert layout.heads == ("labels",)
    assert (layout.format.fields.labels, layout.format.label_separator) == ("topics", None)
    assert (layout.used["topics"], layout.roles.slices) == ("labels", ("region",))


def test_find_layout_prefers_several_labels_to_a_tool_that_writes_lists_of_names_too() -> None:
    assert find_layout(documents(labels=TOPICS), Choices()).format.fields.labels == "labels"
    single = [topics[:1] for topics in TOPICS]
    assert find_layout(documents(labels=single), Choices()).format.format == "doccano"


@pytest.mark.parametrize("name", ["__label__", "topic"])
@pytest.mark.parametrize("empty", [[], None])
def test_find_layout_takes_lists_of_one_and_of_none_for_a_class(name: str, empty: list[str] | None) -> None:
    lists = [["bank"], ["match"], ["storm"]] * 13
    layout = find_layout(documents(**{name: [*lists, empty]}), Choices(text="text"))
    assert (layout.heads, layout.format.no_label) == (("sentence",), [""])
    # Without a row of none, there is nothing to leave out.
    assert find_layout(documents(**{name: [*lists, ["bank"]]}), Choices(text="text")).format.no_label == []
    # One row with two makes them labels, as does a single name that applies or does not.
    assert find_layout(documents(**{name: [*lists, ["bank", "match"]]}), Choices()).heads == ("labels",)
    assert find_layout(documents(mark=[["spam"], []] * 20), Choices()).heads == ("labels",)


def test_find_layout_prefers_a_named_class_to_lists_of_one() -> None:
    layout = find_layout(documents(flags=[["a"], [], ["b"], []] * 10, label=["good", "bad"] * 20), Choices())
    assert (layout.heads, layout.format.fields.label, layout.format.no_label) == (("sentence",), "label", [])


def test_find_layout_takes_three_columns_of_0_and_1_for_labels() -> None:
    names = ("money", "sport", "weather")
    columns = {name: [int(name in topics) for topics in TOPICS] for name in names}
    layout = find_layout(documents(**columns), Choices())
    assert (layout.heads, layout.format.fields.labels) == (("labels",), list(names))
    # A class that the user names stands alone.
    assert find_layout(documents(**columns), Choices(label="money")).heads == ("sentence",)


@pytest.mark.parametrize("separator", [";", "|", ","])
def test_find_layout_finds_what_stands_between_labels(separator: str) -> None:
    layout = find_layout(documents(tags=[separator.join(topics) for topics in TOPICS]), Choices())
    assert (layout.heads, layout.format.label_separator) == (("labels",), separator)


def test_find_layout_takes_cells_with_one_name_each_for_a_class() -> None:
    layout = find_layout(documents(tags=[(topics or ["none"])[0] for topics in TOPICS]), Choices(label="tags"))
    assert (layout.heads, layout.format.fields.labels) == (("sentence",), None)


def test_find_layout_reads_the_labels_that_the_user_names() -> None:
    rows = documents(marks=[";".join(topics) for topics in TOPICS], a=[0, 1] * 20, b=[1, 0] * 20)
    assert find_layout(rows, Choices(labels="marks", label="none")).format.label_separator == ";"
    assert find_layout(rows, Choices(labels="a, b", label="none")).format.fields.labels == ["a", "b"]
    with pytest.raises(AssayError, match="--labels other: no document has this field"):
        find_layout(rows, Choices(labels="other"))
    with pytest.raises(AssayError, match="marks holds neither lists nor 0 and 1"):
        find_layout(rows, Choices(labels="a,marks"))


def test_find_layout_reads_the_cells_of_doccano_tables() -> None:
    cells = documents(label=["#".join(topics or ["none"]) for topics in TOPICS])
    layout = find_layout(cells, Choices())
    assert (layout.heads, layout.format.fields.labels, layout.format.label_separator) == (("labels",), "label", "#")
    assert find_layout(cells, Choices(labels="label")).format == layout.format
    # A name that ends with the separator is one.
    languages = find_layout(documents(label=["C#", "Java", "F#", "C"] * 10), Choices())
    assert (languages.heads, languages.format.fields.label) == (("sentence",), "label")


@pytest.mark.parametrize("write", [str, json.dumps])
def test_find_layout_reads_cells_with_lists(write: Callable[[list[str]], str]) -> None:
    cells = documents(topics=[write(topics) for topics in TOPICS])
    for choices in (Choices(), Choices(labels="topics")):
        layout = find_layout(cells, choices)
        assert (layout.format.fields.labels, layout.format.label_separator) == ("topics", None)
