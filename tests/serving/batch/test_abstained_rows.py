import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import PredictionRequest, predict_request
from assay.serving.prediction_options import PredictionOptions
from tests.decisions import a_decision
from tests.serving.conftest import BuildToy

SURE = {"id": "a", "text": "good fine"}
LEFT = {"id": "b", "text": "nothing to say about Apple"}


@pytest.fixture
def deciding(build_toy: BuildToy) -> Engine:
    return Engine(build_toy("deciding", decisions={"fp32": {"sentence": a_decision(0.8)}}), threads=1)


def request(folder: Path, rows: list[dict[str, Any]], output: str, abstained: str, **changes: Any) -> PredictionRequest:
    source = folder / "in.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {"input": str(source), "output": str(folder / output), "abstained": str(folder / abstained)}
    return PredictionRequest(**{**values, **changes})


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix == ".csv":
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("output", "people"),
    [
        ("o.jsonl", "p.jsonl"),
        ("o.jsonl", "p.csv"),
        ("o.csv", "p.jsonl"),
        ("o.parquet", "p.parquet"),
        ("o.parquet", "p.csv"),
    ],
)
def test_predict_writes_the_rows_left_to_people_to_a_second_file(
    deciding: Engine, tmp_path: Path, output: str, people: str
) -> None:
    counts = predict_request(deciding, request(tmp_path, [SURE, LEFT, SURE], output, people))
    assert (counts.rows, counts.abstained, counts.abstained_path) == (3, 1, tmp_path / people)
    rows = read(tmp_path / output)
    assert [str(row["abstained"]).lower() for row in rows] == ["false", "true", "false"]
    (left,) = read(tmp_path / people)
    assert (left["id"], left["text"], left["label"]) == ("b", LEFT["text"], rows[1]["label"])


@pytest.mark.parametrize(("output", "people"), [("o.jsonl", "p.jsonl"), ("o.csv", "p.csv"), ("o.parquet", "p.parquet")])
@pytest.mark.parametrize("threshold", [0.7, 1])
def test_a_threshold_of_the_user_changes_no_row_that_is_left_to_people(
    deciding: Engine, tmp_path: Path, output: str, people: str, threshold: float
) -> None:
    options = PredictionOptions(threshold=threshold)
    counts = predict_request(deciding, request(tmp_path, [SURE, LEFT], output, people, options=options))
    assert counts.abstained == 1
    sure, left = read(tmp_path / output)
    assert [str(row["abstained"]).lower() for row in (sure, left)] == ["false", "true"]
    assert (sure["label"] or None, left["label"] or None) == ("up" if threshold < 1 else None, None)
    assert [row["id"] for row in read(tmp_path / people)] == ["b"]


def test_predict_joins_the_rows_left_to_people_from_shards(deciding: Engine, tmp_path: Path) -> None:
    rows = [SURE, LEFT, {"text": " "}, SURE, LEFT, SURE, SURE]
    counts = predict_request(deciding, request(tmp_path, rows, "o.csv", "p.csv", shard_rows=2))
    assert (counts.rows, counts.errors, counts.abstained) == (6, 1, 2)
    assert [row["id"] for row in read(tmp_path / "p.csv")] == ["b", "b"]
    assert len(read(tmp_path / "o.csv")) == 6
    assert not list(tmp_path.glob(".*"))


def test_predict_writes_an_empty_file_where_nothing_is_left_to_people(deciding: Engine, tmp_path: Path) -> None:
    counts = predict_request(deciding, request(tmp_path, [SURE], "o.jsonl", "p.csv"))
    assert counts.abstained == 0
    assert (tmp_path / "p.csv").read_text().startswith("id,text,label,probability.down")
    assert read(tmp_path / "p.csv") == []


def test_predict_leaves_an_existing_file_of_people_alone(deciding: Engine, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("work of people")
    with pytest.raises(AssayError, match=r"--abstained is .*p.csv, which exists; add --overwrite"):
        predict_request(deciding, request(tmp_path, [SURE], "o.jsonl", "p.csv", overwrite=False))
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize(
    ("output", "people", "reason"),
    [
        ("o.jsonl", "p.parquet", "Parquet goes with a Parquet output"),
        ("o.jsonl", "p.txt", "end its name with one of"),
        ("o.jsonl", "o.jsonl", "the same file as --output"),
        ("o.jsonl", "in.jsonl", "the same file as --input"),
    ],
)
def test_predict_refuses_files_of_people_that_cannot_be(
    deciding: Engine, tmp_path: Path, output: str, people: str, reason: str
) -> None:
    with pytest.raises(AssayError, match=reason):
        predict_request(deciding, request(tmp_path, [SURE], output, people))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in.jsonl"]


def test_predict_refuses_a_file_of_people_of_a_model_without_a_decision(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"the model makes no decision, .* leave --abstained out"):
        predict_request(engine, request(tmp_path, [SURE], "o.jsonl", "p.csv"))


def test_predict_refuses_a_file_of_people_for_a_folder(deciding: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "a.jsonl").write_text(json.dumps(SURE) + "\n")
    asked = PredictionRequest(str(folder), str(tmp_path / "out"), abstained=str(tmp_path / "p.csv"))
    with pytest.raises(AssayError, match="--abstained must be a file, and goes with one input"):
        predict_request(deciding, asked)


def test_parquet_output_marks_entities_of_a_deciding_model(build_toy: BuildToy, toy: Bundle, tmp_path: Path) -> None:
    bundle = build_toy("both", decisions={"fp32": {"sentence": a_decision(0.1), "tokens": a_decision(1.0)}})
    predict_request(Engine(bundle, threads=1), request(tmp_path, [SURE, LEFT], "o.parquet", "p.parquet"))
    sure, left = read(tmp_path / "o.parquet")
    assert (sure["abstained"], left["abstained"], left["label_abstained"]) == (False, True, False)
    assert [entity["abstained"] for entity in left["entities"]] == [True]
