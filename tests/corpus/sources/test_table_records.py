"""Records of tables whose quotation marks are not paired: every line is read or named, and no row is made up."""

import csv
import io
import random
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources import table_records
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from tests.corpus.sources.accounted_lines import check_accounted

HEADER = ["id", "text", "label"]


def plain(first: int, last: int) -> str:
    return "".join(f"k{number},shirt {number},good\n" for number in range(first, last + 1))


def read(folder: Path, text: str, **settings: Any) -> tuple[list[str], list[str]]:
    """Return the ids of the rows, and line and reason of each rejected row."""
    path = folder / "a.csv"
    path.write_text(text, encoding="utf-8", newline="")
    rows = [row for _, row in iter_rows(path, FileSettings(**settings))]
    rejected = [f"{row.id.partition(':')[2]} {row.reason}" for row in rows if isinstance(row, InvalidRow)]
    return [row["id"] for row in rows if isinstance(row, dict)], rejected


UNCLOSED = "a quotation mark is not closed: it opens in line"


@pytest.mark.parametrize(
    ("records", "ids", "rejected"),
    [
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 9) + 'k10,"x" olive,good\n',
            "k2 k3 k4 k5 k6 k7 k8 k9",
            [
                f"2 {UNCLOSED} 2, and the next one is in line 11",
                '11 text follows a closing quotation mark: "x" olive,good (the cell opens in line 11)',
            ],
            id="a cell that has quotation marks, later",
        ),
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 4) + 'k5,"olive, blue\nand so",good\nk6,"tan, red",bad\n',
            "k2 k3 k4 k5 k6",
            [f"2 {UNCLOSED} 2, and the next one is in line 6"],
            id="a quoted cell, later",
        ),
        pytest.param(
            'k1,"umber,bad\nk2,"olive",good\n',
            "k2",
            [f"2 {UNCLOSED} 2, and the next one is in line 3"],
            id="a quoted cell in the next row",
        ),
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 4) + 'k5,", and olive",good\n',
            "k2 k3 k4 k5",
            [f"2 {UNCLOSED} 2, and the next one is in line 6"],
            id="a quoted cell that begins with a separator",
        ),
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 4) + 'k5,nail 5" long,good\n' + plain(6, 7),
            "k2 k3 k4 k5 k6 k7",
            [f"2 {UNCLOSED} 2, and the next one is in line 6"],
            id="inches in a cell",
        ),
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 4) + 'k5,screen 15",good\n' + plain(6, 7),
            "k2 k3 k4 k5 k6 k7",
            [f"2 {UNCLOSED} 2, and the next one is in line 6"],
            id="inches at the end of a cell",
        ),
        pytest.param(
            'k1,"umber,bad\n' + plain(2, 4), "k2 k3 k4", [f"2 {UNCLOSED} 2"], id="no other quotation mark in the file"
        ),
        pytest.param(plain(1, 2) + 'k3,"cut in\nthe middle', "k1 k2", [f"5 {UNCLOSED} 4"], id="a file that was cut"),
        pytest.param(
            'k1,"Great.\nThe "best" pizza.\nGo",good\n' + plain(2, 3),
            "k2 k3",
            ['4 text follows a closing quotation mark: The "best" pizza. (the cell opens in line 2)'],
            id="quotation marks in a quoted text of several lines",
        ),
        pytest.param(
            'k1,"the "best" one\nGo",good\n' + plain(2, 3),
            "k2 k3",
            ['3 text follows a closing quotation mark: "the "best" one (the cell opens in line 2)'],
            id="quotation marks in the first line of a quoted text",
        ),
        pytest.param(
            # Backslashes before closing quotation marks, so that nobody knows whether they escape.
            'k1,"he said \\"no\\", and left",bad\nk2,"a \\"b\\"\nc",bad\n'
            + "".join(f'k{number},"C:\\new\\",good\n' for number in range(3, 7)),
            "k3 k4 k5 k6",
            [
                "2 a quotation mark is escaped by a backslash: in a cell that opens in line 2",
                "4 a quotation mark is escaped by a backslash: in a cell that opens in line 3",
            ],
            id="backslashes",
        ),
        pytest.param(
            'k1,"two\nlines",good,more\nk2,olive,good\n',
            "k2",
            ["3 wrong number of cells: 4, the header has 3, in lines 2 to 3"],
            id="a record of several lines with another number of cells",
        ),
    ],
)
def test_table_records_reject_an_unclosed_quote_alone(
    tmp_path: Path, records: str, ids: str, rejected: list[str]
) -> None:
    text = "id,text,label\n" + records

    assert read(tmp_path, text) == (ids.split(), rejected)
    assert read(tmp_path, text.replace("\n", "\r\n")) == (ids.split(), rejected)


LIST = "Seen:\n" + "".join(f"{number},shirt {number}\n" for number in range(1, 20)) + "20,shirt"


@pytest.mark.parametrize("header", ["label,text", "text,label"])
def test_table_records_read_a_text_whose_lines_look_like_rows(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header.split(","), lineterminator="\n")
        writer.writeheader()
        writer.writerows([{"label": "good", "text": LIST}, {"label": "bad", "text": "olive"}])

    assert [row for _, row in iter_rows(path)] == [{"label": "good", "text": LIST}, {"label": "bad", "text": "olive"}]


