import json
import pwd
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.annotators.decisions import TABLE
from assay.corpus.documents.fields import AnnotationRules, DocumentFormat, Fields
from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import Overlay, added_id
from assay.corpus.returned_labels import ReturnedLabels, match_rows, read_documents, tool_of
from assay.corpus.returned_parts import ReadingRules

ORG = Entity(0, 4, "ORG")
ROW = Example("r1", "Acme grew", label="bad", entities=(ORG,))
RULES = ReadingRules(heads=("sentence", "tokens"), classes={"good", "bad"}, entity_types={"ORG"})


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name the user, who may have no entry in the password database."""
    monkeypatch.setenv("LOGNAME", "carla")


def _table(folder: Path, *rows: dict[str, Any]) -> str:
    path = folder / "done.jsonl"
    lines = [{"row_id": "r1", "text": "Acme grew", "new_label": None, "new_entities": None, **row} for row in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def _match(path: str, *known: Example, overlay: Overlay | None = None, rules: ReadingRules = RULES) -> ReturnedLabels:
    documents = read_documents(path)
    rows = {row.id: row for row in known or (ROW,)}
    return match_rows(documents, tool_of(documents, path), rows, overlay or Overlay([]), rules, Path(path))


def test_match_rows_counts_decisions_undecided_rows_and_rejects(tmp_path: Path) -> None:
    new = "Globex fell"
    path = _table(
        tmp_path,
        {"new_label": "good", "author": "anna", "updated_at": "2026-01-02T00:00:00Z"},
        {"row_id": "r2", "new_label": "bad", "author": "anna"},
        {"row_id": "r3"},
        {"row_id": added_id(new), "text": new, "new_label": "good"},
        {"row_id": "gone", "new_label": "good"},
    )
    returned = _match(path, ROW, Example("r2", "Acme grew", label="bad"))
    assert returned.tool == "csv"
    assert returned.counts == {"corrected": 1, "confirmed": 1, "added": 1}
    assert returned.undecided == 1
    assert returned.rejected == [("gone", "there is no such row")]
    first, _, added = returned.corrections
    assert (first.id, first.label, first.entities) == ("r1", "good", None)
    assert (first.author, first.origin) == ("anna", "done.jsonl")
    assert first.at == datetime(2026, 1, 2, tzinfo=UTC)
    assert (added.author, added.added and added.added.text) == ("carla", new)


def test_match_rows_asks_for_the_author_where_the_user_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getpwuid(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", getpwuid)
    path = _table(tmp_path, {"new_label": "good"})
    with pytest.raises(AssayError, match=r"the user of this computer has no name; pass --author NAME, or set .* USER$"):
        _match(path)
    assert [one.author for one in _match(path, rules=replace(RULES, author="ben")).corrections] == ["ben"]
    monkeypatch.setenv("USER", "dora")
    assert [one.author for one in _match(path).corrections] == ["dora"]


def test_match_rows_names_the_file_of_each_decision(tmp_path: Path) -> None:
    for number, name in enumerate(("anna", "ben"), 1):
        row = {"row_id": f"r{number}", "text": ROW.text, "new_label": "good"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    known = (ROW, replace(ROW, id="r2"))
    assert [one.origin for one in _match(str(tmp_path / "*.jsonl"), *known).corrections] == ["anna", "ben"]
    assert [one.origin for one in _match(str(tmp_path / "ben.jsonl"), *known).corrections] == ["ben.jsonl"]


def test_match_rows_keeps_the_parts_that_an_earlier_correction_decided(tmp_path: Path) -> None:
    first = _match(_table(tmp_path, {"new_label": "good", "author": "anna"})).corrections
    present = Example("r1", ROW.text, label="good", entities=(ORG,))
    path = _table(tmp_path, {"new_entities": [], "author": "ben"})
    (second,) = _match(path, present, overlay=Overlay(first)).corrections
    assert (second.decision, second.label, second.entities, second.author) == ("corrected", "good", (), "ben")


@pytest.mark.parametrize(
    ("at", "older", "labels"),
    [
        ("2026-01-01T00:00:00Z", 1, []),
        ("2026-01-03T00:00:00Z", 0, ["bad"]),
        (None, 0, ["bad"]),  # a tool that gives no time: decided when it is applied
    ],
)
def test_match_rows_leaves_out_what_was_decided_before_a_known_decision(
    tmp_path: Path, at: str | None, older: int, labels: list[str]
) -> None:
    newer = {"new_label": "good", "author": "anna", "updated_at": "2026-01-02T00:00:00Z"}
    overlay = Overlay(_match(_table(tmp_path, newer)).corrections)
    present = Example("r1", ROW.text, label="good", entities=(ORG,))
    path = _table(tmp_path, {"new_label": "bad", "author": "ben", "updated_at": at})
    returned = _match(path, present, overlay=overlay)
    assert (returned.older, [one.label for one in returned.corrections]) == (older, labels)
    # the same export once more changes nothing, and is not older
    again = _match(_table(tmp_path, newer), present, overlay=overlay)
    assert (again.older, again.undecided, again.corrections) == (0, 1, [])


def test_match_rows_takes_an_older_decision_about_the_present_text(tmp_path: Path) -> None:
    # Given a newer decision about a text that the row no longer has,
    newer = {"new_label": "good", "author": "anna", "updated_at": "2026-01-02T00:00:00Z"}
    (before,) = _match(_table(tmp_path, newer)).corrections
    overlay = Overlay([before.model_copy(update={"text_digest": "of another text"})])
    path = _table(tmp_path, {"new_label": "good", "author": "ben", "updated_at": "2026-01-01T00:00:00Z"})
    returned = _match(path, overlay=overlay)
    assert (returned.older, [one.label for one in returned.corrections]) == (0, ["good"])


def test_match_rows_orders_the_decisions_of_one_file_by_time(tmp_path: Path) -> None:
    later, earlier = (
        {"new_label": label, "author": "anna", "updated_at": f"2026-01-0{day}T00:00:00Z"}
        for label, day in (("good", 2), ("bad", 1))
    )
    returned = _match(_table(tmp_path, later, earlier))
    assert ([one.label for one in returned.corrections], returned.older) == (["good"], 1)


@pytest.mark.parametrize(
    ("relations", "entities", "rejected"),
    [
        ("ignore", [(Entity(0, 4, "ORG"), Entity(5, 9, "ORG"))], []),
        ("reject", [], [("r1", "relations are not read: 1 of them")]),
    ],
)
def test_match_rows_reads_doccano_with_relations_by_the_rule_of_the_recipe(
    tmp_path: Path, relations: Any, entities: list[Any], rejected: list[Any]
) -> None:
    spans = [{"id": n, "label": "ORG", "start_offset": at, "end_offset": at + 4} for n, at in enumerate((0, 5))]
    related = [{"id": 9, "from_id": 0, "to_id": 1, "type": "of"}]
    document = {"row_id": "r1", "text": "Acme grew", "entities": spans, "relations": related}
    path = tmp_path / "admin.jsonl"
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    rules = replace(RULES, source=DocumentFormat(annotations=AnnotationRules(relations=relations)))
    returned = _match(str(path), rules=rules)
    assert returned.tool == "doccano"
    assert [one.entities for one in returned.corrections] == entities
    assert [reason for _, reason in returned.rejected] == [reason for _, reason in rejected]


def test_match_rows_refuses_a_row_whose_second_text_has_changed(tmp_path: Path) -> None:
    row = replace(ROW, text_pair="Did it fall?")
    asked = {"new_label": "good", "text_pair": "Did it grow?"}
    changed = _match(_table(tmp_path, asked), row)
    reason = "text_pair is not that of the row, which may have changed since: Did it grow?"
    assert (changed.corrections, changed.rejected) == ([], [("r1", reason)])
    # Tools may not keep the second text.
    assert len(_match(_table(tmp_path, {"new_label": "good"}), row).corrections) == 1


def test_match_rows_lets_the_last_decision_of_a_file_count(tmp_path: Path) -> None:
    # Given a row of the class bad that the records of one file call good, good again, and bad,
    def match(*labels: str) -> ReturnedLabels:
        responses = [{"label": [{"value": label, "user_id": "anna", "status": "submitted"}]} for label in labels]
        records = [{"id": "r1", "fields": {"text": ROW.text}, "responses": each} for each in responses]
        path = tmp_path / "records.json"
        path.write_text(json.dumps(records))
        return _match(str(path))

    again = match("good", "good")
    assert ([one.label for one in again.corrections], again.older) == (["good"], 0)
    back = match("good", "good", "bad")
    # then the last of them counts, which leaves the row as it is, and the others are counted.
    assert [(one.decision, one.label) for one in back.corrections] == [("confirmed", None)]
    assert (back.counts, back.older) == ({"confirmed": 1}, 2)


def _tasks(folder: Path, *tasks: list[tuple[str, int, str]], text: str = ROW.text) -> str:
    """Write tasks of Label Studio about one row, each with the annotations of people: name, day and class."""
    path = folder / "tasks.json"
    content = []
    for number, people in enumerate(tasks):
        annotations = []
        for person, day, label in people:
            value = {"choices": [label] if label else []}
            result = [{"type": "choices", "from_name": "label", "to_name": "text", "value": value}]
            at = f"2026-01-0{day}T00:00:00Z"
            annotations.append({"completed_by": {"email": person}, "updated_at": at, "result": result})
        content.append({"id": number, "data": {"row_id": "r1", "text": text}, "annotations": annotations})
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


CLASSES = replace(RULES, heads=["sentence"])


@pytest.mark.parametrize("one_task", [True, False])
def test_match_rows_compares_people_by_the_labels_that_the_recipe_reads(tmp_path: Path, one_task: bool) -> None:
    people = [("anna", 1, "good"), ("ben", 2, "Good ")]
    path = _tasks(tmp_path, *([people] if one_task else [[one] for one in people]))
    rules = replace(CLASSES, source=DocumentFormat(fold_labels=True))
    returned = _match(path, rules=rules)
    assert [(one.label, one.author, one.at.day) for one in returned.corrections] == [("good", "ben", 2)]
    assert (returned.rejected, returned.older) == ([], 0)


@pytest.mark.parametrize("one_task", [True, False])
@pytest.mark.parametrize(
    ("rule", "corrections", "rejected"),
    [
        ("reject", [], [("r1", "annotators disagree: anna says 'good', ben says 'bad'")]),
        ("first", [("good", "anna", 2)], []),
        ("latest", [("good", "anna", 2)], []),
    ],
)
def test_match_rows_settles_what_people_say_in_tasks_of_label_studio(
    tmp_path: Path, one_task: bool, rule: Any, corrections: list[Any], rejected: list[Any]
) -> None:
    people = [("anna", 2, "good"), ("ben", 1, "bad")]
    path = _tasks(tmp_path, *([people] if one_task else [[one] for one in people]))
    rules = replace(CLASSES, source=DocumentFormat(annotations=AnnotationRules(disagreement=rule)))
    returned = _match(path, rules=rules)
    assert [(one.label, one.author, one.at.day) for one in returned.corrections] == corrections
    assert returned.rejected == rejected


@pytest.mark.parametrize("one_task", [True, False])
def test_match_rows_counts_a_decision_that_a_person_has_changed(tmp_path: Path, one_task: bool) -> None:
    decisions = [("anna", 2, "good"), ("anna", 1, "bad")]
    path = _tasks(tmp_path, *([decisions] if one_task else [[one] for one in decisions]))
    returned = _match(path, rules=CLASSES)
    assert [(one.label, one.at.day) for one in returned.corrections] == [("good", 2)]
    assert (returned.older, returned.undecided, returned.rejected) == (1, 0, [])


def test_match_rows_asks_people_of_a_task_who_leave_the_class_open(tmp_path: Path) -> None:
    path = _tasks(tmp_path, [("anna", 1, "good"), ("ben", 2, "")])
    assert _match(path, rules=CLASSES).rejected == [("r1", "annotators disagree: anna says 'good', ben says nothing")]
    rules = replace(CLASSES, source=DocumentFormat(annotations=AnnotationRules(disagreement="latest")))
    assert [one.label for one in _match(path, rules=rules).corrections] == ["good"]
    assert _match(_tasks(tmp_path, [("ben", 2, "")]), rules=CLASSES).undecided == 1


def test_match_rows_reads_a_decision_about_the_present_text_beside_one_about_an_earlier_one(tmp_path: Path) -> None:
    earlier = json.loads(Path(_tasks(tmp_path, [("anna", 1, "bad")], text="Acme fell")).read_text())
    path = Path(_tasks(tmp_path, [("ben", 2, "good")]))
    path.write_text(json.dumps(earlier + json.loads(path.read_text())))
    returned = _match(str(path), rules=CLASSES)
    assert [(one.label, one.author) for one in returned.corrections] == [("good", "ben")]
    reason = "text is not that of the row, which may have changed since: Acme fell"
    assert returned.rejected == [("r1", reason)]


def test_match_rows_counts_the_lines_of_a_table_that_a_person_has_changed(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"new_label": "bad"},
        {"new_label": "good"},
        {"new_label": "good"},
        {"new_entities": []},
    ]
    returned = _match(_table(tmp_path, *({**line, "author": "anna"} for line in lines)))
    assert [(one.label, one.entities) for one in returned.corrections] == [("good", ())]
    assert (returned.older, returned.rejected) == (1, [])


def test_match_rows_joins_the_lines_of_a_table_about_a_row(tmp_path: Path) -> None:
    # Given an added row of which two people label a part each, and one of them changes their mind,
    name = added_id("new")
    lines = {"row_id": name, "text": "new", "author": "anna"}
    entities = {**lines, "new_entities": [], "author": "ben"}
    returned = _match(_table(tmp_path, {**lines, "new_label": "bad"}, entities, {**lines, "new_label": "good"}))
    assert [(one.label, one.entities, one.author) for one in returned.corrections] == [("good", (), "anna")]


@pytest.mark.parametrize(
    ("disagreement", "labels", "rejected"),
    [
        ("reject", [], [("r1", "annotators disagree: anna says 'good', ben says 'bad'")]),
        ("latest", ["good"], []),
        ("first", ["good"], []),
    ],
)
def test_match_rows_asks_whether_the_people_of_a_table_agree(
    tmp_path: Path, disagreement: Any, labels: list[str], rejected: list[Any]
) -> None:
    path = _table(
        tmp_path,
        {"new_label": "good", "author": "anna", "updated_at": "2026-01-02T00:00:00Z"},
        {"new_label": "bad", "author": "ben", "updated_at": "2026-01-01T00:00:00Z"},
    )
    rules = replace(RULES, source=DocumentFormat(annotations=AnnotationRules(disagreement=disagreement)))
    returned = _match(path, rules=rules)
    assert [one.label for one in returned.corrections] == labels
    assert returned.rejected == rejected


def test_match_rows_asks_people_of_a_table_whose_labels_mean_none(tmp_path: Path) -> None:
    rules = replace(RULES, source=DocumentFormat(no_label=["NA"]))
    good, none = ({"new_label": label, "author": author} for label, author in (("good", "anna"), ("NA", "ben")))
    returned = _match(_table(tmp_path, good, none), rules=rules)
    assert returned.rejected == [("r1", "annotators disagree: anna says 'good', ben says nothing")]
    assert (returned.corrections, _match(_table(tmp_path, none), rules=rules).undecided) == ([], 1)


def test_match_rows_joins_the_lines_of_a_table_by_the_field_that_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    path.write_text("key,text,new_label,author\nr1,Acme grew,good,anna\nr1,Acme grew,bad,ben\n", encoding="utf-8")
    documents, rules = read_documents(str(path)), replace(RULES, id_field="key")
    returned = match_rows(documents, TABLE, {ROW.id: ROW}, Overlay([]), rules, path)
    assert returned.rejected == [("r1", "annotators disagree: anna says 'good', ben says 'bad'")]


def test_match_rows_reads_exports_whose_columns_hold_json_text(tmp_path: Path) -> None:
    result = [{"type": "choices", "from_name": "label", "to_name": "text", "value": {"choices": ["good"]}}]
    task = {"id": 1, "data": {"row_id": "r1", "text": ROW.text}, "annotations": [{"id": 2, "result": result}]}
    path = tmp_path / "tasks.jsonl"
    path.write_text(
        json.dumps({**task, "data": json.dumps(task["data"]), "annotations": json.dumps(task["annotations"])})
    )
    documents = read_documents(str(path))
    rules = replace(RULES, heads=["sentence"])
    returned = match_rows(documents, tool_of(documents, str(path)), {ROW.id: ROW}, Overlay([]), rules, path)
    assert (returned.rejected, [(one.id, one.label) for one in returned.corrections]) == ([], [("r1", "good")])


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"text": "Acme  grew", "new_label": "good"}, "text is not that of the row, which may have changed since"),
        ({"text": None, "new_label": "good"}, "text"),
        ({"new_label": "fine"}, "label is no class of the recipe (--new-labels accepts it): fine"),
        ({"new_entities": [[0, 4, "PER"]]}, "entity type is none of the recipe (--new-labels accepts it): PER"),
        ({"new_entities": [[0, 4, "ORG"], [2, 9, "ORG"]]}, "entities overlap: Acme and me grew"),
        ({"new_entities": [[0, 40, "ORG"]]}, "entity"),
        ({"row_id": added_id("old"), "text": "new", "new_label": "good"}, "text is not that of the task"),
    ],
)
def test_match_rows_names_why_a_row_cannot_be_used(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    returned = _match(_table(tmp_path, row))
    assert returned.corrections == []
    ((_, found),) = returned.rejected
    assert found.startswith(reason)


def test_match_rows_rejects_what_is_no_document(tmp_path: Path) -> None:
    documents = [InvalidRow("done.jsonl:2", "not valid JSON", "{")]
    returned = match_rows(documents, "csv", {}, Overlay([]), RULES, tmp_path / "done.jsonl")
    assert returned.rejected == [("done.jsonl:2", "not valid JSON")]


def test_match_rows_reads_only_the_heads_of_the_recipe(tmp_path: Path) -> None:
    path = _table(tmp_path, {"new_label": "nonsense", "new_entities": []})
    (only_entities,) = _match(path, rules=ReadingRules(heads=["tokens"])).corrections
    assert (only_entities.label, only_entities.entities) == (None, ())
    rules = ReadingRules(heads=["sentence"], author="ben")
    (only_label,) = _match(path, rules=rules).corrections
    assert (only_label.label, only_label.entities, only_label.author) == ("nonsense", None, "ben")
    assert _match(path, rules=ReadingRules(heads=[])).undecided == 1


def test_match_rows_takes_an_untouched_document_of_a_silent_tool_for_undecided(tmp_path: Path) -> None:
    path = tmp_path / "doccano.jsonl"
    row = {"id": 1, "text": ROW.text, "cats": ["bad"], "entities": [[0, 4, "ORG"]], "row_id": "r1"}
    path.write_text(json.dumps(row) + "\n")
    documents = read_documents(str(path))
    returned = match_rows(documents, "doccano", {"r1": ROW}, Overlay([]), RULES, path)
    assert (returned.corrections, returned.rejected, returned.undecided) == ([], [], 1)


def test_tool_of_names_the_formats_where_it_cannot_tell(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "good"}\n')
    with pytest.raises(AssayError, match=r"rows\.jsonl: its content does not say which tool .* --format \(.*csv\)"):
        tool_of(read_documents(str(path)), str(path))


@pytest.mark.parametrize(
    "task",
    [
        {"data": {"row_id": "r1", "text": "good"}, "predictions": []},
        {"row_id": "r1", "text": "good", "options": [], "accept": ["good"], "meta": {"score": 1}},
    ],
)
@pytest.mark.parametrize("named", [None, "label_studio"])
def test_tool_of_refuses_tasks_that_nobody_has_imported(tmp_path: Path, task: Any, named: str | None) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps([task]))
    with pytest.raises(AssayError, match=r"holds tasks as assay labels wrote them, without a decision; name what"):
        tool_of(read_documents(str(path)), str(path), named)


def test_tool_of_takes_no_table_for_the_export_of_a_tool(tmp_path: Path) -> None:
    # As rows of Label Studio, its labels of the source would be decisions.
    path = _table(tmp_path, {"label": "bad"})
    with pytest.raises(AssayError, match=r"is a table of tasks that people fill in; leave --format out"):
        tool_of(read_documents(path), path, "label_studio")
    assert tool_of(read_documents(path), path, "csv") == "csv"


def test_tool_of_refuses_an_empty_export(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    path.write_text("[]")
    with pytest.raises(AssayError, match=r"tasks\.json holds no documents; export the project again"):
        tool_of(read_documents(str(path)), str(path))


TWICE = {"text": ROW.text, "row_id": "r1", "options": [], "answer": "accept", "_view_id": "choice", "_input_hash": 7}


@pytest.mark.parametrize(
    ("people", "corrected", "rejected"),
    [
        ([("anna", ["good"]), ("ben", ["good"])], [("good", "ben")], []),
        ([("anna", ["good"]), ("ben", ["bad"])], [], [("r1", "annotators disagree: anna says 'good', ben says 'bad'")]),
        # one person decides again
        ([("anna", ["bad"]), ("anna", ["good"])], [("good", "anna")], []),
    ],
)
def test_match_rows_asks_whether_several_people_agree(
    tmp_path: Path, people: list[tuple[str, list[str]]], corrected: list[Any], rejected: list[Any]
) -> None:
    path = tmp_path / "done.jsonl"
    lines = [
        {**TWICE, "accept": accept, "_annotator_id": person, "_timestamp": 1767225600 + number}
        for number, (person, accept) in enumerate(people)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    returned = _match(str(path), rules=replace(RULES, heads=["sentence"]))
    assert [(one.label, one.author) for one in returned.corrections] == corrected
    assert returned.rejected == rejected


def test_read_documents_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("gone.json", "gone*.json"):
        with pytest.raises(AssayError, match=r"there is no file .*gone.*json; name the export of the annotation tool"):
            read_documents(str(tmp_path / name))


def _labels_table(folder: Path, labels: Any) -> str:
    path = folder / "done.jsonl"
    row = {"row_id": "r1", "text": "Acme grew", "new_labels": labels, "author": "anna"}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return str(path)


def test_match_rows_reads_the_labels_of_which_a_row_has_several(tmp_path: Path) -> None:
    row = Example("r1", "Acme grew", labels=("money",))
    rules = ReadingRules(heads=["labels"], row_labels={"money", "sport"})
    (corrected,) = _match(_labels_table(tmp_path, ["sport", "money"]), row, rules=rules).corrections
    assert (corrected.decision, corrected.labels) == ("corrected", ("money", "sport"))
    # No label is a decision, too.
    (none,) = _match(_labels_table(tmp_path, []), row, rules=rules).corrections
    assert (none.decision, none.labels) == ("corrected", ())
    assert _match(_labels_table(tmp_path, None), row, rules=rules).undecided == 1
    # Where the recipe names no labels, any is accepted.
    (new,) = _match(_labels_table(tmp_path, ["war"]), row, rules=replace(rules, row_labels=None)).corrections
    assert new.labels == ("war",)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (["money", "war"], "label is none of the recipe (--new-labels accepts it): war"),
        ({"money": True}, "new_labels is not a list like"),
    ],
)
def test_match_rows_refuses_labels_that_cannot_be_used(tmp_path: Path, labels: Any, reason: str) -> None:
    rules = ReadingRules(heads=["labels"], row_labels={"money", "sport"})
    returned = _match(_labels_table(tmp_path, labels), rules=rules)
    assert returned.corrections == []
    ((name, found),) = returned.rejected
    assert name == "r1"
    assert found.startswith(reason)


def test_match_rows_leaves_out_an_untouched_text_of_a_silent_tool(tmp_path: Path) -> None:
    # A text that the source does not hold, sent to doccano without a class or an entity, and returned as it was.
    path = tmp_path / "doccano.jsonl"
    row = {"id": 1, "text": "new", "cats": [], "entities": [], "row_id": added_id("new")}
    path.write_text(json.dumps(row) + "\n")
    documents = read_documents(str(path))
    returned = match_rows(documents, "doccano", {}, Overlay([]), RULES, path)
    assert (returned.corrections, returned.rejected, returned.undecided) == ([], [], 1)


def test_match_rows_refuses_labels_that_a_tool_wrote_as_one_word(tmp_path: Path) -> None:
    path = tmp_path / "doccano.jsonl"
    path.write_text(json.dumps({"text": "Acme grew", "label": "money", "row_id": "r1"}) + "\n")
    rules = ReadingRules(heads=["labels"])
    returned = match_rows(read_documents(str(path)), "doccano", {"r1": ROW}, Overlay([]), rules, path)
    assert returned.rejected == [("r1", "labels is not a list of labels: money")]


@pytest.mark.parametrize(
    ("column", "source", "id_field"),
    [
        ("label", DocumentFormat(), None),  # a task of Assay
        ("mood", DocumentFormat(format="label_studio", fields=Fields(label="mood")), "number"),  # the recipe's source
    ],
)
def test_match_rows_reads_the_columns_of_a_flat_export_of_label_studio(
    tmp_path: Path, column: str, source: DocumentFormat, id_field: str | None
) -> None:
    path = tmp_path / "min.json"
    row = {"text": "Acme grew", column: "good", id_field or "row_id": "r1", "annotator": "anna", "annotation_id": 5}
    path.write_text(json.dumps([row]))
    rules = ReadingRules(heads=["sentence"], classes={"good"}, source=source, id_field=id_field)
    returned = match_rows(read_documents(str(path)), "label_studio", {"r1": ROW}, Overlay([]), rules, path)
    assert returned.rejected == []
    assert [(one.id, one.label, one.author) for one in returned.corrections] == [("r1", "good", "anna")]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"label": "good"}, "label differs from that of the row: good"),
        ({"entities": "[]"}, "entities differs from that of the row: []"),
        ({"label": "fine"}, "label is no class of the recipe (--new-labels accepts it): fine"),
    ],
)
def test_match_rows_names_rows_of_a_table_whose_labels_were_written_over(
    tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    sent = {"label": "bad", "entities": '[[0, 4, "ORG"]]'}
    assert _match(_table(tmp_path, sent)).undecided == 1
    path = _table(tmp_path, {**sent, **cells})
    returned = _match(path)
    assert (returned.rejected, returned.undecided) == ([("r1", reason)], 0)
    # A table from before a correction of the row says nothing, and a decision counts whatever stands beside it.
    overlay = Overlay(_match(_table(tmp_path, {"new_label": "good"})).corrections)
    path = _table(tmp_path, {**sent, **cells})
    assert _match(path, overlay=overlay).undecided == 1
    assert len(_match(_table(tmp_path, {**sent, **cells, "new_label": "good"})).corrections) == 1


def test_match_rows_names_suggested_rows_of_a_table_whose_labels_stand_in_the_wrong_column(tmp_path: Path) -> None:
    name = added_id("new")
    returned = _match(_table(tmp_path, {"row_id": name, "text": "new", "label": "good"}))
    assert returned.rejected == [(name, "label differs from that of the row: good")]


def test_match_rows_takes_white_space_in_a_cell_for_no_decision(tmp_path: Path) -> None:
    assert _match(_table(tmp_path, {"new_label": " ", "new_entities": "\t"})).undecided == 1


@pytest.mark.parametrize("named", [None, "csv"])
@pytest.mark.parametrize(
    "columns", ["row_id,text,New Label", "ROW_ID,TEXT,NEW_LABEL", "row_id,text,proposed_label,done"]
)
def test_tool_of_asks_for_the_columns_of_a_table(tmp_path: Path, columns: str, named: str | None) -> None:
    path = tmp_path / "done.csv"
    path.write_text(f"{columns}\nr1,Acme grew,good{',' * (columns.count(',') - 2)}\n")
    with pytest.raises(
        AssayError, match=r"done\.csv is a table of tasks in which columns were renamed; name them as in"
    ):
        tool_of(read_documents(str(path)), str(path), named)


def test_tool_of_knows_a_table_by_the_field_that_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    path.write_text("key,text,new_label\nr1,Acme grew,good\n")
    assert tool_of(read_documents(str(path)), str(path), id_field="key") == TABLE


def test_match_rows_refuses_numbers_of_labels_in_documents_of_doccano(tmp_path: Path) -> None:
    path = tmp_path / "admin.jsonl"
    document = {"row_id": "r1", "text": ROW.text, "annotations": [{"label": 2, "user": 1}], "annotation_approver": None}
    path.write_text(json.dumps(document) + "\n")
    rules = ReadingRules(heads=["sentence"])
    returned = _match(str(path), rules=rules)
    assert (returned.tool, returned.rejected) == ("doccano", [("r1", "label is a number without a name: 2")])
    named = replace(rules, source=DocumentFormat(label_map={"2": "good"}))
    assert [one.label for one in _match(str(path), rules=named).corrections] == ["good"]
