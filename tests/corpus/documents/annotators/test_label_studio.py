import copy
import json
from typing import Any

import pytest

from tests.corpus.documents.reading import counts_of, entities_of, labels_of, reject_of, rows_of

SOURCE: dict[str, Any] = {"format": "label_studio"}
# As Label Studio 1.13 exports a task in JSON.
TASK: dict[str, Any] = {
    "id": 1,
    "annotations": [
        {
            "id": 101,
            "completed_by": 1,
            "result": [
                {
                    "value": {"start": 0, "end": 6, "text": "Globex", "labels": ["ORG"]},
                    "id": "kPRxGpq0Yv",
                    "from_name": "label",
                    "to_name": "text",
                    "type": "labels",
                    "origin": "manual",
                },
                {
                    "value": {"start": 20, "end": 24, "text": "Rome", "labels": ["LOC"]},
                    "id": "b2Dq0lJp1c",
                    "from_name": "label",
                    "to_name": "text",
                    "type": "labels",
                    "origin": "manual",
                },
                {
                    "value": {"choices": ["good"]},
                    "id": "s9J7b-0cHn",
                    "from_name": "sentiment",
                    "to_name": "text",
                    "type": "choices",
                    "origin": "manual",
                },
            ],
            "was_cancelled": False,
            "ground_truth": False,
            "created_at": "2024-05-02T08:11:31.201929Z",
            "updated_at": "2024-05-02T08:11:31.201950Z",
            "draft_created_at": "2024-05-02T08:11:20.000000Z",
            "lead_time": 12.7,
            "prediction": {},
            "result_count": 0,
            "unique_id": "0d1c41a9-95f5-4d5c-8c80-51b6e04a0d4f",
            "import_id": None,
            "last_action": None,
            "task": 1,
            "project": 3,
            "updated_by": 1,
            "parent_prediction": None,
            "parent_annotation": None,
            "last_created_by": None,
        }
    ],
    "file_upload": "7d9e1b6c-tasks.json",
    "drafts": [],
    "predictions": [
        {
            "model_version": "m1",
            "result": [{"type": "choices", "value": {"choices": ["bad"]}, "from_name": "sentiment"}],
        }
    ],
    "data": {"text": "Globex buys land in Rome", "author": "anna"},
    "meta": {},
    "created_at": "2024-05-02T08:10:02.000000Z",
    "updated_at": "2024-05-02T08:11:31.300000Z",
    "inner_id": 1,
    "total_annotations": 1,
    "cancelled_annotations": 0,
    "total_predictions": 1,
    "comment_count": 0,
    "unresolved_comment_count": 0,
    "last_comment_updated_at": None,
    "project": 3,
    "updated_by": 1,
    "comment_authors": [],
}
SPANS = [("Globex", "ORG"), ("Rome", "LOC")]
FLAT: dict[str, Any] = {
    "text": "Globex buys land in Rome",
    "id": 1,
    "label": [
        {"start": 0, "end": 6, "text": "Globex", "labels": ["ORG"]},
        {"start": 20, "end": 24, "text": "Rome", "labels": ["LOC"]},
    ],
    "sentiment": "good",
    "annotator": 1,
    "annotation_id": 101,
    "created_at": "2024-05-02T08:11:31.201929Z",
    "updated_at": "2024-05-02T08:11:31.201950Z",
    "lead_time": 12.7,
}


def task(*results: list[dict[str, Any]], **annotation: Any) -> dict[str, Any]:
    """Return the task with an annotation for each list of results."""
    base = TASK["annotations"][0]
    return {**TASK, "annotations": [{**base, **annotation, "result": result} for result in results]}


def choice(*names: str, control: str = "sentiment") -> dict[str, Any]:
    return {"value": {"choices": list(names)}, "from_name": control, "to_name": "text", "type": "choices"}


def span(start: int, end: int, *labels: str, control: str = "label") -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TASK["data"]["text"][start:end], "labels": list(labels)}
    return {"value": value, "from_name": control, "to_name": "text", "type": "labels"}


def test_read_task_with_spans_and_class() -> None:
    fields = {"text": "data.text", "group": "data.author", "time": "created_at", "id": "id"}
    [row] = rows_of({**SOURCE, "fields": fields}, TASK)

    assert (row.id, row.text, row.group) == ("1", "Globex buys land in Rome", "anna")
    assert row.time == "2024-05-02T08:10:02+00:00"
    assert entities_of(SOURCE, TASK) == [SPANS]
    assert labels_of(SOURCE, TASK) == ["good"]


def test_read_task_takes_any_name_of_the_text() -> None:
    renamed = {**TASK, "data": {"body": TASK["data"]["text"]}}

    assert entities_of({**SOURCE, "fields": {"text": "body"}}, renamed) == [SPANS]
    assert reject_of(SOURCE, renamed) == "text is missing"


