"""The examples of the page about files are read as the page says."""

import re
from pathlib import Path

import pytest
import yaml

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Entity, Example
from assay.corpus.sources.recognition import describe_file
from assay.recipes.source_section import FilesSource
from assay.runs.source_access import open_source

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "files.md"
FILE = re.compile(r"`([\w./]+)`[^`\n]*\n+```text\n(.*?)```", re.DOTALL)
EXAMPLES = re.findall(
    r"((?:`[\w./]+`[^`\n]*\n+```text\n(?:(?!```).)*```\n+(?:[^`\n]+: )?)+)Read as: ([^\n]+)\n+```yaml\n(source:.*?)```",
    PAGE.read_text(encoding="utf-8"),
    re.DOTALL,
)
ROWS = {
    "reviews.csv": [
        Example("reviews:2", "Gut; gern wieder", label="good", slices={"price": "1.50"}),
        Example("reviews:3", "Schlecht", label="bad", slices={"price": "12.00"}),
    ],
    "quotes.csv": [
        Example("quotes:2", 'he said "no", and left C:\\new', label="bad"),
        Example("quotes:3", "a fine radio", label="good"),
    ],
    "news.csv": [
        Example("news:1", "Prices rose again", label="3", slices={"title": "Oil rises"}),
        Example("news:2", "It is faster", label="4", slices={"title": "A new chip"}),
    ],
    "sentences.csv": [
        Example("1", "EU rejects it", entities=(Entity(0, 2, "ORG"),)),
        Example("2", "New York", entities=(Entity(0, 8, "LOC"),)),
        Example("3", "Peter Blackburn", entities=(Entity(0, 15, "PER"),)),
    ],
    "export.json": [Example("1", "A fine radio", label="good"), Example("2", "A broken radio", label="bad")],
    "users.jsonl": [
        Example("65937b80a1b2c3d4e5f60000", "A fine radio", label="5", time="2023-11-14T22:13:20+00:00"),
        Example("65937b80a1b2c3d4e5f60001", "A broken radio", label="1", time="2023-11-15T22:13:20+00:00"),
    ],
    "ner.conll": [
        Example("ner:4", "EU rejects", entities=(Entity(0, 2, "ORG"),), group="ner:1"),
        Example("ner:9", "Peter Blackburn", entities=(Entity(0, 15, "PER"),), group="ner:2"),
    ],
    "universal.conllu": [
        Example("s1", "Anna fährt zum Bodensee.", entities=(Entity(0, 4, "PER"), Entity(15, 23, "LOC")))
    ],
    "reviews.txt": [
        Example("reviews:1", "A fine radio", label="good"),
        Example("reviews:2", "A broken radio", label="bad"),
    ],
    "snips": [
        Example("train:1", "play some jazz", label="PlayMusic", entities=(Entity(10, 14, "genre"),), split="train"),
        Example("train:2", "hello there", label="Greet", entities=(), split="train"),
    ],
    "drugs": [Example("one", "Aspirin helps Anna.\n", entities=(Entity(0, 7, "DRUG"), Entity(14, 18, "PERSON")))],
    "reviews.tsv": [
        Example("reviews:2", "A fine radio", label="good"),
        Example("reviews:4", "A broken radio", label="bad"),
    ],
}


def test_page_has_an_example_of_each_form() -> None:
    assert [next(iter(yaml.safe_load(recipe)["source"]["paths"])) for _, _, recipe in EXAMPLES] == list(ROWS)


@pytest.mark.parametrize(("files", "description", "recipe"), EXAMPLES, ids=list(ROWS))
def test_examples_are_read_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: str, description: str, recipe: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILE.findall(files):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    source = FilesSource.model_validate(yaml.safe_load(recipe)["source"])
    [name] = source.paths
    reader = DocumentReader(
        source,
        needs_label=source.fields.label is not None,
        needs_entities=source.format == "tokens" or source.fields.entities is not None,
    )

    documents = [document for document in open_source(source, []) if isinstance(document, Document)]
    rows = [row for document in documents for row in reader.read(document)[0]]

    assert str(describe_file(Path(name), source.file)).startswith(description)
    assert rows == ROWS[name]
