import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import RowChunk
from assay.serving.batch.output import SUFFIXES, open_writer, output_suffix
from assay.serving.batch.scan import Column
from assay.serving.engine import Engine, Row
from assay.serving.prediction_options import PredictionOptions
from tests.bundles import build_bundle
from tests.serving.conftest import BuildToy

TEXT = Column("text", pa.string())


def _write(engine: Engine, path: Path, rows: list[dict[str, Any]], columns: list[Column], **settings: Any) -> Path:
    texts = [row["text"] for row in rows]
    with open_writer(output_suffix(path), path, engine, columns, **settings) as writer:
        refused = writer.write(
            RowChunk(list(enumerate(rows, 1))), range(len(rows)), texts, engine.predict([*map(Row, texts)])
        )
    assert refused == {}
    return path


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("OUT.JSONL", ".jsonl"), ("a.b.csv.gz", ".csv.gz"), ("x.tsv", ".tsv"), ("table.Parquet", ".parquet")],
)
def test_output_suffix_reads_the_end_of_the_name(name: str, suffix: str) -> None:
    assert output_suffix(Path(name)) == suffix


@pytest.mark.parametrize("name", ["out", "out.json", "out.parquet.gz", "out.csv.bz2"])
def test_output_suffix_refuses_other_files_with_those_that_it_writes(name: str) -> None:
    with pytest.raises(AssayError, match=f"{name} cannot be written; end its name with one of") as caught:
        output_suffix(Path(name))
    assert str(caught.value).endswith(", ".join(SUFFIXES))


@pytest.mark.parametrize("name", ["out.jsonl.gz", "out.csv.gz", "out.tsv.gz"])
def test_open_writer_compresses_the_same_rows_to_the_same_bytes(engine: Engine, tmp_path: Path, name: str) -> None:
    first, second = (tmp_path / f"{number}-{name}" for number in range(2))
    assert _write(engine, first, [{"text": "good"}], [TEXT]).read_bytes() == (
        _write(engine, second, [{"text": "good"}], [TEXT]).read_bytes()
    )
    assert gzip.decompress(first.read_bytes())


def test_open_writer_quotes_cells_that_hold_separators_quotes_and_lines(engine: Engine, tmp_path: Path) -> None:
    text = 'good, "Apple"\tand\r\nmore'
    for name, separator in (("out.csv", ","), ("out.tsv", "\t")):
        data = _write(engine, tmp_path / name, [{"text": text}], [TEXT]).read_bytes().decode()
        (row,) = csv.DictReader(io.StringIO(data, newline=""), delimiter=separator)
        assert (row["text"], row["label"], row["truncated"]) == (text, "up", "false")


def test_open_writer_leaves_the_header_out_of_later_shards(engine: Engine, tmp_path: Path) -> None:
    path = _write(engine, tmp_path / "out.csv", [{"text": "bad"}], [TEXT], header=False)
    (line,) = path.read_text().splitlines()
    assert line.startswith("bad,down,")


def test_open_writer_renames_input_columns_until_their_names_are_free(engine: Engine, tmp_path: Path) -> None:
    row = {"text": "good", "label": "gold", "input.label": "old", "truncated": 1, "probability.up": 2}
    columns = [Column(name, pa.string()) for name in row]
    (line,) = map(json.loads, _write(engine, tmp_path / "out.jsonl", [row], columns).read_text().splitlines())
    # probability.up is a column of tables alone
    assert (line["label"], line["input.label"], line["input.input.label"]) == ("up", "old", "gold")
    assert (line["probability.up"], line["input.truncated"], line["truncated"]) == (2, 1, False)
    header = _write(engine, tmp_path / "out.csv", [row], columns).read_text().splitlines()[0].split(",")
    assert header[:5] == ["text", "input.input.label", "input.label", "input.truncated", "input.probability.up"]
    assert len(set(header)) == len(header)


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_open_writer_leaves_out_the_probabilities_that_the_options_do_not_name(
    build_toy: BuildToy, tmp_path: Path, name: str
) -> None:
    engine = Engine(build_toy(), threads=1)
    path = _write(engine, tmp_path / name, [{"text": "good"}], [TEXT], options=PredictionOptions(top_k=1))
    if name.endswith("jsonl"):
        assert list(json.loads(path.read_text())["probabilities"]) == ["up"]
        return
    if name.endswith("csv"):
        (row,) = csv.DictReader(path.read_text().splitlines())
    else:
        (row,) = pq.read_table(path).to_pylist()
    assert row["probability.down"] in (None, "")
    assert float(row["probability.up"]) > 0.5


@pytest.mark.parametrize(
    ("classes", "entities", "fields"),
    [
        ({"good": "up", "bad": "down"}, {}, ["label", "probability.down", "probability.up", "truncated"]),
        ({}, {"Apple": "ORG"}, ["entities", "truncated"]),
    ],
)
def test_open_writer_gives_a_model_of_one_head_only_its_columns(
    tmp_path: Path, classes: dict[str, str], entities: dict[str, str], fields: list[str]
) -> None:
    (tmp_path / "bundle").mkdir()
    engine = Engine(build_bundle(tmp_path / "bundle", classes, entities), threads=1)
    rows = [{"text": "good Apple", "label": "gold"}]
    columns = [TEXT, Column("label", pa.string())]
    gold = "input.label" if classes else "label"
    path = _write(engine, tmp_path / "out.parquet", rows, columns)
    assert pq.read_schema(path).names == ["text", gold, *fields]
    path = _write(engine, tmp_path / "out.csv", rows, columns)
    assert path.read_text().splitlines()[0].split(",") == ["text", gold, *fields]


def test_open_writer_keeps_only_the_label_when_asked(engine: Engine, tmp_path: Path) -> None:
    path = _write(
        engine, tmp_path / "out.parquet", [{"text": "good"}], [TEXT], options=PredictionOptions(labels_only=True)
    )
    assert not [name for name in pq.read_schema(path).names if name.startswith("probability.")]
    assert pq.read_table(path)["label"].to_pylist() == ["up"]
