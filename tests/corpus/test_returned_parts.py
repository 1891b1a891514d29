from typing import Any

import pytest

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow
from assay.corpus.documents.fields import DocumentFormat, EntityFields, Fields
from assay.corpus.documents.values import MISSING
from assay.corpus.entity import Entity
from assay.corpus.returned_parts import NO_LABEL, Parts, ReadingRules, Said, read_parts, text_pair_of

SOURCE = DocumentFormat(
    format="label_studio", fold_labels=True, label_map={"1": "good", "0": "bad"}, no_label=["unlabelled"]
)
RULES = ReadingRules(heads=["sentence"], classes={"good", "bad"}, source=SOURCE)
OF_TASK: dict[str, Any] = {"data": {"row_id": "r1"}}


def parts_of(row: AnnotatedRow, values: Any, tool: str, rules: ReadingRules) -> Parts:
    return read_parts(row, "Acme grew", values, tool, rules).parts


def label_of(value: Any, rules: ReadingRules = RULES, values: Any = OF_TASK, tool: str = "csv") -> str | None:
    return parts_of(AnnotatedRow("Acme grew", value), values, tool, rules).label


@pytest.mark.parametrize(("value", "name"), [("good", "good"), ("Good ", "good"), ("1", "good"), (0, "bad")])
def test_read_parts_names_labels_as_the_recipe_does(value: Any, name: str) -> None:
    assert label_of(value) == name


def test_read_parts_renames_what_the_project_of_the_source_holds_and_nothing_that_a_task_holds() -> None:
    swapped = ReadingRules(
        heads=["sentence"],
        classes={"good", "bad"},
        source=DocumentFormat(format="label_studio", label_map={"good": "bad", "bad": "good"}),
    )
    assert label_of("good", swapped, {"data": {"text": "Acme grew"}}, "label_studio") == "bad"
    assert label_of("good", swapped, OF_TASK, "label_studio") == "good"


def test_read_parts_tells_a_label_that_means_none_from_no_decision() -> None:
    row = AnnotatedRow("Acme grew", "Unlabelled")
    said = read_parts(row, "Acme grew", OF_TASK, "csv", RULES)
    assert (said, said.parts) == (Said(label=NO_LABEL), Parts())
    assert read_parts(AnnotatedRow("Acme grew", MISSING), "Acme grew", OF_TASK, "csv", RULES) == Said()


def test_read_parts_keeps_the_labels_of_a_row_whose_class_means_none() -> None:
    rules = ReadingRules(heads=["sentence", "labels"], source=SOURCE)
    row = AnnotatedRow("Acme grew", "unlabelled", labels=["money"])
    assert parts_of(row, OF_TASK, "csv", rules) == Parts(labels=("money",))


def test_read_parts_folds_labels_that_are_new() -> None:
    assert label_of("Mixed", ReadingRules(heads=["sentence"], source=SOURCE)) == "mixed"


def test_read_parts_names_each_of_several_labels_as_the_recipe_does() -> None:
    rules = ReadingRules(heads=["labels"], row_labels={"good", "bad"}, source=SOURCE)
    row = AnnotatedRow("Acme grew", labels=["Bad", "1"])
    assert parts_of(row, OF_TASK, "csv", rules).labels == ("bad", "good")


def test_read_parts_counts_offsets_as_the_source_does_in_its_own_project() -> None:
    source = DocumentFormat(format="label_studio", entity=EntityFields(end_inclusive=True))
    rules = ReadingRules(heads=["tokens"], entity_types={"ORG"}, source=source)
    row = AnnotatedRow("Acme grew", entities=[{"start": 0, "end": 3, "label": "ORG"}])
    own = parts_of(row, {"data": {"text": "Acme grew"}}, "label_studio", rules)
    assert own.entities == (Entity(0, 4, "ORG"),)
    assert parts_of(row, OF_TASK, "label_studio", rules).entities == (Entity(0, 3, "ORG"),)


def test_text_pair_of_is_read_where_the_source_keeps_it() -> None:
    source = DocumentFormat(format="label_studio", fields=Fields(text_pair="data.question"))
    rules = ReadingRules(heads=["sentence"], source=source)
    assert text_pair_of({"data": {"question": "why?"}}, "label_studio", rules) == "why?"
    assert text_pair_of({"data": {"row_id": "r1", "text_pair": "how?"}}, "label_studio", rules) == "how?"
    stored = {"task": {"data": {"row_id": "r1", "text_pair": "when?"}}, "result": []}
    assert text_pair_of(stored, "label_studio", rules) == "when?"
    assert text_pair_of({"row_id": "r1"}, "csv", rules) is None
