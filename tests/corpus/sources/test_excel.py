from datetime import datetime
from pathlib import Path

import openpyxl
import openpyxl.chart
import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.recognition import describe_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in ([" text ", "label", "at", None], ["schön", 3, datetime(2024, 1, 2)], [], [None, True], [1, 2, 3, "x"]):
        sheet.append(row)
    workbook.create_sheet("more").append(["text"])
    workbook["more"].append(["second"])
    workbook.create_sheet("none")
    workbook.save(tmp_path / "rows.xlsx")
    return tmp_path / "rows.xlsx"


def test_excel_rows_are_those_of_the_first_sheet(path: Path) -> None:
    assert str(describe_file(path)) == "Excel"
    assert list(iter_rows(path)) == [
        (2, {"text": "schön", "label": 3, "at": datetime(2024, 1, 2)}),
        (4, {"text": None, "label": True, "at": None}),
        (
            5,
            InvalidRow(
                "rows.xlsx:5", "a cell has no column name: x, and the names are text, label, at", ["1", "2", "3", "x"]
            ),
        ),
    ]


def test_excel_rows_are_those_of_the_sheet_that_is_set(path: Path) -> None:
    settings = FileSettings(sheet="more")

    assert str(describe_file(path, settings)) == "Excel, sheet 'more'"
    assert list(iter_rows(path, settings)) == [(2, {"text": "second"})]


def test_excel_rows_are_read_whatever_the_name_of_the_file(path: Path) -> None:
    renamed = path.rename(path.with_suffix(".csv"))

    assert str(describe_file(renamed)) == "Excel, not what its name says"
    assert next(row for _, row in iter_rows(renamed)) == {"text": "schön", "label": 3, "at": datetime(2024, 1, 2)}


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        ("other", r"has no sheet 'other' \(source\.file\.sheet\); name one of Sheet, more, none"),
        ("none", r"has no cells in the sheet 'none'; name another in source\.file\.sheet"),
    ],
)
def test_excel_rows_refuse_other_sheets(path: Path, sheet: str, message: str) -> None:
    with pytest.raises(AssayError, match=message):
        list(iter_rows(path, FileSettings(sheet=sheet)))


def test_excel_rows_name_a_damaged_workbook(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"PK\x03\x04", b"PK\x03\x05", 3)[: len(content)])

    with pytest.raises(AssayError) as error:
        list(iter_rows(path))
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)


def test_excel_rows_refuse_a_workbook_of_charts_alone(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.create_chartsheet("chart").add_chart(openpyxl.chart.BarChart())
    workbook.remove(workbook["Sheet"])
    workbook.save(tmp_path / "charts.xlsx")

    with pytest.raises(AssayError, match=r"charts\.xlsx has no sheet of cells; save it again"):
        list(iter_rows(tmp_path / "charts.xlsx"))


def test_excel_rows_take_the_names_of_the_settings(path: Path) -> None:
    settings = FileSettings(sheet="more", columns={"title": 1})

    assert str(describe_file(path, settings)) == "Excel, sheet 'more', no line of names"
    assert list(iter_rows(path, settings)) == [(1, {"title": "text"}), (2, {"title": "second"})]
