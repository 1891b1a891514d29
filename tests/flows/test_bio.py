import json
from pathlib import Path

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.sources.files import read_files
from assay.flows.bio import JOINED_WORDS, bio_row, bio_writer, dump_bio, parse_split
from tests.flows.tiny import make_recipe


def test_bio_row_returns_words_and_tags() -> None:
    row = bio_row(Example("1", "Süß & Söhne, Ulm", label="up", entities=(Entity(0, 11, "ORG"), Entity(13, 16, "CITY"))))
    assert row["tokens"] == ["Süß", "&", "Söhne", ",", "Ulm"]
    assert row["tags"] == ["B-ORG", "I-ORG", "I-ORG", "O", "B-CITY"]


def test_bio_row_tags_a_partly_covered_word_as_a_whole() -> None:
    assert bio_row(Example("1", "Viruslast", entities=(Entity(0, 5, "X"),)))["tags"] == ["B-X"]


def test_bio_row_makes_a_word_of_each_letter_of_a_script_without_spaces() -> None:
    row = bio_row(Example("1", "我在北京。", entities=(Entity(2, 4, "LOC"),)))
    assert (row["tokens"], row["tags"]) == (["我", "在", "北", "京", "。"], ["O", "O", "B-LOC", "I-LOC", "O"])


def test_bio_row_keeps_given_words() -> None:
    form = DocumentFormat.model_validate({"format": "tokens"})
    values = {"tokens": ["at", "5", "p.m.", "in", "New", "York"], "tags": ["O", "B-T", "I-T", "O", "B-C", "I-C"]}
    reader = DocumentReader(form, needs_label=False, needs_entities=True)
    [example], _ = reader.read(Document("rows:1", values))
    row = json.loads(json.dumps(bio_row(example, JOINED_WORDS)))
    assert {name: row[name] for name in values} == values
    assert reader.read(Document("rows:1", row))[0] == [example]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.conll", "rows.txt", "rows.tsv"])
def test_bio_writer_writes_what_files_read(tmp_path: Path, name: str) -> None:
    examples = [
        Example("a", "Acme # opens", label="up it", entities=(Entity(0, 4, "ORG"), Entity(5, 6, "X")), split="train"),
        Example("b:2", "nothing in here", label="down", entities=(), split="test"),
    ]
    path = tmp_path / name
    rows = [bio_row(example, JOINED_WORDS, example.split) for example in examples]  # type: ignore[arg-type]
    path.write_text("".join(map(bio_writer(path), rows)), encoding="utf-8")
    form = DocumentFormat.model_validate(
        {"format": "tokens", "fields": {"id": "id", "label": "label", "split": "split"}}
    )
    reader = DocumentReader(form, needs_label=True, needs_entities=True)

    documents = list(read_files({path: "all"}, document_format="tokens"))

    assert [reader.read(document) for document in documents if isinstance(document, Document)] == [
        ([example], []) for example in examples
    ]


def test_bio_writer_leaves_out_what_a_row_has_not() -> None:
    row = bio_row(Example("a", "Acme opens", entities=(Entity(0, 4, "ORG"),)))
    assert bio_writer(Path("rows.conll"))(row) == "# id = a\nAcme\tB-ORG\nopens\tO\n\n"


def test_parse_split_reports_an_unknown_split_in_one_line() -> None:
    assert parse_split(None) is None
    assert parse_split("test") == "test"
    with pytest.raises(AssayError, match="--split dev: no such split; splits are train, validation, test"):
        parse_split("dev")


def test_dump_bio_requires_a_token_head(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, model={"heads": ["sentence"]}, gate={"min_f1": {"sentence": 0.5}})
    with pytest.raises(AssayError, match=r"tiny has no BIO tags, since model.heads is \['sentence'\]"):
        dump_bio(recipe, tmp_path, tmp_path / "out.conll")
