"""Every line of a damaged table is a row, or named by a rejected one."""

from collections.abc import Mapping
from pathlib import Path

from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.recognition import DEFAULT


def check_accounted(path: Path, valid: Mapping[int, str], unclosed: set[int], settings: FileSettings = DEFAULT) -> None:
    """Check that no row is made up or lost without a word.

    Args:
        path: a table with a line of names and a column `id`.
        valid: id of each valid row, by its last line.
        unclosed: lines whose quotation mark is never closed.
        settings: how the table is read.
    """
    used, named, last = {}, set(), 1
    for number, row in iter_rows(path, settings):
        assert number > last
        if isinstance(row, dict):
            used[number] = row["id"]
        else:
            named |= set(range(last + 1, number + 1))
        last = number

    assert used.items() <= valid.items()  # no row is made up
    assert valid.keys() - used.keys() <= named  # and none is lost without a word
    assert unclosed <= named
    assert len(valid) - len(used) <= 2 * len(unclosed)
