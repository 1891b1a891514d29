from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from assay.corpus.errors import AssayError
from assay.corpus.sources.arrow_files import arrow_rows, is_arrow
from assay.corpus.sources.recognition import describe_file

ROWS = 2_500


def write_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table, max_chunksize=700)


def write_file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


WRITERS = [write_stream, write_file, pyarrow.feather.write_feather]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("rows", [0, 1, ROWS])
def test_arrow_rows_are_all_rows_with_their_numbers(
    tmp_path: Path, write: Callable[[pa.Table, Path], None], rows: int
) -> None:
    path = tmp_path / "rows.bin"
    write(pa.table({"n": pa.array(range(rows), pa.int64())}), path)

    assert list(arrow_rows(path)) == [(number, {"n": number - 1}) for number in range(1, rows + 1)]
    assert str(describe_file(path)) == "Arrow"


def test_arrow_rows_name_the_classes_of_datasets(tmp_path: Path) -> None:
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features=features).save_to_disk(tmp_path / "saved")

    [path] = (tmp_path / "saved").glob("*.arrow")
    assert [row for _, row in arrow_rows(path)] == [{"text": "a", "label": "good"}, {"text": "b", "label": None}]


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kept", [7, 100, -1000])
def test_arrow_rows_name_a_file_that_is_cut_off(
    tmp_path: Path, write: Callable[[pa.Table, Path], None], kept: int
) -> None:
    path = tmp_path / "rows.arrow"
    write(pa.table({"n": range(ROWS)}), path)
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(AssayError, match=r"rows\.arrow is damaged or not Arrow: .+; write it again") as caught:
        list(arrow_rows(path))
    assert "\n" not in str(caught.value)


def test_arrow_rows_refuse_two_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    write_stream(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    with pytest.raises(AssayError, match="has the column 'a' more than once"):
        list(arrow_rows(path))


def test_is_arrow_is_false_for_text() -> None:
    assert not is_arrow(b"ARROW shot\n")
    assert not is_arrow("\ufeffa".encode("utf-16-le"))
