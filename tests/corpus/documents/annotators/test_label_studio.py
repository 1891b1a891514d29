import copy
import json
from typing import Any

import pytest

from assay.corpus.documents.annotators.label_studio import is_task
from tests.corpus.documents.reading import (
    as_arrow,
    counts_of,
    entities_of,
    label_sets_of,
    labels_of,
    reject_of,
    rows_of,
    set_reject_of,
)

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
    people = [{**base, "completed_by": number, **annotation} for number in range(1, 1 + len(results))]
    return {**TASK, "annotations": [{**one, "result": result} for one, result in zip(people, results, strict=True)]}


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
        ([{**span(0, 6), "value": {"start": 0, "end": 6, "text": "Globex"}}], False, "span has no label: Globex"),
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
    assert reject_of(SOURCE, FLAT, label=True).startswith("control of the choices is not named: ['annotation_id', ")
    assert reject_of({**SOURCE, "fields": {"entities": "sentiment"}}, FLAT) == "control of the spans holds none: good"


def test_read_task_of_csv() -> None:
    cells = {name: json.dumps(value) if isinstance(value, list) else str(value) for name, value in FLAT.items()}
    several = {**cells, "sentiment": '{"choices": ["bad", "good"]}'}

    assert entities_of(SOURCE, cells, {**cells, "label": ""}) == [SPANS, []]
    assert labels_of({**SOURCE, "fields": {"label": "sentiment"}}, cells) == ["good"]
    assert reject_of({**SOURCE, "fields": {"label": "sentiment"}}, several, label=True).startswith("text has several")
    assert reject_of({**SOURCE, "fields": {"entities": "label"}}, {**cells, "label": "[{"}).startswith("control of the")


def test_read_task_reads_several_labels_of_a_text() -> None:
    several = task([choice("sport", "money"), span(0, 6, "ORG")])

    assert label_sets_of(SOURCE, several, task([span(0, 6, "ORG")]), task([])) == [("money", "sport"), (), ()]
    assert label_sets_of(SOURCE, {**TASK, "annotations": [{"result": None}]}) == [()]
    assert label_sets_of({**SOURCE, "label_map": {"sport": "games"}}, several) == [("games", "money")]
    assert label_sets_of(
        {**SOURCE, "fields": {"labels": "topic"}}, task([choice("a"), choice("b", control="topic")])
    ) == [("b",)]


def test_read_task_takes_the_order_of_choices_for_no_disagreement() -> None:
    agreed = task([choice("sport", "money")], [choice("money", "sport")])

    assert label_sets_of(SOURCE, agreed) == [("money", "sport")]
    assert set_reject_of(SOURCE, task([choice("sport")], [choice("sport", "money")])).startswith(
        "annotators disagree: "
    )


def test_read_task_reads_controls_that_are_named_in_another_case() -> None:
    results = [span(0, 6, "ORG"), choice("good")]
    camel = [{**result, "fromName": result["from_name"]} for result in results]
    for result in camel:
        del result["from_name"]

    assert entities_of(SOURCE, task(camel)) == [[("Globex", "ORG")]]
    assert labels_of({**SOURCE, "fields": {"label": "sentiment"}}, task(camel)) == ["good"]


def test_read_task_takes_a_rating_for_a_class_where_nothing_is_chosen() -> None:
    rating = {"value": {"rating": 4}, "from_name": "stars", "to_name": "text", "type": "rating"}

    assert labels_of(SOURCE, task([rating]), task([rating, choice("good")])) == ["4", "good"]
    assert labels_of({**SOURCE, "fields": {"label": "stars"}}, task([rating, choice("good")])) == ["4"]


def test_read_task_reads_an_annotation_that_holds_its_task() -> None:
    # as Label Studio writes it to a cloud storage
    annotation = {**TASK["annotations"][0], "task": {"id": 1, "data": TASK["data"]}}

    assert is_task(annotation)
    assert entities_of(SOURCE, annotation) == [SPANS]


@pytest.mark.parametrize(("kind", "key"), [("choices", "choices"), ("taxonomy", "taxonomy")])
def test_read_task_names_nested_choices_by_their_path(kind: str, key: str) -> None:
    def nested(*paths: list[str]) -> dict[str, Any]:
        return task([{"value": {key: list(paths)}, "from_name": "topic", "to_name": "text", "type": kind}])

    assert labels_of(SOURCE, nested(["sport", "tennis"])) == ["sport/tennis"]
    assert label_sets_of(SOURCE, nested(["sport", "tennis"], ["money"])) == [("money", "sport/tennis")]


def test_read_task_rejects_choices_that_are_no_names() -> None:
    broken = task([{"value": {"choices": [{"id": 1}]}, "from_name": "topic", "type": "choices"}])

    assert reject_of(SOURCE, broken, label=True) == "choice is not a name: {'id': 1}"
    assert set_reject_of(SOURCE, broken) == "choice is not a name: {'id': 1}"


