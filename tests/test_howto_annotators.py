"""The examples of the page about annotation tools are read as the page says."""

import re
from pathlib import Path

import pytest
import yaml

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Entity, Example
from assay.recipes.source_section import FilesSource
from assay.runs.source_access import open_source

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "annotators.md"
EXAMPLES = re.findall(
    r"`([\w.]+)`:\n\n```text\n(.*?)```\n\n```yaml\n(source:.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
)
ORG = Entity(0, 6, "ORG")
ROWS = {
    "tasks.json": Example("1", "Globex buys land in Rome", label="good", entities=(ORG,), group="anna"),
    "admin.jsonl": Example("admin:1", "Globex buys land in Rome", entities=(ORG, Entity(20, 24, "LOC"))),
    "annotations.jsonl": Example("annotations:1", "Globex buys land", entities=(ORG,)),
    "train.jsonl": Example("train:1", "Globex buys land", label="good", entities=(ORG,)),
    "records.json": Example("r1", "Globex buys land", label="good", entities=(ORG,)),
    "topics.json": Example("1", "Globex buys land in Rome", labels=("land", "money"), entities=()),
    "words.jsonl": Example("words:1", "Zoë left.", entities=(Entity(0, 3, "PER"),)),
    "bigbio.json": Example(
        "0", "😀 Aspirin helps", label="good", entities=(Entity(2, 9, "DRUG"),), time="2024-05-02T08:11:31+00:00"
    ),
}


def test_page_has_an_example_of_each_tool() -> None:
    assert [name for name, _, _ in EXAMPLES] == list(ROWS)


@pytest.mark.parametrize(("name", "content", "recipe"), EXAMPLES, ids=list(ROWS))
def test_examples_are_read_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, recipe: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content, encoding="utf-8")
    source = FilesSource.model_validate(yaml.safe_load(recipe)["source"])
    row = ROWS[name]
    needs = {"needs_label": row.label is not None, "needs_labels": row.labels is not None}
    reader = DocumentReader(source, needs_entities=True, **needs)

    documents = list(open_source(source, []))
    results = [reader.read(document) for document in documents if isinstance(document, Document)]

    assert [row for rows, _ in results for row in rows] == [ROWS[name]]
    assert not [reject for _, rejects in results for reject in rejects]
