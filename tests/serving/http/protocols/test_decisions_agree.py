"""The same rows are decided, and left to people, alike in every protocol and every file."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from assay.serving.batch.request import PredictionRequest
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Prediction, Row
from assay.serving.predict import predict_request
from tests.bundles import build_bundle
from tests.decisions import a_decision
from tests.serving.http.conftest import Listen, Serve
from tests.serving.test_pyfunc import load_as_mlflow_does

TEXTS = [
    "good good bank Apple",
    "good",
    "nothing",
    "bank bank match",
    "bad bank Müller and Apple",
    "storm storm match match bad bad",
    "Apple Apple Müller",
    "good bad match",
]
CLASSES, ENTITIES = {"good": "up", "bad": "down"}, {"Apple": "ORG", "Müller": "PER"}
ROW_LABELS = {"bank": "money", "match": "sport", "storm": "weather"}

# Class and whether it is left, the labels, those that are left, which of the entities are, and whether anything is.
Answer = tuple[str, bool, list[str], list[str], list[bool], bool]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Return a bundle with thresholds that some predictions reach exactly, some miss, and some classes differ in."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    plain = build_bundle(folder, CLASSES, ENTITIES, row_labels=ROW_LABELS)
    with Engine(plain, threads=1) as engine:
        predictions = engine.predict([*map(Row, TEXTS)])
    decisions = {
        "sentence": a_decision(max(predictions[1].probabilities), by_class={"down": 0.99}),
        "labels": a_decision(0.9, by_class={"sport": predictions[7].labels[0].score}),
        "tokens": a_decision(1.0, by_class={"ORG": predictions[0].entities[0].score}),
    }
    return build_bundle(
        folder, CLASSES, ENTITIES, row_labels=ROW_LABELS, changes={"decisions": {"fp32": decisions}, "golden": []}
    )


def of_prediction(prediction: Prediction) -> Answer:
    return (
        str(prediction.label),
        prediction.label_abstained,
        [one.label for one in prediction.labels],
        [one.label for one in prediction.labels if one.abstained],
        [entity.abstained for entity in prediction.entities],
        prediction.abstained,
    )


def of_nested(row: Mapping[str, Any]) -> Answer:
    """Return the answer of a row whose labels are objects."""
    labels = [one["label"] for one in row["labels"]]
    return of_flat({**row, "labels": labels, "abstained_labels": [o["label"] for o in row["labels"] if o["abstained"]]})


def of_flat(row: Mapping[str, Any]) -> Answer:
    """Return the answer of a row whose labels are names."""
    left = [bool(entity["abstained"]) for entity in row["entities"]]
    return (
        row["label"],
        bool(row["label_abstained"]),
        [*row["labels"]],
        [*row["abstained_labels"]],
        left,
        bool(row["abstained"]),
    )


def of_cells(row: Mapping[str, str]) -> Answer:
    """Return the answer of a row of a CSV file."""
    names = {name: row[name].split(";") if row[name] else [] for name in ("labels", "abstained_labels")}
    flags = {name: row[name] == "true" for name in ("abstained", "label_abstained")}
    return of_flat({"label": row["label"], "entities": json.loads(row["entities"]), **names, **flags})


def of_tensors(tensors: Mapping[str, Sequence[Any]]) -> list[Answer]:
    lists = {name: [json.loads(row) for row in tensors[name]] for name in ("labels", "abstained_labels", "entities")}
    columns = {**lists, **{name: tensors[name] for name in ("label", "label_abstained", "abstained")}}
    return [of_flat({name: column[number] for name, column in columns.items()}) for number in range(len(TEXTS))]


def by_predict(client: TestClient) -> list[Answer]:
    return [*map(of_nested, client.post("/predict", json={"texts": TEXTS}).json()["predictions"])]


def by_invocations(client: TestClient) -> list[Answer]:
    return [*map(of_flat, client.post("/invocations", json={"inputs": TEXTS}).json()["predictions"])]


def by_infer(client: TestClient) -> list[Answer]:
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    outputs = client.post("/v2/models/toy/infer", json={"inputs": [tensor]}).json()["outputs"]
    assert [output["name"] for output in client.get("/v2/models/toy").json()["outputs"]] == [o["name"] for o in outputs]
    return of_tensors({output["name"]: output["data"] for output in outputs})


@pytest.mark.parametrize("ask", [by_predict, by_invocations, by_infer])
def test_protocols_over_http_decide_as_the_engine(
    serve: Serve, bundle: Bundle, ask: Callable[[TestClient], list[Answer]]
) -> None:
    expected = [*map(of_prediction, Engine(bundle, threads=1).predict([*map(Row, TEXTS)]))]
    # the rows cover what they can: everything decided, and each head left
    assert {answer[1] for answer in expected} == {answer[5] for answer in expected} == {True, False}
    assert any(answer[3] for answer in expected)
    assert {left for answer in expected for left in answer[4]} == {True, False}
    assert ask(serve(bundle)) == expected


def test_grpc_decides_as_the_engine(listen: Listen, bundle: Bundle) -> None:
    grpc_client = pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] is not installed")
    tensor = grpc_client.InferInput("text", [len(TEXTS)], "BYTES")
    tensor.set_data_from_numpy(pd.Series([text.encode() for text in TEXTS], dtype=object).to_numpy())
    with grpc_client.InferenceServerClient(f"127.0.0.1:{listen(bundle, grpc_port=0).app.state.grpc.port}") as client:
        result = client.infer("toy", [tensor])
    names = ("label", "label_abstained", "labels", "abstained_labels", "entities", "abstained")
    tensors = {name: result.as_numpy(name).tolist() for name in names}
    tensors["label"] = [label.decode() for label in tensors["label"]]
    assert of_tensors(tensors) == [*map(of_prediction, Engine(bundle, threads=1).predict([*map(Row, TEXTS)]))]


def test_pyfunc_decides_as_the_engine(bundle: Bundle, tmp_path: Path) -> None:
    model = load_as_mlflow_does(bundle, tmp_path / "model")
    frame = model.predict(pd.DataFrame({"text": TEXTS}))
    assert list(frame) == model.metadata.get_output_schema().input_names()
    expected = [*map(of_prediction, Engine(bundle, threads=1).predict([*map(Row, TEXTS)]))]
    assert [of_flat(row) for row in frame.to_dict(orient="records")] == expected


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
def test_batch_files_decide_as_the_engine(bundle: Bundle, tmp_path: Path, suffix: str) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / f"out{suffix}"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    people = tmp_path / f"people{suffix}"
    engine = Engine(bundle, threads=1)
    predict_request(engine, PredictionRequest(str(source), str(output), abstained=str(people)))
    expected = [*map(of_prediction, engine.predict([*map(Row, TEXTS)]))]
    assert read(output) == expected
    # the second file holds the best guesses of the rows that are left, and no other
    assert read(people) == [answer for answer in expected if answer[5]]


def read(path: Path) -> list[Answer]:
    if path.suffix == ".parquet":
        return [*map(of_flat, pq.read_table(path).to_pylist())]
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [of_nested(json.loads(line)) for line in text.splitlines()]
    return [*map(of_cells, csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ","))]
