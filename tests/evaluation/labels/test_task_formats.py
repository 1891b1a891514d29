"""Tasks in the format of every tool, and what a person does with them, read back."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.annotators.decisions import REVIEW, REVIEWED, UNSURE
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import Overlay, added_id
from assay.corpus.returned_labels import ReturnedLabels, match_rows, read_documents, tool_of
from assay.corpus.returned_parts import ReadingRules
from assay.evaluation.labels.label_issue import LabelTask
from assay.evaluation.labels.task_formats import TASK_FORMATS, LabelNames, TaskFormat, write_tasks

MODEL = "models:/news/3"
NAMES = LabelNames(classes=["bad", "good"], entity_types=["LOC", "ORG"])
TEXT = "😀 Globex buys land in Rome"
GIVEN, PROPOSED = (Entity(2, 8, "ORG"),), (Entity(2, 8, "ORG"), Entity(22, 26, "LOC"))
ROW = Example("r1", TEXT, label="bad", entities=GIVEN)
RULES = ReadingRules(heads=("sentence", "tokens"), classes={"good", "bad"}, entity_types={"ORG", "LOC"}, author="ben")
Read = list[Any]


def task(**changes: Any) -> LabelTask:
    fields: dict[str, Any] = {
        "id": "r1",
        "split": "test",
        "text": TEXT,
        "text_pair": None,
        "label": "bad",
        "entities": GIVEN,
        "proposed_label": "good",
        "proposed_entities": PROPOSED,
        "score": 0.9,
        "reason": "wrong class",
        **changes,
    }
    return LabelTask(**fields)


def written(folder: Path, task_format: TaskFormat, *tasks: LabelTask) -> Path:
    path = folder / {"csv": "tasks.csv", "doccano": "t.jsonl", "prodigy": "t.jsonl"}.get(task_format, "tasks.json")
    write_tasks(tasks, path, task_format, NAMES, MODEL)
    return path


def annotated(task_format: str, content: str) -> str:
    """Return what a tool exports after a person has accepted every proposal."""
    if task_format == "csv":
        rows = list(csv.DictReader(io.StringIO(content)))
        for row in rows:
            for name in [name for name in row if name.startswith("proposed_")]:
                row[name.replace("proposed", "new")] = row[name]
        file = io.StringIO()
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
        return file.getvalue()
    if task_format in ("label-studio", "argilla"):
        return json.dumps([ACCEPT[task_format](record) for record in json.loads(content)])
    return "".join(json.dumps(ACCEPT[task_format](json.loads(line))) + "\n" for line in content.splitlines())


def accept_in_label_studio(record: Mapping[str, Any]) -> dict[str, Any]:
    annotation = {"completed_by": {"email": "anna@example.org"}, "updated_at": "2026-11-20T10:00:00Z"}
    return {"id": 7, **record, "annotations": [{**annotation, "result": record["predictions"][0]["result"]}]}


def accept_in_argilla(record: Mapping[str, Any]) -> dict[str, Any]:
    responses = {name: [{"value": one["value"], "user_id": "anna"}] for name, one in record["suggestions"].items()}
    reviewed = {} if "label" in responses else {REVIEW: [{"value": REVIEWED, "user_id": "anna"}]}
    return {**record, "status": "completed", "responses": {**responses, **reviewed}}


def accept_in_doccano(record: Mapping[str, Any]) -> dict[str, Any]:
    if "label" in record:
        names = record["proposal"].split(", ") if record["proposal"] != "no label" else []
        return {"id": 7, **record, "label": names}
    return {"id": 7, **record, "entities": [[2, 8, "ORG"], [22, 26, "LOC"]], "cats": ["good"]}


def accept_in_prodigy(record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "answer": "accept", "_annotator_id": "anna", "_timestamp": 1763632800}


ACCEPT: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "label-studio": accept_in_label_studio,
    "argilla": accept_in_argilla,
    "doccano": accept_in_doccano,
    "prodigy": accept_in_prodigy,
}


def read_back(path: Path, *rows: Example, overlay: Overlay | None = None, **rules: Any) -> ReturnedLabels:
    documents = read_documents(str(path))
    chosen = replace(RULES, **rules)
    known = {row.id: row for row in rows}
    return match_rows(documents, tool_of(documents, str(path)), known, overlay or Overlay([]), chosen, path)


@pytest.mark.parametrize("task_format", TASK_FORMATS)
def test_accepted_proposals_come_back_as_corrections(tmp_path: Path, task_format: TaskFormat) -> None:
    path = written(tmp_path, task_format, task())
    path.write_text(annotated(task_format, path.read_text(encoding="utf-8")), encoding="utf-8")

    returned = read_back(path, ROW)

    assert returned.rejected == []
    (correction,) = returned.corrections
    assert (correction.id, correction.decision) == ("r1", "corrected")
    assert (correction.label, correction.entities) == ("good", PROPOSED)
    assert correction.author == {"csv": "ben", "doccano": "ben", "label-studio": "anna@example.org"}.get(
        task_format, "anna"
    )
    if task_format in ("label-studio", "prodigy"):
        assert correction.at.isoformat() == "2025-11-20T10:00:00+00:00".replace(
            "2025", "2026" if task_format == "label-studio" else "2025"
        )


@pytest.mark.parametrize("task_format", TASK_FORMATS)
def test_tasks_that_nobody_has_decided_change_nothing(tmp_path: Path, task_format: TaskFormat) -> None:
    path = written(tmp_path, task_format, task())
    if task_format == "label-studio":  # an export has the list, too
        (record,) = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([{**record, "annotations": []}]), encoding="utf-8")
    if task_format == "prodigy":
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**record, "answer": "ignore"}), encoding="utf-8")

    returned = read_back(path, ROW)

    assert (returned.corrections, returned.rejected, returned.undecided) == ([], [], 1)


def test_an_untouched_document_of_doccano_takes_no_correction_back(tmp_path: Path) -> None:
    # Given a document for doccano, whose row somebody has corrected elsewhere since it was written,
    path = written(tmp_path, "doccano", task())
    since = replace(ROW, label="good", entities=PROPOSED)
    assert (read_back(path, since).corrections, read_back(path, since).undecided) == ([], 1)
    # Then it counts only if somebody changes it, also where doccano has put what it was sent with elsewhere.
    record = json.loads(path.read_text(encoding="utf-8"))
    facts = {name: record.pop(name) for name in ("row_id", "labels_digest")}
    path.write_text(json.dumps({**record, "meta": facts}), encoding="utf-8")
    assert read_back(path, since).corrections == []
    path.write_text(json.dumps({**record, "entities": [[2, 8, "LOC"]], "meta": facts}), encoding="utf-8")
    (correction,) = read_back(path, since).corrections
    assert (correction.label, correction.entities) == ("bad", (Entity(2, 8, "LOC"),))


def test_labels_that_were_left_are_confirmed_and_keep_earlier_corrections(tmp_path: Path) -> None:
    path = written(tmp_path, "prodigy", task(proposed_label="bad", proposed_entities=GIVEN))
    path.write_text(annotated("prodigy", path.read_text(encoding="utf-8")), encoding="utf-8")
    (confirmed,) = read_back(path, ROW).corrections
    assert (confirmed.decision, confirmed.label, confirmed.entities) == ("confirmed", None, None)

    # Given an earlier correction by another person, confirming the row keeps it,
    earlier = confirmed.model_copy(update={"decision": "corrected", "label": "bad", "author": "carl"})
    (again,) = read_back(path, ROW, overlay=Overlay([earlier])).corrections
    assert (again.decision, again.label) == ("corrected", "bad")
    assert Overlay([earlier, again]).digest == Overlay([earlier]).digest
    # and the same person deciding the same again adds nothing.
    assert read_back(path, ROW, overlay=Overlay([again])).corrections == []


@pytest.mark.parametrize(
    ("changes", "rules", "reason"),
    [
        ({"id": "nobody"}, {}, "there is no such row"),
        ({"text": "another text"}, {}, "text is not that of the row"),
        ({"proposed_label": "great"}, {}, "label is no class of the recipe (--new-labels accepts it): great"),
        ({"proposed_entities": (Entity(2, 8, "PER"),)}, {}, "entity type is none of the recipe"),
        ({"proposed_entities": (Entity(2, 8, "ORG"), Entity(4, 9, "ORG"))}, {}, "entities overlap"),
        ({"proposed_entities": (Entity(2, 80, "ORG"),)}, {}, "entity"),
        ({}, {"id_field": "article"}, "article is missing"),
    ],
)
def test_rows_that_cannot_be_used_have_a_reason(
    tmp_path: Path, changes: dict[str, Any], rules: dict[str, Any], reason: str
) -> None:
    if "text" in changes:
        changes = {**changes, "proposed_entities": ()}
    path = written(tmp_path, "prodigy", task(**changes))
    path.write_text(annotated("prodigy", path.read_text(encoding="utf-8")), encoding="utf-8")
    returned = read_back(path, ROW, **rules)
    assert returned.corrections == []
    assert reason in returned.rejected[0][1]


FORMULAS = [
    "=HYPERLINK(A1)",
    "+1 for it",
    "-5",
    "@anna",
    "\tindented",
    "\rold Mac",
    "'=quoted",
    "''-twice",
    "'plain",
    "=a, b",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_table_holds_no_formula_and_its_texts_come_back(tmp_path: Path, text: str) -> None:
    row = Example(text, text, label="bad", text_pair=text)
    path = written(
        tmp_path, "csv", task(id=text, text=text, text_pair=text, proposed_label=text, proposed_entities=None)
    )

    with path.open(encoding="utf-8", newline="") as file:
        cells = [cell for record in csv.reader(file) for cell in record]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    filled = annotated("csv", path.read_bytes().decode())
    path.write_bytes(filled.encode())  # the accepted class is a copy of a cell that may have an apostrophe
    returned = read_back(path, row, classes={"bad", text}, heads=("sentence",))

    assert returned.rejected == []
    (correction,) = returned.corrections
    assert (correction.id, correction.label) == (text, text)


def test_new_labels_are_accepted_on_request(tmp_path: Path) -> None:
    path = written(tmp_path, "csv", task(proposed_label="great"))
    path.write_text(annotated("csv", path.read_text(encoding="utf-8")), encoding="utf-8")
    (correction,) = read_back(path, ROW, classes=None).corrections
    assert correction.label == "great"


def test_labels_of_suggested_rows_become_rows(tmp_path: Path) -> None:
    name = added_id(TEXT)
    path = written(tmp_path, "label-studio", task(id=name, label=None, entities=None))
    path.write_text(annotated("label-studio", path.read_text(encoding="utf-8")), encoding="utf-8")
    (added,) = read_back(path).corrections
    assert (added.id, added.decision, added.label, added.entities) == (name, "added", "good", PROPOSED)
    assert added.added is not None
    assert added.added.text == TEXT


def test_a_table_may_correct_one_part_alone(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    path.write_text(f"row_id,text,new_label,new_entities\nr1,{TEXT},good,\nr2,{TEXT},,\"[[2, 8, 'ORG']]\"\n")
    returned = read_back(path, ROW)
    assert [(one.label, one.entities) for one in returned.corrections] == [("good", None)]
    assert "new_entities is not a list like" in returned.rejected[0][1]


def test_label_studio_counts_offsets_as_a_browser_and_gets_an_interface(tmp_path: Path) -> None:
    path = written(tmp_path, "label-studio", task())
    (record,) = json.loads(path.read_text(encoding="utf-8"))
    spans = [one["value"] for one in record["predictions"][0]["result"] if one["type"] == "labels"]
    assert [(span["start"], span["end"], span["text"]) for span in spans] == [(3, 9, "Globex"), (23, 27, "Rome")]
    interface = (tmp_path / "tasks-interface.xml").read_text(encoding="utf-8")
    assert '<Choice value="good"/>' in interface
    assert '<Label value="ORG"/>' in interface


TOPICS = LabelNames(classes=[], entity_types=[], row_labels=["money", "sport", "weather"])
TOPIC_ROW = Example("r1", TEXT, labels=("weather",))
TOPIC_RULES: dict[str, Any] = {"heads": ("labels",), "row_labels": set(TOPICS.row_labels)}


def topic_task(*proposed: str, **changes: Any) -> LabelTask:
    of_topics = {"label": None, "entities": None, "proposed_label": None, "proposed_entities": None}
    return task(**{**of_topics, "labels": ("weather",), "proposed_labels": proposed, **changes})


def write_topics(folder: Path, task_format: TaskFormat, *tasks: LabelTask, accepted: bool) -> Path:
    path = folder / {"csv": "tasks.csv", "doccano": "t.jsonl", "prodigy": "t.jsonl"}.get(task_format, "tasks.json")
    write_tasks(tasks, path, task_format, TOPICS, MODEL)
    if accepted:
        path.write_text(annotated(task_format, path.read_text(encoding="utf-8")), encoding="utf-8")
    return path


@pytest.mark.parametrize("proposed", [("money", "sport"), ("sport",), ()])
@pytest.mark.parametrize("task_format", TASK_FORMATS)
def test_accepted_sets_of_labels_come_back_as_corrections(
    tmp_path: Path, task_format: TaskFormat, proposed: tuple[str, ...]
) -> None:
    path = write_topics(tmp_path, task_format, topic_task(*proposed), accepted=True)

    returned = read_back(path, TOPIC_ROW, **TOPIC_RULES)

    assert returned.rejected == []
    (correction,) = returned.corrections
    assert (correction.id, correction.decision, correction.labels) == ("r1", "corrected", proposed)


@pytest.mark.parametrize("task_format", TASK_FORMATS)
def test_sets_of_labels_that_are_left_change_nothing(tmp_path: Path, task_format: TaskFormat) -> None:
    path = write_topics(tmp_path, task_format, topic_task("weather"), accepted=True)

    returned = read_back(path, TOPIC_ROW, **TOPIC_RULES)

    assert [(one.decision, one.labels) for one in returned.corrections] == (
        [] if task_format == "doccano" else [("confirmed", None)]
    )
    assert returned.rejected == []


@pytest.mark.parametrize("task_format", ["doccano", "csv", "argilla"])
def test_suggested_rows_that_nobody_has_labelled_are_not_added(tmp_path: Path, task_format: TaskFormat) -> None:
    new = topic_task("sport", id=added_id(TEXT), labels=None)
    path = write_topics(tmp_path, task_format, new, accepted=False)

    returned = read_back(path, **TOPIC_RULES)

    assert (returned.corrections, returned.rejected, returned.undecided) == ([], [], 1)


@pytest.mark.parametrize("task_format", TASK_FORMATS)
def test_sets_of_labels_of_suggested_rows_become_rows(tmp_path: Path, task_format: TaskFormat) -> None:
    new = topic_task("money", "sport", id=added_id(TEXT), labels=None)
    path = write_topics(tmp_path, task_format, new, accepted=True)

    (added,) = read_back(path, **TOPIC_RULES).corrections

    assert (added.decision, added.labels, added.added and added.added.text) == ("added", ("money", "sport"), TEXT)


def test_a_record_that_somebody_is_unsure_of_is_undecided(tmp_path: Path) -> None:
    path = write_topics(tmp_path, "argilla", topic_task("sport"), accepted=True)
    (record,) = json.loads(path.read_text(encoding="utf-8"))
    record["responses"][REVIEW][0]["value"] = UNSURE
    path.write_text(json.dumps([record]), encoding="utf-8")

    returned = read_back(path, TOPIC_ROW, **TOPIC_RULES)

    assert (returned.corrections, returned.undecided) == ([], 1)


def test_labels_that_no_row_has_are_accepted_on_request(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    path.write_text(f"row_id,text,new_labels\nr1,{TEXT},sport; politics\n", encoding="utf-8")

    reason = "label is none of the recipe (--new-labels accepts it): politics"
    assert read_back(path, TOPIC_ROW, **TOPIC_RULES).rejected == [("r1", reason)]
    (correction,) = read_back(path, TOPIC_ROW, **{**TOPIC_RULES, "row_labels": None}).corrections
    assert correction.labels == ("politics", "sport")


BOTH = LabelNames(classes=["bad", "good"], entity_types=[], row_labels=["money", "sport"])


@pytest.mark.parametrize("task_format", ["label-studio", "argilla", "csv"])
def test_a_class_and_several_labels_come_back_apart(tmp_path: Path, task_format: TaskFormat) -> None:
    path = tmp_path / ("tasks.csv" if task_format == "csv" else "tasks.json")
    row = Example("r1", TEXT, label="bad", labels=("sport",))
    both = topic_task("money", "sport", label="bad", proposed_label="good", labels=("sport",))
    write_tasks([both], path, task_format, BOTH, MODEL)
    path.write_text(annotated(task_format, path.read_text(encoding="utf-8")), encoding="utf-8")

    (correction,) = read_back(path, row, heads=("sentence", "labels"), row_labels={"money", "sport"}).corrections

    assert (correction.label, correction.labels) == ("good", ("money", "sport"))


@pytest.mark.parametrize("task_format", ["doccano", "prodigy"])
def test_tools_with_one_list_of_classes_take_no_class_beside_labels(tmp_path: Path, task_format: TaskFormat) -> None:
    path = tmp_path / "tasks.jsonl"
    with pytest.raises(AssayError, match=f"--format {task_format}: it keeps one list of classes per text, and models:"):
        write_tasks([topic_task("sport")], path, task_format, BOTH, MODEL)
    assert not path.exists()


def test_tools_are_asked_for_any_number_of_labels(tmp_path: Path) -> None:
    write_topics(tmp_path, "label-studio", topic_task("sport"), accepted=False)
    interface = (tmp_path / "tasks-interface.xml").read_text(encoding="utf-8")
    assert '<Choices name="labels" toName="text" choice="multiple">' in interface
    path = write_topics(tmp_path, "prodigy", topic_task("sport"), accepted=False)
    example = json.loads(path.read_text(encoding="utf-8"))
    assert (example["accept"], example["config"]) == (["sport"], {"choice_style": "multiple"})
    assert [option["id"] for option in example["options"]] == TOPICS.row_labels


def test_a_project_of_the_recipes_own_tool_is_read_as_its_source(tmp_path: Path) -> None:
    # Given a project with two controls, that the recipe itself reads,
    path = tmp_path / "export.json"
    choices = [
        {"type": "choices", "from_name": name, "to_name": "text", "value": {"choices": chosen}}
        for name, chosen in (("tone", ["good"]), ("mood", ["calm"]))
    ]
    record = {"id": 1, "data": {"article": TEXT, "key": "r1"}, "annotations": [{"result": choices}]}
    path.write_text(json.dumps([record]), encoding="utf-8")
    source = DocumentFormat.model_validate(
        {"format": "label_studio", "fields": {"text": "article", "label": "tone", "id": "data.key"}}
    )
    row = Example("r1", TEXT, label="bad")
    # then a corrected export of it is read by the same fields.
    (correction,) = read_back(path, row, heads=("sentence",), source=source, id_field="key").corrections
    assert correction.label == "good"
