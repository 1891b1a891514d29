"""The same label of a person ends as the same class wherever it comes in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.corrected_rows import CorrectedRows
from assay.corpus.documents.chunk import Counts, DocumentChunk
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Example, Head, arrow_schema, from_batch, to_batch
from assay.corpus.overlay import Overlay
from assay.corpus.returned_labels import match_rows, read_documents, tool_of
from assay.corpus.returned_parts import ReadingRules
from assay.evaluation.drift.logged_rows import read_labels
from assay.recipes.recipe import Recipe
from tests.corpus.test_corrected_rows import correction
from tests.snapshots import recipe_values

ROW = Example("r1", "a fine text", label="other", labels=("other",))
CLASS, LABELS = "label", "labels"
HEAD: dict[str, Head] = {CLASS: "sentence", LABELS: "labels"}
LEFT = {CLASS: "other", LABELS: ("other",)}  # where a correction leaves the label of the row
Entrance = Callable[[Recipe, str, Any, Path], Any]


def recipe(part: str) -> Recipe:
    source = {
        "kind": "files",
        "paths": {"rows.jsonl": "all"},
        "fields": {"id": "id", part: part},
        "label_map": {"1": "up", "very good": "good"},
        "fold_labels": True,
        "no_label": ["Not Sure", "-1"],
    }
    return Recipe.model_validate(recipe_values(source=source))


def of_source(recipe: Recipe, part: str, value: Any, folder: Path) -> Any:
    """Return what an extraction, `assay validate` and a window of monitoring read."""
    reader = DocumentReader(recipe.source, needs_label=part == CLASS, needs_labels=part == LABELS, needs_entities=False)
    rows, rejects = reader.read(Document("1", {"id": ROW.id, "text": ROW.text, part: value}))
    assert not rejects
    return getattr(rows[0], part) if rows else None


def of_late_labels(recipe: Recipe, part: str, value: Any, folder: Path) -> Any:
    """Return what `assay monitor --labels` reads."""
    path = folder / "labels.jsonl"
    path.write_text(json.dumps({"id": ROW.id, part: value}) + "\n")
    return getattr(read_labels(path, recipe)[ROW.id], part)


def of_applied_labels(recipe: Recipe, part: str, value: Any, folder: Path) -> Any:
    """Return what `assay labels apply` reads."""
    path = folder / "done.jsonl"
    path.write_text(json.dumps({"row_id": ROW.id, "text": ROW.text, f"new_{part}": value, "author": "anna"}) + "\n")
    documents, rules = read_documents(str(path)), ReadingRules([HEAD[part]], source=recipe.source)
    returned = match_rows(documents, tool_of(documents, str(path)), {ROW.id: ROW}, Overlay([]), rules, path)
    assert not returned.rejected
    return getattr(returned.corrections[0], part) if returned.corrections else None


def of_overlay(recipe: Recipe, part: str, value: Any, folder: Path) -> Any:
    """Return what an extraction makes of a correction from before the recipe named its labels so."""
    written = tuple(map(str, value)) if part == LABELS else str(value)
    values = LabelValues(recipe.source, renamed=True)
    rows = CorrectedRows(Overlay([correction(ROW, **{part: written})]), [HEAD[part]], values)
    chunk = DocumentChunk(to_batch([ROW], arrow_schema()), [], Counts())
    [row] = from_batch(rows.correct(chunk).batch)
    found = getattr(row, part)
    return None if found == LEFT[part] else found


@pytest.mark.parametrize("entrance", [of_source, of_late_labels, of_applied_labels, of_overlay])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Good ", "good"),
        (" Very  Good", "good"),
        ("1", "up"),
        (1, "up"),
        ("2", "2"),
        ("not  SURE", None),
        (-1, None),
    ],
)
@pytest.mark.parametrize("part", [CLASS, LABELS])
def test_a_label_ends_as_the_same_class_in_every_entrance(
    tmp_path: Path, part: str, value: Any, name: str | None, entrance: Entrance
) -> None:
    written, expected = ([value], name and (name,)) if part == LABELS else (value, name)
    assert entrance(recipe(part), part, written, tmp_path) == expected


@pytest.mark.parametrize(
    ("entrance", "name"),
    [(of_source, "down"), (of_late_labels, "up"), (of_applied_labels, "up"), (of_overlay, "up")],
)
def test_a_name_that_people_chose_among_the_new_names_is_not_renamed_again(
    tmp_path: Path, entrance: Entrance, name: str
) -> None:
    source = recipe(CLASS).source.model_copy(update={"label_map": {"up": "down", "down": "up"}})
    assert entrance(recipe(CLASS).model_copy(update={"source": source}), CLASS, "up", tmp_path) == name


def test_labels_apply_renames_those_of_a_project_that_the_recipe_itself_reads(tmp_path: Path) -> None:
    source = recipe(CLASS).source.model_copy(update={"label_map": {"up": "down", "down": "up"}, "format": "doccano"})
    path, rules = tmp_path / "admin.jsonl", ReadingRules(["sentence"], source=source, id_field="id")
    path.write_text(json.dumps({"id": ROW.id, "text": ROW.text, "label": ["up"]}) + "\n")
    returned = match_rows(read_documents(str(path)), "doccano", {ROW.id: ROW}, Overlay([]), rules, path)
    assert [one.label for one in returned.corrections] == ["down"]


def test_a_new_name_that_people_chose_is_a_label_though_the_source_writes_it_for_none(tmp_path: Path) -> None:
    source = recipe(CLASS).source.model_copy(update={"label_map": {"0": "none"}, "no_label": ["none"]})
    changed = recipe(CLASS).model_copy(update={"source": source})
    assert of_source(changed, CLASS, "none", tmp_path) is None
    for entrance in (of_late_labels, of_applied_labels, of_overlay):
        assert entrance(changed, CLASS, "none", tmp_path) == "none"


@pytest.mark.parametrize("entrance", [of_late_labels, of_applied_labels, of_overlay])
@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("negative", "bad"),  # as the source names it
        ("bad", "bad"),  # as the model names it, though the source means something else by it
        ("terrible", "terrible"),
        ("NEGATIVE", "bad"),
        ("fine", "fine"),  # of no name in the map
    ],
)
@pytest.mark.parametrize("part", [CLASS, LABELS])
def test_a_label_may_be_named_as_in_the_source_or_as_the_model_names_it(
    tmp_path: Path, part: str, value: str, name: str, entrance: Entrance
) -> None:
    source = recipe(part).source.model_copy(update={"label_map": {"negative": "bad", "bad": "terrible"}})
    changed = recipe(part).model_copy(update={"source": source})
    written, expected = ([value], (name,)) if part == LABELS else (value, name)
    assert entrance(changed, part, written, tmp_path) == expected


@pytest.mark.parametrize(("first", "second", "agree"), [("Good", "good ", True), ("good", "-1", False)])
def test_people_who_choose_a_label_and_none_disagree(tmp_path: Path, first: str, second: str, agree: bool) -> None:
    path = tmp_path / "export.jsonl"
    lines = [
        {"id": 7, "text": ROW.text, "label": [label], "username": user, "row_id": ROW.id}
        for label, user in ((first, "anna"), (second, "ben"))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    rules = ReadingRules(["sentence"], source=recipe(CLASS).source)
    returned = match_rows(read_documents(str(path)), "doccano", {ROW.id: ROW}, Overlay([]), rules, path)
    assert [one.label for one in returned.corrections] == (["good"] if agree else [])
    assert [reason.partition(":")[0] for _, reason in returned.rejected] == ([] if agree else ["annotators disagree"])
