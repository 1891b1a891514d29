from typing import Any

import pytest

from assay.corpus.documents.annotators.argilla import is_argilla
from tests.corpus.documents.reading import (
    as_arrow,
    counts_of,
    entities_of,
    label_sets_of,
    labels_of,
    reject_of,
    set_reject_of,
)

SOURCE: dict[str, Any] = {"format": "argilla"}
TEXT = "Globex buys land in Rome"
ORG = {"label": "ORG", "start": 0, "end": 6}
USERS = ["4f0e7a9e-7f50-4a0c-9f2b-6f6b8a0f0a01", "4f0e7a9e-7f50-4a0c-9f2b-6f6b8a0f0a02"]
# As `dataset.records.to_list()` of Argilla 2 writes a record.
RECORD: dict[str, Any] = {
    "id": "r1",
    "fields": {"text": TEXT},
    "metadata": {},
    "suggestions": {"sentiment": {"value": "bad", "score": 0.9, "agent": "m1"}},
    "responses": {
        "sentiment": [{"value": "good", "user_id": USERS[0]}],
        "spans": [{"value": [ORG], "user_id": USERS[0]}],
    },
    "vectors": {},
    "status": "completed",
    "_server_id": "b8e6a4a0-2a2a-4b0a-8b0a-0a0a0a0a0a0a",
}
# The same by `to_list(flatten=True)`.
FLAT: dict[str, Any] = {
    "id": "r1",
    "status": "completed",
    "_server_id": "b8e6a4a0-2a2a-4b0a-8b0a-0a0a0a0a0a0a",
    "text": TEXT,
    "sentiment.responses": ["good"],
    "sentiment.responses.users": USERS[:1],
    "sentiment.responses.status": ["submitted"],
    "sentiment.suggestion": "bad",
    "spans.responses": [[ORG]],
    "spans.responses.users": USERS[:1],
    "spans.responses.status": ["submitted"],
}
# A feedback data set of version 1 on the Hugging Face hub.
FEEDBACK: dict[str, Any] = {
    "text": TEXT,
    "sentiment": [{"user_id": USERS[0], "value": "good", "status": "submitted"}],
    "sentiment-suggestion": "bad",
    "spans": [{"user_id": USERS[0], "value": [ORG], "status": "submitted"}],
    "external_id": None,
    "metadata": "{}",
}
SERVER: dict[str, Any] = {
    "fields": {"text": TEXT},
    "responses": [
        {"values": {"sentiment": {"value": "good"}, "spans": {"value": [ORG]}}, "status": "submitted"},
        {"values": {"sentiment": {"value": "bad"}}, "status": "discarded"},
    ],
}
OLD: dict[str, Any] = {"text": TEXT, "annotation": "good", "annotation_agent": "anna", "status": "Validated"}


@pytest.mark.parametrize("document", [RECORD, FLAT, FEEDBACK, SERVER])
def test_read_argilla_reads_responses_of_each_version(document: dict[str, Any]) -> None:
    assert labels_of(SOURCE, document) == ["good"]
    assert entities_of(SOURCE, document) == [[("Globex", "ORG")]]


def test_read_argilla_reads_records_before_feedback_data_sets() -> None:
    spans = {**OLD, "annotation": [{**ORG, "score": 1.0}]}

    assert labels_of(SOURCE, OLD, {**OLD, "text": None, "inputs": {"text": TEXT}}) == ["good", "good"]
    assert entities_of(SOURCE, spans) == [[("Globex", "ORG")]]
    assert counts_of(SOURCE, spans, {**spans, "status": "Default"}, {**spans, "status": "Discarded"}) == (1, 2, 0)


def test_read_argilla_leaves_out_records_without_a_submitted_response() -> None:
    draft = {**FLAT, "spans.responses.status": ["draft"], "sentiment.responses.status": ["discarded"]}

    assert counts_of(SOURCE, RECORD, {**RECORD, "responses": {}}, draft) == (1, 2, 0)


def test_read_argilla_settles_disagreement_by_the_rule() -> None:
    disagreed = {**FLAT, "sentiment.responses": ["good", "bad"], "sentiment.responses.status": ["submitted"] * 2}
    del disagreed["sentiment.responses.users"]

    assert (
        reject_of(SOURCE, disagreed, label=True)
        == "annotators disagree: annotator 1 says 'good', annotator 2 says 'bad'"
    )
    assert labels_of({**SOURCE, "annotations": {"disagreement": "first"}}, disagreed) == ["good"]


def test_read_argilla_names_the_people_who_disagree() -> None:
    users = {"anna": "good", "ben": "bad"}
    nested = {"sentiment": [{"value": value, "user_id": user} for user, value in users.items()]}
    flat = {"sentiment.responses": list(users.values()), "sentiment.responses.users": list(users)}
    server = [{"user_id": user, "values": {"sentiment": {"value": value}}} for user, value in users.items()]
    for responses in ({"responses": nested}, flat, {"responses": server}):
        record = {"text": TEXT, "fields": {"text": TEXT}, **responses}
        assert reject_of(SOURCE, record, label=True) == "annotators disagree: anna says 'good', ben says 'bad'"


