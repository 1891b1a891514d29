import json
from typing import Any

import pytest

from assay.corpus.documents.annotators.recognised import (
    NAMES,
    READERS,
    check_readable,
    format_remedy,
    recognised_format,
)
from assay.corpus.errors import AssayError
from tests.corpus.documents.annotators import test_argilla as argilla
from tests.corpus.documents.annotators import test_doccano as doccano
from tests.corpus.documents.annotators import test_label_studio as label_studio
from tests.corpus.documents.annotators import test_prodigy as prodigy
from tests.corpus.documents.annotators import test_spacy_examples as spacy_examples

TEXT = "Globex buys land"
FLAT = label_studio.FLAT
CELLS = {name: json.dumps(value) if isinstance(value, list) else str(value) for name, value in FLAT.items()}


@pytest.mark.parametrize(
    ("documents", "tool"),
    [
        ([label_studio.TASK, {**label_studio.TASK, "annotations": []}], "label_studio"),
        ([label_studio.FLAT], "label_studio"),
        ([{"id": 0, "text": TEXT, "label": label_studio.FLAT["label"], "sentiment": "good"}], "label_studio"),
        ([CELLS], "label_studio"),
        ([doccano.RELATION_FORM], "doccano"),
        ([{"id": 1, "text": TEXT, "label": [[0, 6, "ORG"]]}, {"id": 2, "text": TEXT, "label": []}], "doccano"),
        ([{"id": 1, "text": TEXT, "label": ["good"], "Comments": []}], "doccano"),
        ([{"text": TEXT, "entities": [[0, 6, "ORG"]], "cats": ["Deal"]}], "doccano"),
        ([doccano.NUMBERED, {**doccano.NUMBERED, "annotations": []}], "doccano"),
        ([prodigy.EXAMPLE, {**prodigy.EXAMPLE, "answer": "reject"}], "prodigy"),
        ([prodigy.CHOICE], "prodigy"),
        ([{"text": TEXT, "label": "GOOD", "answer": "accept"}], "prodigy"),
        ([{"text": TEXT, "entities": [[0, 6, "ORG"]]}], "spacy"),
        ([spacy_examples.DOC], "spacy"),
        ([argilla.RECORD], "argilla"),
        ([argilla.FLAT], "argilla"),
        ([argilla.FEEDBACK], "argilla"),
        ([argilla.OLD], "argilla"),
    ],
)
def test_recognised_format_tells_the_tool(documents: list[dict[str, Any]], tool: str) -> None:
    assert recognised_format(documents) == tool


@pytest.mark.parametrize(
    "documents",
    [
        [],
        [{"text": TEXT, "label": "good"}],
        [{"text": TEXT, "label": 1, "ents": [{"start": 0, "end": 6, "label": "ORG"}]}],
        [{"tokens": ["Globex"], "tags": ["B-ORG"]}],
        [{"_id": 1, "Parse": [{"Text": TEXT}]}],
        [{"question": "q", "passage": "p", "answer": True}],
        [{"data": {"a": 1}, "text": TEXT}],
        [{"text": TEXT, "entities": []}],
        [{"text": TEXT, "label": []}],
        [{"text": TEXT, "entities": [[0, 6, "ORG"]]}, {"text": TEXT, "label": "good"}],
    ],
)
def test_recognised_format_says_nothing_of_other_documents(documents: list[dict[str, Any]]) -> None:
    assert recognised_format(documents) is None


def test_recognised_format_sees_objects_in_json_text() -> None:
    task = {"id": 1, "data": '{"text": "Fine"}', "annotations": '[{"id": 1, "result": []}]'}
    record = {"id": "r1", "fields": '{"text": "Fine"}', "responses": '{"tone": [{"value": "good"}]}'}

    assert recognised_format([task]) == "label_studio"
    assert recognised_format([record]) == "argilla"
    assert recognised_format([{"text": "Fine", "label": '["good"]'}]) is None
    assert recognised_format([{**record, "fields": "{broken"}]) is None


def test_check_readable_refuses_numbers_of_labels() -> None:
    document = {"text": "Fine", "annotations": [{"label": 1, "user": 1}], "annotation_approver": None}
    unlabelled = {**document, "annotations": []}

    with pytest.raises(
        AssayError, match=r"numbers in place of labels; .* as JSONL with text labels, or name .*label_map"
    ):
        check_readable([document, unlabelled], {})
    check_readable([document, unlabelled], {"1": "good"})
    check_readable([{**document, "annotations": [{"label": "good", "user": 1}]}], {})


def test_format_remedy_names_tool_and_key() -> None:
    assert format_remedy("label_studio") == "these are tasks of Label Studio; set source.format: label_studio"
    assert NAMES.keys() == READERS.keys()


def test_recognised_format_needs_nearly_all_documents_to_be_of_the_tool() -> None:
    example = {"text": "a", "accept": ["x"], "options": [], "answer": "accept"}
    unanswered = {"text": "b", "meta": {}}
    assert recognised_format([example] * 18 + [unanswered] * 2) == "prodigy"
    assert recognised_format([example] * 17 + [unanswered] * 3) is None
    # Lists of names may be anybody's, so that each document must look like those of doccano.
    assert recognised_format([{"text": "a", "label": ["x"]}] * 19 + [{"text": "b"}]) is None
