from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.sources import conll
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import find_files, iter_rows, read_files
from assay.corpus.sources.text_stream import lines_of

CONLL_2003 = """-DOCSTART- -X- -X- O

EU NNP B-NP B-ORG
rejects VBZ B-VP O

-DOCSTART- -X- -X- O

Peter NNP B-NP B-PER
Blackburn NNP I-NP I-PER
"""
CONLL_2002 = "Melbourne NP B-LOC\n( Fpa O\n\nAñil NC O\n"
GERMEVAL = """#\thttp://de.wikipedia.org/wiki/Manfred_Korfmann\t[2009-10-17]
1\tAufgrund\tO\tO
2\tder\tO\tO
3\tdeutschen\tB-LOCderiv\tO

#\thttp://de.wikipedia.org/wiki/Fink\t[2009-11-10]
1\t#\tO\tO
2\tBayern\tB-ORG\tB-LOC
"""
WNUT = '@paulwalk\tO\n#Empire\tB-location\nState\tI-location\n\t\nFrom\tO\n"\tO\n\n\n'


def read(tmp_path: Path, text: str, name: str = "a.conll", written: str = "utf-8", **settings: Any) -> list[Any]:
    path = tmp_path / name
    path.write_bytes(text.encode(written))
    return list(iter_rows(path, FileSettings(**settings)))


