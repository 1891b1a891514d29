"""Tables whose quotation marks are escaped: what csv.writer, Spark and MySQL write is read back."""

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.table_escape import for_csv_module, masked
from tests.corpus.sources.accounted_lines import check_accounted

HEADER = ["id", "text", "label"]
ESCAPED = FileSettings(escape="\\", separator=",", kind="table", decimal=".")


def read(path: Path, settings_: FileSettings) -> tuple[list[dict[str, Any]], list[InvalidRow]]:
    rows = [row for _, row in iter_rows(path, settings_)]
    return [row for row in rows if isinstance(row, dict)], [row for row in rows if isinstance(row, InvalidRow)]


def written(folder: Path, records: Sequence[Sequence[str]], **format_: Any) -> Path:
    path = folder / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, escapechar="\\", doublequote=False, **format_)
        writer.writerow(HEADER)
        writer.writerows(records)
    return path


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.sampled_from('"\\,;\n\r\t N0a'), max_size=6), min_size=1, max_size=8),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]),
)
@example(["\\N", "\\\\N", "N", "\\", '\\"', '"\\', "a\\", ",\\N,", "\n\\N"], csv.QUOTE_NONE)
@example(['said "no", and\nleft\\', '"', '""', '\\"\\'], csv.QUOTE_ALL)
def test_tables_of_csv_writer_are_read_back(tmp_path: Path, texts: list[str], quoting: int) -> None:
    records = [[f"k{number}", text, "good"] for number, text in enumerate(texts)]
    path = written(tmp_path, records, quoting=quoting)

    rows, rejected = read(path, ESCAPED.model_copy(update={"quotes": quoting != csv.QUOTE_NONE}))

    assert rejected == []
    assert [list(row.values()) for row in rows] == records


WELL_FORMED = ["shirt", "", 'he said "no"', "a, b", "two\nlines", 'so, "a"\n\nb, c', '"', "C:\\new\\", "\\N"]


@pytest.mark.parametrize("seed", range(200))
def test_tables_with_escapes_account_for_every_line(tmp_path: Path, seed: int) -> None:
    source = random.Random(seed)  # reproducible
    text, valid, unclosed = "id,text,label\n", {}, set()
    for number in range(source.randint(1, 60)):
        if source.random() < 0.1:
            text += f'k{number},"umber {number},bad\n'
            unclosed.add(text.count("\n"))
            continue
        target = io.StringIO()
        writer = csv.writer(
            target,
            lineterminator="\n",
            quoting=csv.QUOTE_ALL if source.random() < 0.5 else csv.QUOTE_MINIMAL,
            escapechar="\\",
            doublequote=False,
        )
        writer.writerow([f"k{number}", source.choice(WELL_FORMED), "good"])
        text += target.getvalue()
        valid[text.count("\n")] = f"k{number}"
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")

    check_accounted(path, valid, unclosed, ESCAPED)


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('"he said \\"no\\", and left"', 'he said "no", and left'),
        ('"C:\\\\new\\\\"', "C:\\new\\"),  # Spark escapes backslashes inside of quotation marks
        ("C:\\new", "C:\\new"),  # and not outside
        ('"a\\tb"', "a\\tb"),
        ('"doubled ""too"""', 'doubled "too"'),
        ("\\N", ""),  # null of MySQL
        ('"\\\\N"', "\\N"),
        ("x\\N", "x\\N"),
        ('"two\\\nlines"', "two\nlines"),
        ("two\\\nlines", "two\nlines"),
        ('"of\r\\\nWindows"', "of\r\nWindows"),  # as MySQL writes it
        ("a\\, b", "a, b"),
        ('\\"quoted\\"', '"quoted"'),
    ],
)
def test_an_escape_is_read_as_its_writers_mean_it(tmp_path: Path, cell: str, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,text,label\nk1,{cell},good\nk2,olive,bad\n", encoding="utf-8", newline="")

    assert read(path, ESCAPED) == (
        [{"id": "k1", "text": text, "label": "good"}, {"id": "k2", "text": "olive", "label": "bad"}],
        [],
    )


def test_a_dump_of_mysql_is_read_by_the_numbers_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "news.txt"
    path.write_text('1\tone\\\ttab\tgood\n2\ttwo\\\nlines\t\\N\n3\t"three" \\\\o/\tbad\n', encoding="utf-8")
    columns = {"id": 1, "text": 2, "label": 3}

    rows, rejected = read(path, FileSettings(escape="\\", columns=columns))

    assert rejected == []
    assert [(row["text"], row["label"]) for row in rows] == [
        ("one\ttab", "good"),
        ("two\nlines", ""),
        ('"three" \\o/', "bad"),
    ]


def test_faults_of_a_table_with_escapes_quote_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text,label\nk1,"the \\"best\\" "one" here",good\nk2,"a \\" b",bad\n', encoding="utf-8")

    rows, rejected = read(path, ESCAPED)

    assert [row["text"] for row in rows] == ['a " b']
    assert [row.reason for row in rejected] == [
        'text follows a closing quotation mark: "the \\"best\\" "one" here",good (the cell opens in line 2)'
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a\\,b,\\N\n", "a\\,b,\n"),
        ("\\N,\\N,\\N", ",,"),
        ("\\\\,\\N", "\\\\,"),
        ("a\\,\\N", "a\\,\\\\N"),
        ("\\\\N,\\x,\\", "\\\\N,\\\\x,\\\\"),
    ],
)
def test_for_csv_module_doubles_an_escape_that_escapes_nothing(line: str, expected: str) -> None:
    assert for_csv_module(line, "\\", ",") == expected


def test_masked_hides_what_is_escaped_and_keeps_the_length() -> None:
    text = 'a\\"b\\\\",\\,\\n\\\n'

    assert masked(text, None, ",") == text
    assert masked(text, "\\", ",") == 'a\x1f\x1fb\x1f\x1f",\x1f\x1f\\n\x1f\x1f'


@pytest.mark.parametrize("character", ['"', "n", " ", "\n", "\\\\", ""])
def test_file_settings_refuse_what_escapes_nothing(character: str) -> None:
    with pytest.raises(ValueError, match="escape"):
        FileSettings(escape=character)
    with pytest.raises(ValueError, match=r"source\.file\.escape is '\|', the separator; name another character"):
        FileSettings(escape="|", separator="|")


def test_an_escaped_quotation_mark_has_a_remedy_where_it_was_not_recognised(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('te"xt,"label\\"s\na,b\n', encoding="utf-8")

    with pytest.raises(AssayError, match=r'source\.file\.escape to "\\\\", or write ""'):
        read(path, FileSettings())
