from collections.abc import Iterable
from typing import Any

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import Document
from assay.expectations.offset_unit import OffsetUnitCheck
from assay.expectations.validation_report import CheckResult
from tests.expectations.conftest import MakeRecipe

PEOPLE = ("Anna", "Zoë", "Jürgen", "Bo Li", "Åsa")
ENCODINGS = {"characters": ("utf-32-le", 4), "utf16": ("utf-16-le", 2), "bytes": ("utf-8", 1)}
EMOJI, ACCENTS = "Great 😀 news for {} today", "Später für {} Grüße"


def document(number: int, template: str, unit: str, name: str | None = None) -> dict[str, Any]:
    """A row whose entity is the name of a person, with offsets that count the unit."""
    name = name or PEOPLE[number % len(PEOPLE)]
    text = template.format(name)
    encoding, width = ENCODINGS[unit]
    start = len(text[: text.index(name)].encode(encoding)) // width
    end = start + len(name.encode(encoding)) // width
    return {"id": f"r{number}", "text": text, "entities": [{"start": start, "end": end, "label": "PER"}]}


def check(make_recipe: MakeRecipe, documents: Iterable[dict[str, Any]], **entity: Any) -> list[CheckResult]:
    """Read the documents as the recipe says and look at the rows."""
    source = {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": {"id": "id", "entities": "entities"}}
    recipe = make_recipe(("tokens",), source={**source, "entity": entity})
    reader = DocumentReader(recipe.source, needs_label=False, needs_entities=True)
    units = OffsetUnitCheck(recipe)
    for values in documents:
        for example in reader.read(Document("", values))[0]:
            units.add(example)
    return units.results()


@pytest.mark.parametrize(
    ("unit", "template", "why"),
    [
        (
            "utf16",
            EMOJI,
            "entities cut a word in 5 of 5 rows with emoji or other characters that UTF-16 counts twice before an "
            "entity, and in none of them if offsets count units of UTF-16: set source.entity.offset_unit to utf16",
        ),
        (
            "bytes",
            ACCENTS,
            "entities cut a word in 5 of 5 rows with characters beyond ASCII before an entity, and in none of them if "
            "offsets count bytes of UTF-8: set source.entity.offset_unit to bytes",
        ),
    ],
)
def test_offsets_of_another_unit_in_a_few_rows_are_a_warning_with_the_key(
    make_recipe: MakeRecipe, unit: str, template: str, why: str
) -> None:
    documents = [document(number, "No news for {} today", unit, "Anna") for number in range(100)]
    documents += [document(number, template, unit) for number in range(100, 105)]

    [result] = check(make_recipe, documents)

    assert (result.severity, result.passed, result.invalid_count) == ("warning", False, 5)
    assert result.why.startswith(why)
    assert result.invalid_ids[0] == "r100"


@pytest.mark.parametrize("template", [EMOJI, ACCENTS, "😀 {0}, 😀😀 {0}!", "𝔸 «{0}» 𝔸 {0}"])
def test_offsets_in_characters_are_no_warning(make_recipe: MakeRecipe, template: str) -> None:
    documents = [document(number, template, "characters") for number in range(20)]

    assert check(make_recipe, documents) == []


def test_entities_that_are_parts_of_words_are_no_warning_if_other_units_fit_no_better(make_recipe: MakeRecipe) -> None:
    text = "😀 Die Postbank und die Sparkasse"
    parts = [(6, 10), (10, 14), (23, 27), (28, 33)]
    documents = [
        {"id": f"r{start}", "text": text, "entities": [{"start": start, "end": end, "label": "PART"}]}
        for start, end in parts
    ]

    assert check(make_recipe, documents) == []


def test_a_few_parts_of_words_do_not_hide_the_unit(make_recipe: MakeRecipe) -> None:
    documents = [document(number, EMOJI, "utf16") for number in range(30)]
    documents.append(document(30, EMOJI.replace("{}", "{}sen"), "utf16"))

    [result] = check(make_recipe, documents)

    assert "and in 1 if offsets count units of UTF-16" in result.why


def test_a_unit_that_the_recipe_sets_is_not_questioned(make_recipe: MakeRecipe) -> None:
    documents = [document(number, EMOJI, "utf16") for number in range(5)]

    assert check(make_recipe, documents, offset_unit="characters") == []
    assert check(make_recipe, documents, offset_unit="utf16") == []