@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.bio", "eng.train", "a.tsv"])
def test_conll_rows_of_conll_2003_have_the_document(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, CONLL_2003, name) == [
        (3, {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"], "document": "1"}),
        (8, {"tokens": ["Peter", "Blackburn"], "tags": ["B-PER", "I-PER"], "document": "2"}),
    ]


def test_conll_rows_take_the_name_of_a_document_and_ignore_a_single_one(tmp_path: Path) -> None:
    text = CONLL_2003.replace("-DOCSTART- -X- -X- O", "-DOCSTART- (12 EU)", 1)

    assert [row["document"] for _, row in read(tmp_path, text)] == ["12 EU", "2"]
    assert "document" not in read(tmp_path, CONLL_2003.rpartition("-DOCSTART-")[0])[0][1]


def test_conll_rows_of_conll_2002_are_read_in_their_encoding(tmp_path: Path) -> None:
    assert read(tmp_path, CONLL_2002, "esp.train", "latin-1", encoding="latin-1") == [
        (1, {"tokens": ["Melbourne", "("], "tags": ["B-LOC", "O"]}),
        (4, {"tokens": ["Añil"], "tags": ["O"]}),
    ]


def test_conll_rows_of_germeval_leave_out_numbers_and_nested_tags(tmp_path: Path) -> None:
    assert read(tmp_path, GERMEVAL, "a.tsv") == [
        (2, {"tokens": ["Aufgrund", "der", "deutschen"], "tags": ["O", "O", "B-LOCderiv"]}),
        (7, {"tokens": ["#", "Bayern"], "tags": ["O", "B-ORG"]}),
    ]
    inner = read(tmp_path, GERMEVAL, "a.tsv", columns={"tokens": 2, "tags": 4, "outer": 3})
    assert inner[1][1] == {"tokens": ["#", "Bayern"], "tags": ["O", "B-LOC"], "outer": ["O", "B-ORG"]}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_conll_rows_of_wnut_keep_hash_signs_and_quotes(tmp_path: Path, end: str) -> None:
    assert read(tmp_path, WNUT.replace("\n", end), "a.txt") == [
        (1, {"tokens": ["@paulwalk", "#Empire", "State"], "tags": ["O", "B-location", "I-location"]}),
        (5, {"tokens": ["From", '"'], "tags": ["O", "O"]}),
    ]


def test_conll_rows_read_comments_as_values(tmp_path: Path) -> None:
    text = "# id = 7\n# label = a b\n# text, free\n# = \tO\nnow\tO\n\n# id = 8\nthen\tO\n"

    assert read(tmp_path, text) == [
        (4, {"id": "7", "label": "a b", "tokens": ["# =", "now"], "tags": ["O", "O"]}),
        (8, {"id": "8", "tokens": ["then"], "tags": ["O"]}),
    ]


def test_conll_rows_keep_hash_signs_whose_tag_is_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, "# 1\nnow 0\n") == [(1, {"tokens": ["#", "now"], "tags": ["1", "0"]})]
    assert read(tmp_path, "# NN\nnow RB\n", columns={"tokens": 1}) == [(1, {"tokens": ["#", "now"]})]


def test_conll_rows_reject_a_sentence_with_another_number_of_columns(tmp_path: Path) -> None:
    text = "a O\nb\nc O\n\n" + "d O\n" * 60

    (_, invalid), (number, row) = read(tmp_path, text)

    assert invalid.id == "a.conll:1"
    assert invalid.reason == "wrong number of columns: 1 in line 2, the file has 2"
    assert (number, len(row["tokens"])) == (5, 60)


def test_conll_rows_reject_invalid_utf8(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes(b"caf\xe9 O\n\nok O\n")

    (_, invalid), (_, row) = iter_rows(path)

    assert isinstance(invalid, InvalidRow)
    assert (invalid.reason, row) == ("not valid UTF-8", {"tokens": ["ok"], "tags": ["O"]})


def test_read_files_groups_sentences_by_their_document(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(CONLL_2003)
    documents = [*read_files(find_files({str(tmp_path / "a.conll"): "train"}))]
    reader = DocumentReader(DocumentFormat(format="tokens"), needs_label=False, needs_entities=True)

    rows = [row for document in documents if isinstance(document, Document) for row in reader.read(document)[0]]

    assert [(row.id, row.text, row.group, row.split) for row in rows] == [
        ("a:3", "EU rejects", "a:1", "train"),
        ("a:8", "Peter Blackburn", "a:2", "train"),
    ]
    named = DocumentFormat.model_validate({"format": "tokens", "fields": {"group": "tags.9", "slices": {"s": "$part"}}})
    [row], _ = DocumentReader(named, needs_label=False, needs_entities=False).read(documents[0])  # type: ignore[arg-type]
    assert row.group is None


WORDS = "Anna B-PER\nleft O\n" * 600


@pytest.mark.parametrize("names", [("a.conll",), ("train.conll", "test.conll")])
def test_read_files_refuse_words_without_a_blank_line(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).write_text(f"\n{WORDS}\n")

    with pytest.raises(AssayError, match=r"no blank line between its 1,200 words, .*; write a blank line after each"):
        next(read_files({tmp_path / name: "all" for name in names}, document_format="tokens"))


def test_read_files_refuse_an_endless_sentence_where_it_becomes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.conll"
    path.write_text(WORDS * 100)
    read_lines = 0

    def counted_lines(*arguments: Any) -> Iterator[bytes]:
        nonlocal read_lines
        for line in lines_of(*arguments):
            read_lines += 1
            yield line

    monkeypatch.setattr(conll, "MAX_TEXT_LENGTH", 10_000)
    monkeypatch.setattr(conll, "lines_of", counted_lines)

    with pytest.raises(AssayError, match=r"no blank line between its first 2,501 words, .*; write a blank line after"):
        next(read_files({path: "all"}, document_format="tokens"))
    assert read_lines == 2_501


@pytest.mark.parametrize("end", ["\n", "-DOCSTART- O\n\n"])
def test_conll_rows_keep_no_more_of_a_sentence_than_a_row_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(conll, "MAX_TEXT_LENGTH", 1_000)

    rows = read(tmp_path, f"Anna B-PER\n\n{WORDS}{end}left O\n")

    assert [number for number, _ in rows] == [1, 3, rows[-1][0]]
    assert isinstance(rows[1][1], InvalidRow)
    assert rows[1][1].reason == "sentence is too long: 251 words and more"
    assert rows[-1][1]["tokens"] == ["left"]
    assert remedy_of(rows[1][1].reason) == "write a blank line after each sentence"


def test_read_files_take_long_documents(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(f"{WORDS}\n{WORDS}")
    (tmp_path / "b.conll").write_text(f"-DOCSTART- O\n{WORDS}-DOCSTART- O\n{WORDS}")
    for number in range(4):
        (tmp_path / f"{number}.bio").write_text(WORDS)

    def count(pattern: str) -> int:
        return len(list(read_files(dict.fromkeys(tmp_path.glob(pattern), "all"), document_format="tokens")))

    assert (count("a.conll"), count("b.conll"), count("*.bio")) == (2, 2, 4)


def test_conll_rows_end_a_sentence_at_a_line_of_a_document(tmp_path: Path) -> None:
    rows = read(tmp_path, "-DOCSTART- O\nAnna B-PER\n-DOCSTART- O\nUlm B-LOC\nburns O\n")

    assert [(row["tokens"], row["document"]) for _, row in rows] == [(["Anna"], "1"), (["Ulm", "burns"], "2")]


def test_conll_rows_skip_a_line_of_column_names(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("token\ttag\nEU\tB-ORG\n\nPeter\tB-PER\n")

    assert list(iter_rows(path)) == [
        (2, {"tokens": ["EU"], "tags": ["B-ORG"]}),
        (4, {"tokens": ["Peter"], "tags": ["B-PER"]}),
    ]


def test_conll_rows_name_the_first_fault_of_a_sentence(tmp_path: Path) -> None:
    (_, invalid), _ = read(tmp_path, "a O\nb\nc O\nd\n\n" + "e O\n" * 60)

    assert invalid.reason == "wrong number of columns: 1 in line 2, the file has 2"
