import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Example
from assay.recipes.source_section import FilesSource
from assay.runs.source_access import open_source

CHOICE = {"from_name": "tone", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}
ANNOTATION = {"id": 1, "was_cancelled": False, "completed_by": 1, "result": [CHOICE]}
ARGILLA = {"tone": [{"value": "good", "user_id": "u1", "status": "submitted"}]}


def read(document: Mapping[str, Any], **settings: Any) -> tuple[list[Example], list[tuple[str, str, Any]]]:
    reader = DocumentReader(DocumentFormat.model_validate(settings), needs_label=True, needs_entities=False)
    return reader.read(Document("train:5", document))


@pytest.mark.parametrize(
    ("tool", "document"),
    [
        ("label_studio", {"id": 1, "data": {"text": "a text"}, "annotations": [ANNOTATION]}),
        ("label_studio", {"task": {"id": 1, "data": {"text": "a text"}}, **ANNOTATION}),
        ("argilla", {"id": "1", "fields": {"text": "a text"}, "responses": ARGILLA, "metadata": {}}),
        ("doccano", {"id": 1, "text": "a text", "label": ["good"]}),
        ("spacy", {"text": "a text", "cats": {"good": 1.0, "bad": 0.0}}),
        ("prodigy", {"text": "a text", "accept": ["good"], "options": [{"id": "good"}], "answer": "accept"}),
    ],
)
def test_documents_of_tools_are_read_from_columns_of_json_text(tool: str, document: dict[str, Any]) -> None:
    as_text = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in document.items()}
    plain, rejects = read(document, format=tool)
    assert not rejects
    assert [row.label for row in plain] == ["good"]
    assert read(as_text, format=tool) == (plain, [])


def test_a_dotted_name_reaches_into_a_column_of_json_text() -> None:
    fields = {"text": "data.passages.0.text", "label": "meta.tone", "slices": {"lang": "meta.lang"}}
    document = {
        "data": json.dumps({"passages": [{"text": "a text"}]}),
        "meta": json.dumps({"tone": "good", "lang": "en"}),
    }
    [row], _ = read(document, fields=fields)
    assert (row.text, row.label, row.slices) == ("a text", "good", {"lang": "en"})
    # a column with a dot in its name is that column, and one that no dotted name reaches into stays text
    [row], _ = read(
        {"data.text": "{", "data": "{", "label": '{"a": 1}'}, fields={"text": "data.text", "label": "label"}
    )
    assert (row.text, row.label) == ("{", '{"a": 1}')


@pytest.mark.parametrize(
    ("settings", "document", "reason"),
    [
        ({"format": "label_studio"}, {"data": '{"text": ', "annotations": []}, 'data is not JSON: {"text": '),
        ({"format": "argilla"}, {"fields": {"text": "a"}, "responses": "{tone}"}, "responses is not JSON: {tone}"),
        ({"fields": {"text": "data.text", "label": "l"}}, {"data": "a text", "l": "good"}, "data is not JSON: a text"),
        ({"fields": {"text": "data.text", "label": "l"}}, {"data": "", "l": "good"}, "data.text is missing"),
    ],
)
def test_a_text_that_is_not_json_is_a_reject(settings: dict[str, Any], document: dict[str, Any], reason: str) -> None:
    rows, [(row_id, why, _)] = read(document, **settings)
    assert (rows, row_id, why) == ([], "train:5", reason)


def test_other_texts_of_the_columns_of_a_tool_are_values() -> None:
    [row], _ = read({"text": "[a text", "label": "good"}, format="doccano")
    assert (row.text, row.label) == ("[a text", "good")
    [row], _ = read(
        {"data": "[a text", "tone": "good", "annotation_id": 1, "annotator": 1, "lead_time": 2.0},
        format="label_studio",
        fields={"text": "data", "label": "tone"},
    )
    assert (row.text, row.label) == ("[a text", "good")


def test_people_who_annotated_one_task_are_joined_from_columns_of_json_text(tmp_path: Path) -> None:
    task = {"id": 7, "data": {"text": "a text"}}
    results = [json.dumps([{**CHOICE, "value": {"choices": [tone]}}]) for tone in ("good", "bad")]
    rows = [{"task": json.dumps(task), "result": result, "completed_by": who} for who, result in enumerate(results)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    source = FilesSource(kind="files", paths={str(path): "all"}, format="label_studio")
    [document] = open_source(source, [])
    assert isinstance(document, Document)
    assert len(document.others) == 1
    reader = DocumentReader(source, needs_label=True, needs_entities=False)
    [(_, reason, _)] = reader.read(document)[1]
    assert reason.startswith("annotators disagree")