def test_records_of_people_take_an_open_question_for_no_disagreement() -> None:
    # ben says nothing of the class, and carl nothing of the spans.
    sentiment = [{"value": "good", "user_id": "anna"}, {"value": "bad", "user_id": "carl"}]
    spans = [{"value": [ORG], "user_id": "anna"}, {"value": [ORG], "user_id": "ben"}]
    record = {**RECORD, "responses": {"sentiment": sentiment, "spans": spans}}

    assert entities_of(SOURCE, record) == [[("Globex", "ORG")]]
    assert reject_of(SOURCE, record, label=True) == "annotators disagree: anna says 'good', carl says 'bad'"
    for rule, label in (("first", "good"), ("latest", "bad")):
        assert labels_of({**SOURCE, "annotations": {"disagreement": rule}}, record) == [label]


def test_read_argilla_compares_spans_of_two_people_without_their_order() -> None:
    place = {"label": "LOC", "start": TEXT.index("Rome"), "end": TEXT.index("Rome") + 4}
    both = {**FLAT, "spans.responses": [[ORG, place], [place, ORG]], "spans.responses.status": ["submitted"] * 2}
    assert entities_of(SOURCE, both) == [[("Globex", "ORG"), ("Rome", "LOC")]]


def test_read_argilla_asks_which_of_several_questions() -> None:
    several = {**FLAT, "topic.responses": [["land"]]}

    assert reject_of(SOURCE, several, label=True) == "text has several classifications: ['sentiment', 'topic']"
    assert labels_of({**SOURCE, "fields": {"label": "topic"}}, several) == ["land"]
    assert reject_of({**SOURCE, "fields": {"label": "tone"}}, several, label=True) == "tone is missing"


def several(*choices: list[str], **others: Any) -> dict[str, Any]:
    """Return a record whose multi-label question has these responses."""
    responses = {"topics": [{"value": value, "user_id": user} for value, user in zip(choices, USERS, strict=False)]}
    return {**RECORD, "responses": {**(responses if choices else {}), **others}}


def test_read_argilla_reads_several_labels_of_each_version() -> None:
    flat = {**FLAT, "topics.responses": [["sport", "money"]], "topics.responses.status": ["submitted"]}
    feedback = {**FEEDBACK, "topics": [{"user_id": USERS[0], "value": ["sport", "money"], "status": "submitted"}]}
    server = {**SERVER, "responses": [{"values": {"topics": {"value": ["sport", "money"]}}, "status": "submitted"}]}
    old = {**OLD, "annotation": ["sport", "money"], "multi_label": True}

    read = label_sets_of(SOURCE, several(["sport", "money"]), flat, feedback, server, old)

    assert read == [("money", "sport")] * 5


def test_read_argilla_compares_labels_of_two_people_without_their_order() -> None:
    assert label_sets_of(SOURCE, several(["sport", "money"], ["money", "sport"])) == [("money", "sport")]
    assert set_reject_of(SOURCE, several(["sport"], ["money"])).startswith("annotators disagree: ")


def test_read_argilla_takes_an_open_question_for_no_label_where_it_is_named() -> None:
    answered = several(tone=[{"value": "good", "user_id": USERS[0]}])

    assert label_sets_of({**SOURCE, "fields": {"labels": "topics"}}, answered, several([])) == [(), ()]
    assert label_sets_of(SOURCE, several([])) == [()]
    assert set_reject_of(SOURCE, answered) == "labels is missing"


def test_read_argilla_tells_empty_lists_of_labels_from_empty_spans() -> None:
    no_spans = several(["sport"], spans=[{"value": [], "user_id": USERS[0]}])
    no_labels = several([], spans=[{"value": [ORG], "user_id": USERS[0]}])

    assert entities_of(SOURCE, no_spans, no_labels) == [[], [("Globex", "ORG")]]
    assert label_sets_of(SOURCE, no_spans, no_labels) == [("sport",), ()]
    assert labels_of(SOURCE, several([], tone=[{"value": "good", "user_id": USERS[0]}])) == ["good"]


def test_read_argilla_reads_spans_of_version_1_as_frames_hold_them() -> None:
    assert entities_of(SOURCE, {**OLD, "annotation": [["ORG", 0, 6]]}) == [[("Globex", "ORG")]]


def test_read_argilla_knows_records_of_version_1_that_nobody_has_answered() -> None:
    unanswered = {**FEEDBACK, "sentiment": [], "spans": [], "spans-suggestion": None}
    lists = {**FEEDBACK, "sentiment": {"user_id": USERS[:1], "value": ["good"], "status": ["submitted"]}}

    assert is_argilla(unanswered)
    assert counts_of(SOURCE, FEEDBACK, unanswered) == (1, 1, 0)
    assert labels_of(SOURCE, lists) == ["good"]


def test_read_argilla_reads_responses_of_arrow() -> None:
    def record(**answers: str) -> dict[str, Any]:
        values = {name: {"value": value} for name, value in answers.items()}
        responses = [{"user_id": USERS[0], "status": "submitted", "values": values}]
        return {"fields": {"text": "Globex buys"}, "responses": responses}

    assert labels_of(SOURCE, *as_arrow(record(tone="good"), record(topic="land"))) == ["good", "land"]