@pytest.mark.parametrize("last", ['bad,screen 15"\n', 'bad,nail 5"\r\n'])
def test_table_records_reject_a_closed_quote_around_rows_of_known_labels(tmp_path: Path, last: str) -> None:
    path = tmp_path / "a.csv"
    inside = "".join(f"{('good', 'bad')[number % 2]},shirt {number}\n" for number in range(12))
    path.write_text(f'label,text\ngood,"umber\n{inside}{last}', encoding="utf-8", newline="")

    first, *others = [row for _, row in iter_rows(path)]

    assert isinstance(first, InvalidRow)
    assert first.reason == f"{UNCLOSED} 2, and the next one is in line 15"
    assert len(others) == 13
    assert all(isinstance(row, dict) for row in others)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"two\nlines"', "two\nlines"),
        ('"a, b\n""c"" d, e\n"', 'a, b\n"c" d, e\n'),
        ('"k1,shirt 1,good\nk2,shirt 2,good"', "k1,shirt 1,good\nk2,shirt 2,good"),
        ('""', ""),
        ('""""', '"'),
        ('"C:\\new\\"', "C:\\new\\"),
        ('5" nail', '5" nail'),
        ('say "hi" now', 'say "hi" now'),
        ('"olive" ', "olive"),
        ('"o\nlive"\t ', "o\nlive"),
    ],
)
def test_table_records_read_a_cell_that_is_closed(tmp_path: Path, cell: str, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,text,label\nk1,{cell},good\n" + plain(2, 4), encoding="utf-8")

    rows = [row for _, row in iter_rows(path)]

    assert rows[0] == {"id": "k1", "text": text, "label": "good"}
    assert len(rows) == 4


def test_table_records_read_quoted_cells_after_blanks(tmp_path: Path) -> None:
    valid = "".join(f'k{number}, "shirt, {number}\nnew ""one""",  "good"\n' for number in range(5))
    text = f'id, text, label\n{valid}k5, "umber, "bad"\nk6, plain , good\nk7, "a "b" c", bad\nk8, " olive", bad\n'
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")

    rows = [row for _, row in iter_rows(path)]

    texts = [(row["text"], row["label"]) for row in rows if isinstance(row, dict)]
    assert texts[:5] == [(f'shirt, {number}\nnew "one"', "good") for number in range(5)]
    assert texts[5:] == [("plain ", "good"), (" olive", "bad")]
    assert [row.reason for row in rows if isinstance(row, InvalidRow)] == [
        'text follows a closing quotation mark: "umber, "bad" (the cell opens in line 12)',
        'text follows a closing quotation mark: "a "b" c", bad (the cell opens in line 14)',
    ]


def test_table_records_keep_a_few_quotation_marks_after_blanks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text,label\nk1, "olive" is nice,good\n' + plain(2, 4), encoding="utf-8")

    (_, row), *_ = iter_rows(path)
    assert isinstance(row, dict)
    assert row["text"] == ' "olive" is nice'


def test_table_records_take_quotation_marks_as_characters_where_the_settings_say_so(tmp_path: Path) -> None:
    text = 'id,text,label\nk1,"umber,bad\n' + plain(2, 4) + 'k5,"x" olive,good\n'

    assert read(tmp_path, text, quotes=False) == (["k1", "k2", "k3", "k4", "k5"], [])


WELL_FORMED = ["shirt", "", 'he said "no"', "a, b", "two\nlines", 'so, "a"\n\nb, c', '"', "5 kg"]


def table(random_: random.Random) -> tuple[str, dict[int, str], set[int]]:
    """Return a table, the id of each valid record by its last line, and the lines of unclosed quotation marks."""
    text, valid, unclosed = "id,text,label\n", {}, set()
    for number in range(random_.randint(1, 60)):
        if random_.random() < 0.1:
            text += f'k{number},"umber {number},bad\n'
            unclosed.add(text.count("\n"))
            continue
        target = io.StringIO()
        csv.writer(
            target, lineterminator="\n", quoting=csv.QUOTE_ALL if random_.random() < 0.5 else csv.QUOTE_MINIMAL
        ).writerow([f"k{number}", random_.choice(WELL_FORMED), "good"])
        text += target.getvalue()
        valid[text.count("\n")] = f"k{number}"
    return text, valid, unclosed


@pytest.mark.parametrize("seed", range(200))
def test_table_records_account_for_every_line(tmp_path: Path, seed: int) -> None:
    text, valid, unclosed = table(random.Random(seed))  # reproducible
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")

    check_accounted(path, valid, unclosed)


def test_table_records_bound_the_memory_of_an_unclosed_quote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_records, "LARGEST_CELL", 1_000)
    limit = csv.field_size_limit()
    try:
        ids, rejected = read(tmp_path, 'id,text,label\nk0,"umber,bad\n' + plain(1, 999))
        assert (ids, rejected) == ([f"k{number}" for number in range(1, 1_000)], [f"2 {UNCLOSED} 2"])

        with pytest.raises(
            AssayError, match=r"a\.csv has a cell of .* it opens in line 3; close it, or set source\.fi"
        ):
            read(tmp_path, 'id,text,label\nk0,a,good\nk1,"umber\n' + "no row\n" * 999)
        assert read(tmp_path, f"id,text,label\nk0,{'x' * 2_000},good\nk1,a,good\n") == (
            ["k1"],
            ["2 not valid CSV: field larger than field limit (1000)"],
        )
    finally:
        csv.field_size_limit(limit)
