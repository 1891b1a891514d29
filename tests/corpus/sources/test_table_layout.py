import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import TableLayout
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.table_layout import (
    MOST_RECORDS,
    NO_SEPARATOR,
    column_names,
    fits,
    is_table,
    read_records,
    recognise_table,
    with_point,
)

PATH = Path("rows.csv")


def recognise(text: str, *, whole: bool = True, **settings: object) -> TableLayout:
    return recognise_table(PATH, text, FileSettings.model_validate(settings), whole=whole)


@pytest.mark.parametrize(
    ("text", "separator", "columns"),
    [
        ("text,label\na,b\n", ",", ("text", "label")),
        ("text;label\na, so;b\nc, or;d\n", ";", ("text", "label")),
        ("text|label\na;b|c\n", "|", ("text", "label")),
        ("text\tlabel\n1,5\t2,5\n", "\t", ("text", "label")),
        # Both separators split every record alike: the one with more columns is taken.
        ("a;b,c,d\n1;2,3,4\n", ",", ("a;b", "c", "d")),
        ("text,label\n", ",", ("text", "label")),
        ("text\nhello, world\nagain, and, so\n", NO_SEPARATOR, ("text",)),
        ("text,label,\na,b,\n", ",", ("text", "label")),
        (" text , label \na,b\n", ",", ("text", "label")),
    ],
)
def test_recognise_table_takes_the_separator_that_splits_records_alike(
    text: str, separator: str, columns: tuple[str, ...]
) -> None:
    layout = recognise(text)
    assert (layout.separator, layout.columns) == (separator, columns)


def test_recognise_table_follows_the_sep_line_and_the_settings() -> None:
    layout = recognise("sep=~\r\ntext~label\na,b~c,d\n")
    assert layout == TableLayout(separator="~", separator_line=True, columns=("text", "label"))
    assert recognise("text,label\na,b\n", separator=";").columns == ("text,label",)
    # The settings win over the line, which is not a row either way.
    assert recognise("sep=,\na;b\n1;2\n", separator=";").columns == ("a", "b")


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ('text\tlabel\nsay "hi\tb\n"oh\tc\n', False),
        ('text\tlabel\n"a\tb"\tc\n', True),  # without quotes, the lines would not fit
        ('text\tlabel\n"a ""b"" c"\td\n', True),  # all quotes are paired
        ("text\tlabel\na\tb\n", True),
        ('text,label\n"oh,b\n', True),  # quotes are characters in files with tabs only
    ],
)
def test_recognise_table_reads_unpaired_quotes_as_characters_between_tabs(text: str, quotes: bool) -> None:
    assert recognise(text).quotes is quotes


def test_recognise_table_leaves_quotes_to_the_settings() -> None:
    assert recognise('text\tlabel\n"oh\tb\n', quotes=True).quotes
    assert not recognise('text,label\n"oh,b\n', quotes=False).quotes


@pytest.mark.parametrize(
    ("cells", "decimal", "columns"),
    [
        (["1,5", "2"], None, ("n",)),
        (["1.000,5", "-2,0", "+3"], None, ("n",)),
        (["1.000", "2"], None, ()),  # a thousand or one: without a comma nobody knows
        (["1.000", "2"], ",", ("n",)),
        (["1,5", ""], None, ("n",)),  # an empty cell is no text
        (["1,5", "about 2"], None, ()),
        (["1,5", "2.5"], None, ()),  # a point where no thousands are: not decimal commas
        (["1,5", "2"], ".", ()),
        (["", ""], ",", ()),
    ],
)
def test_recognise_table_finds_the_columns_with_decimal_commas(
    cells: list[str], decimal: str | None, columns: tuple[str, ...]
) -> None:
    text = "text;n\n" + "".join(f"a;{cell}\n" for cell in cells)
    assert recognise(text, decimal=decimal).decimal_columns == columns