def test_read_task_leaves_out_tasks_that_nobody_has_annotated() -> None:
    cancelled = task([], was_cancelled=True)

    assert counts_of(SOURCE, TASK, {**TASK, "annotations": []}, cancelled) == (1, 2, 0)


def test_read_task_skips_cancelled_annotations() -> None:
    both = copy.deepcopy(TASK)
    both["annotations"].insert(0, {**task([span(0, 6, "PER")])["annotations"][0], "was_cancelled": True})

    assert entities_of(SOURCE, both) == [SPANS]


def test_read_task_accepts_annotations_that_agree() -> None:
    assert labels_of(SOURCE, task([choice("good")], [choice("good")])) == ["good"]
    spans = [span(0, 6, "ORG"), span(20, 24, "LOC")]
    assert entities_of(SOURCE, task(spans, spans[::-1])) == [SPANS]


@pytest.mark.parametrize(("rule", "label"), [("first", "good"), ("latest", "bad")])
def test_read_task_settles_disagreement_by_the_rule(rule: str, label: str) -> None:
    disagreed = task([choice("good")], [choice("bad")])
    disagreed["annotations"][1]["updated_at"] = "2024-06-01T00:00:00.000000Z"

    assert labels_of({**SOURCE, "annotations": {"disagreement": rule}}, disagreed) == [label]
    assert reject_of(SOURCE, disagreed, label=True).startswith("annotators disagree: ")


def test_read_task_takes_the_latest_by_time_and_not_by_place() -> None:
    disagreed = task([choice("bad")], [choice("good")])
    disagreed["annotations"][0]["updated_at"] = "2024-06-01T00:00:00.000000Z"

    assert labels_of({**SOURCE, "annotations": {"disagreement": "latest"}}, disagreed) == ["bad"]


@pytest.mark.parametrize(
    ("results", "label", "reason"),
    [
        ([choice("good", "bad")], True, "text has several classes: ['good', 'bad']"),
        ([choice("a"), choice("b", control="topic")], True, "text has several classifications: ['sentiment', 'topic']"),
        ([span(0, 6, "ORG", "LOC")], False, "entity has several types: ['ORG', 'LOC']"),
        ([span(0, 6, "ORG"), span(0, 11, "EVENT")], False, "entities overlap: Globex and Globex buys"),
        (
            [span(0, 6, "A"), span(7, 11, "B", control="verb")],
            False,
            "text has several kinds of spans: ['label', 'verb']",
        ),
        ([{"type": "relation", "from_id": "a", "to_id": "b"}], False, "relations are not read: 1 of them"),
        ([{"type": "hypertextlabels", "value": {}}], False, "span is not of plain text: hypertextlabels"),
        ([], True, "label is missing"),
    ],
)
def test_read_task_rejects_what_a_row_cannot_hold(results: list[dict[str, Any]], label: bool, reason: str) -> None:
    assert reject_of(SOURCE, task(results), label=label) == reason


def test_read_task_reads_the_named_controls() -> None:
    several = task([choice("a"), choice("b", control="topic"), span(0, 6, "A"), span(7, 11, "B", control="verb")])

    assert labels_of({**SOURCE, "fields": {"label": "topic"}}, several) == ["b"]
    assert entities_of({**SOURCE, "fields": {"entities": "verb"}}, several) == [[("buys", "B")]]


def test_read_task_leaves_out_relations_by_rule() -> None:
    related = task([span(0, 6, "ORG"), {"type": "relation", "from_id": "a", "to_id": "b"}])

    assert entities_of({**SOURCE, "annotations": {"relations": "ignore"}}, related) == [[("Globex", "ORG")]]


def test_read_task_of_json_min() -> None:
    named = {**SOURCE, "fields": {"label": "sentiment"}}

    assert entities_of(SOURCE, FLAT, {"text": "Nothing here", "id": 2, "annotator": 1}) == [SPANS, []]
    assert labels_of(named, FLAT, {**FLAT, "sentiment": {"choices": ["bad"]}}) == ["good", "bad"]
    assert reject_of(named, {**FLAT, "sentiment": {"choices": ["a", "b"]}}, label=True).startswith("text has several")
    assert reject_of(SOURCE, FLAT, label=True).startswith("control of the class is not named: ['annotation_id', ")
    assert reject_of({**SOURCE, "fields": {"entities": "sentiment"}}, FLAT) == "control of the spans holds none: good"


def test_read_task_of_csv() -> None:
    cells = {name: json.dumps(value) if isinstance(value, list) else str(value) for name, value in FLAT.items()}
    several = {**cells, "sentiment": '{"choices": ["bad", "good"]}'}

    assert entities_of(SOURCE, cells, {**cells, "label": ""}) == [SPANS, []]
    assert labels_of({**SOURCE, "fields": {"label": "sentiment"}}, cells) == ["good"]
    assert reject_of({**SOURCE, "fields": {"label": "sentiment"}}, several, label=True).startswith("text has several")
    assert reject_of({**SOURCE, "fields": {"entities": "label"}}, {**cells, "label": "[{"}).startswith("control of the")