def test_read_task_reads_several_labels_of_json_min_and_csv() -> None:
    named = {**SOURCE, "fields": {"labels": "topics"}}
    without = {name: value for name, value in FLAT.items() if name != "sentiment"}
    values: list[Any] = [{"choices": ["sport", "money"]}, '{"choices": ["sport", "money"]}', "sport", "", None]

    read = label_sets_of(named, *({**without, "topics": value} for value in values), without)

    assert read == [("money", "sport"), ("money", "sport"), ("sport",), (), (), ()]
    assert set_reject_of(SOURCE, without).startswith("control of the choices is not named: ")
    assert set_reject_of(named, {**without, "topics": ["a", "b"]}) == "choices are not of the text alone: ['a', 'b']"


@pytest.mark.parametrize("nobody", [None, ""])
def test_read_task_leaves_out_tasks_of_json_min_that_nobody_has_annotated(nobody: str | None) -> None:
    # A project is exported whole: its other tasks have the same columns, and no annotation.
    unannotated = {"id": 2, "text": "Nobody has read this", "annotator": "", "annotation_id": nobody, "lead_time": None}

    assert counts_of(SOURCE, FLAT, unannotated) == (1, 1, 0)


def test_read_task_reads_tasks_of_before_version_1() -> None:
    old = {name: value for name, value in TASK.items() if name != "annotations"}
    skipped = {**TASK["annotations"][0], "skipped": True}

    assert entities_of(SOURCE, {**old, "completions": TASK["annotations"]}) == [SPANS]
    assert counts_of(SOURCE, {**old, "completions": [skipped]}) == (0, 1, 0)


def test_read_task_counts_offsets_as_a_browser_where_the_text_agrees() -> None:
    text = "😀 Globex buys land"
    in_browser = {"start": 3, "end": 9, "text": "Globex", "labels": ["ORG"]}
    in_characters = {"start": 2, "end": 8, "text": "Globex", "labels": ["ORG"]}

    def of(value: dict[str, Any]) -> dict[str, Any]:
        result = {"value": value, "from_name": "label", "to_name": "text", "type": "labels"}
        return {**task([result]), "data": {"text": text}}

    assert entities_of(SOURCE, of(in_browser), of(in_characters)) == [[("Globex", "ORG")]] * 2
    # entities that overlap are no reason to count in another unit
    both = of(in_browser)
    both["annotations"][0]["result"] *= 2
    assert reject_of(SOURCE, both) == "entities overlap: Globex and Globex"
    # the recipe decides where it says what offsets count
    characters = {**SOURCE, "entity": {"offset_unit": "characters"}}
    assert reject_of(characters, of(in_browser)).startswith("entity differs from the text")


def test_read_task_takes_the_last_annotation_of_a_person() -> None:
    again = task([choice("bad")], [choice("good")], completed_by=1)
    again["annotations"][0]["updated_at"] = "2024-01-01T00:00:00.000000Z"

    assert labels_of(SOURCE, again) == ["good"]


def test_read_task_takes_the_last_annotation_of_a_person_by_time() -> None:
    # Given one person who has annotated the task twice, with the later annotation first,
    twice = task([choice("good")], [choice("bad")], completed_by=1)
    twice["annotations"][0]["updated_at"] = "2024-06-01T00:00:00.000000Z"

    assert labels_of(SOURCE, twice) == ["good"]


def test_read_task_takes_a_choice_without_a_value_for_none() -> None:
    empty = {**choice(), "value": {"choices": None}}

    assert label_sets_of(SOURCE, task([empty]), task([{**choice(), "value": {}}])) == [(), ()]


def test_read_task_rejects_annotations_that_are_no_objects() -> None:
    broken = {**TASK, "annotations": ["good"]}

    assert reject_of(SOURCE, broken, label=True) == "annotations are not a list of objects: ['good']"


def test_read_task_reads_choices_and_spans_of_arrow() -> None:
    absent = {"id": 2, "data": TASK["data"], "annotations": None}
    documents = as_arrow(TASK, absent)

    assert "start" in documents[0]["annotations"][0]["result"][2]["value"]
    assert labels_of(SOURCE, *documents) == labels_of(SOURCE, TASK) == ["good"]
    assert entities_of(SOURCE, *documents) == entities_of(SOURCE, TASK)


def test_read_task_reads_values_that_the_hub_holds_as_json() -> None:
    as_text = copy.deepcopy(TASK)
    for result in as_text["annotations"][0]["result"]:
        result["value"] = json.dumps(result["value"])

    assert labels_of(SOURCE, as_text) == ["good"]
    assert entities_of(SOURCE, as_text) == entities_of(SOURCE, TASK)
