"""Rows of one sheet of an Excel workbook. openpyxl is imported on use."""

import warnings
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.corpus.sources.lines import NumberedRow
from assay.corpus.sources.table_layout import column_names, numbered_names


def excel_rows(path: Path, sheet: str | None, columns: Mapping[str, int] | None = None) -> Iterator[NumberedRow]:
    """Yield the rows of a sheet, below its column names, each with its number in the sheet; an empty cell is None.

    Args:
        path: a workbook of Excel 2007 or later.
        sheet: name of the sheet; None reads the first one.
        columns: number of each column by its name, for a sheet without a line of names.

    Raises:
        AssayError: openpyxl is not installed, the workbook is damaged, or it has no such sheet or no column names.
    """
    with path.open("rb") as file:
        workbook = _open(path, file)
        try:
            yield from _rows(path, _sheet(path, workbook, sheet), columns or {})
        except AssayError:
            raise
        except Exception as error:  # of the XML parser; a sheet is read row by row
            raise AssayError(f"{path} is damaged: {first_line(error)}; save it again") from error
        finally:
            workbook.close()


def _rows(path: Path, worksheet: Any, columns: Mapping[str, int]) -> Iterator[NumberedRow]:
    names: tuple[str, ...] = ()
    for number, cells in enumerate(worksheet.iter_rows(values_only=True), start=1):
        if all(cell is None for cell in cells):
            continue
        if not names and columns:
            names = numbered_names(path, columns, len(cells))
        if not names:
            names = column_names(path, ["" if cell is None else str(cell) for cell in cells])
        elif (unnamed := next((cell for cell in cells[len(names) :] if cell is not None), None)) is not None:
            reason = f"a cell has no column name: {unnamed}, and the names are {', '.join(names)}"
            yield number, InvalidRow(f"{path.name}:{number}", reason, shorten([str(cell) for cell in cells]))
        else:
            yield number, dict(zip_longest(names, cells[: len(names)]))
    if not names:
        raise AssayError(f"{path} has no cells in the sheet {worksheet.title!r}; name another in source.file.sheet")


def _open(path: Path, file: BinaryIO) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise AssayError(f"{path} needs openpyxl; run {install_command('excel')}, or save it as CSV") from None
    try:
        with warnings.catch_warnings():
            # openpyxl warns of parts that it does not keep, such as data validation.
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as error:  # of zipfile, of the XML parser and its own
        raise AssayError(f"{path} is damaged or not a workbook: {first_line(error)}; save it again") from error


def _sheet(path: Path, workbook: Any, sheet: str | None) -> Any:
    names = [worksheet.title for worksheet in workbook.worksheets]
    if sheet is not None and sheet not in names:
        raise AssayError(f"{path} has no sheet {sheet!r} (source.file.sheet); name one of {', '.join(names)}")
    if not names:
        raise AssayError(f"{path} has no sheet of cells; save it again")
    return workbook[names[0] if sheet is None else sheet]