def test_recognise_table_refuses_a_file_without_column_names() -> None:
    with pytest.raises(AssayError, match=r"rows\.csv needs a first line that names each column once, but has \[\]"):
        recognise("\n\n")


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("a,b\n1,2\n3,4\n", True, True),
        ("a,b\n1,2\n", True, False),  # two sentences may hold a comma each
        ("a\tb\n1\t2\n", True, True),
        ("a\n1\n2\n3\n", True, False),
        ("a,b\n" + "1,2\n" * 8 + "1\n", True, False),  # eight of nine
        ("a,b\n" + "1,2\n" * 9 + "1\n", True, True),  # nine of ten
        ("sep=;\na;b\n1;2\n3;4\n", True, True),
        ("a,b\n1,2\n3", False, False),  # what ends inside a record does not count
    ],
)
def test_is_table_needs_nearly_all_records_to_fit(text: str, whole: bool, expected: bool) -> None:
    assert is_table(recognise(text, whole=whole), text, whole=whole) is expected


def test_read_records_leaves_out_what_may_be_incomplete() -> None:
    text = "a,b\n1,2\n3,"
    assert read_records(text, ",", True, whole=True) == [["a", "b"], ["1", "2"], ["3", ""]]
    assert read_records(text, ",", True, whole=False) == [["a", "b"], ["1", "2"]]
    # The names alone, in a file whose first row is longer than the text.
    assert read_records("a,b\n", ",", True, whole=False) == [["a", "b"]]


def test_read_records_skips_blank_lines_and_reads_a_bounded_number() -> None:
    assert read_records("a\n\n\nb\n", ",", True, whole=True) == [["a"], ["b"]]
    assert len(read_records("a,b\n" * 9_999, ",", True, whole=False)) == MOST_RECORDS + 1


@pytest.fixture
def short_cells() -> Iterator[None]:
    """Python's limit of the length of a cell, which is one of the process, is 1,000 characters."""
    before = csv.field_size_limit(1_000)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("short_cells")
def test_read_records_keeps_the_records_before_a_cell_that_is_too_long() -> None:
    text = "a,b\n1,2\n" + "x" * 2_000 + ",3\n4,5\n"
    assert read_records(text, ",", True, whole=True) == [["a", "b"], ["1", "2"]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([], r"needs a first line that names each column once, but has \[\]; add it"),
        (["", " "], r"needs a first line that names each column once, but has \['', ' '\]; add it"),
        (["a", "b", " a"], "has the column 'a' more than once; its first line must name each column once"),
        (["", "", "b"], "has several columns without a name; its first line must name each column once"),
    ],
)
def test_column_names_refuses_missing_and_repeated_names(cells: list[str], message: str) -> None:
    with pytest.raises(AssayError, match=f"^rows.csv {message}$"):
        column_names(PATH, cells)


def test_column_names_takes_one_column_without_a_name() -> None:
    # As pandas writes an index.
    assert column_names(PATH, ["", "text", "label ", ""]) == ("", "text", "label")


def test_column_names_shortens_a_long_line_in_the_error() -> None:
    with pytest.raises(AssayError) as caught:
        column_names(PATH, [" "] * 999)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("cells", "width", "expected"),
    [(["a", "b"], 2, True), (["a"], 2, False), (["a", "b", "", ""], 2, True), (["a", "b", "c"], 2, False)],
)
def test_fits_ignores_empty_cells_at_the_end(cells: list[str], width: int, expected: bool) -> None:
    assert fits(cells, width) is expected


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1,5", "1.5"),
        ("1.002,25", "1002.25"),
        ("-1.000.000", "-1000000"),
        ("12", "12"),
        ("1.5", "1.5"),
        ("1,5 kg", "1,5 kg"),
        ("10.11.2024", "10.11.2024"),
        ("", ""),
    ],
)
def test_with_point_changes_numbers_only(cell: str, number: str) -> None:
    assert with_point(cell) == number
