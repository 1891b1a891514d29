from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.sources.fasttext import is_fasttext
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.recognition import describe_file

# The start of cooking.stackexchange.txt, and of the reviews that fastText is shown with.
COOKING = "__label__sauce __label__cheese How much does potato starch affect a cheese sauce recipe?\n"
REVIEW = "__label__2 Stuning even for the non-gamer: This sound track was beautiful! \n"


def read(tmp_path: Path, content: str | bytes, **settings: Any) -> list[Any]:
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert str(describe_file(path, FileSettings(**settings))).startswith("fastText")
    return list(iter_rows(path, FileSettings(**settings)))


def test_fasttext_rows_have_text_and_labels(tmp_path: Path) -> None:
    assert read(tmp_path, COOKING + REVIEW) == [
        (1, {"text": "How much does potato starch affect a cheese sauce recipe?", "__label__": ["sauce", "cheese"]}),
        (2, {"text": "Stuning even for the non-gamer: This sound track was beautiful!", "__label__": ["2"]}),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf__label__a one  two\r\n\r\n__label__b three",
        "__label__a one  two\n\n__label__b three\n".encode("utf-16"),
        b"\t__label__a\tone  two\n   \n__label__b\tthree\n",
        b"one  two __label__a\n__label__b three\n",
    ],
)
def test_fasttext_rows_of_other_line_ends_marks_and_places(tmp_path: Path, content: bytes) -> None:
    rows = [row for _, row in read(tmp_path, content)]
    assert rows == [{"text": "one  two", "__label__": ["a"]}, {"text": "three", "__label__": ["b"]}]


def test_fasttext_rows_keep_words_that_are_no_labels(tmp_path: Path) -> None:
    [(_, row)] = read(tmp_path, "__label__a see x__label__b in __label__c it\n")
    assert row == {"text": "see x__label__b in it", "__label__": ["a", "c"]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"__label__ hello", "not a label of fastText: __label__"),
        (b"__label__a,__label__b hello", "not a label of fastText: __label__a,__label__b"),
        (b"__label__a caf\xe9", "not valid UTF-8: byte 14"),
    ],
)
def test_fasttext_rows_set_broken_lines_aside(tmp_path: Path, line: bytes, reason: str) -> None:
    rows = [row for _, row in read(tmp_path, COOKING.encode() + line + b"\n", kind="fasttext")]

    assert isinstance(rows[1], InvalidRow)
    assert (rows[1].id, rows[1].reason) == ("a.txt:2", reason)
    assert remedy_of(reason) != GENERAL


def test_a_line_without_label_is_a_row_without_labels(tmp_path: Path) -> None:
    assert read(tmp_path, REVIEW * 20 + "no label\n")[-1] == (21, {"text": "no label", "__label__": []})


@pytest.mark.parametrize("text", ["", "text,label\n" + REVIEW, "a text about x__label__y\n", REVIEW + "no label\n"])
def test_is_fasttext_wants_labels_in_nearly_all_lines(text: str) -> None:
    assert not is_fasttext(text)


def test_labels_may_hold_signs_that_separate_cells(tmp_path: Path) -> None:
    rows = read(tmp_path, "__label__Sport|Football a match\n__label__Salem,_OR a town\n__label__b one\n")
    assert [row["__label__"] for _, row in rows] == [["Sport|Football"], ["Salem,_OR"], ["b"]]


@pytest.mark.parametrize("sign", ["\x85", "\u2028", "\v", "\f"])
def test_lines_end_as_they_are_read(tmp_path: Path, sign: str) -> None:
    [(_, row)] = read(tmp_path, f"__label__a one {sign} two\n")
    assert row == {"text": f"one {sign} two", "__label__": ["a"]}
