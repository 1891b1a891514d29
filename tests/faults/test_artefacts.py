"""Open every file of a run: none is a pickle, and files that cross a boundary have one of four formats."""

import io
import json
import pickletools
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from assay.flows.training import TrainingOutcome, train
from assay.serving.address import open_bundle
from assay.serving.graph_check import check_graph
from tests.faults.counts import count
from tests.flows.tiny import make_recipe, write_rows

pytestmark = pytest.mark.usefixtures("prefect_server")

TEXTS = {
    ".json",
    ".jsonl",
    ".txt",
    ".md",
    ".html",
    ".py",
    ".yaml",
    ".yml",
    ".csv",
    ".lock",
    ".guard",
    ".j2",
    ".svg",
    "",
}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, prefect_server: None) -> Path:
    """Return the store of a run during which MLflow and torch must not unpickle anything."""
    folder = tmp_path_factory.mktemp("left")
    store = folder / "store"
    store.mkdir()
    shutil.copy(mlflow_database, store / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        patch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
        recipe = make_recipe(
            write_rows(folder / "rows.jsonl"),
            training={"epochs": 2},
            gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}},
        )
        outcome: TrainingOutcome = train(recipe, store)
        open_bundle("models:/tiny@champion", store / "cache", outcome.tracking_uri)
    return store


def is_pickle(data: bytes) -> bool:
    """Return whether the bytes are a pickle of protocol 2 or later, or a zip with one, as torch and numpy write."""
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(is_pickle(archive.read(name)) for name in archive.namelist())
    if data[:1] != b"\x80" or data[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return False
    try:
        for _ in pickletools.genops(data):
            pass
    except ValueError:
        return False
    return True


def test_pickle_detection_finds_a_pickle() -> None:
    import pickle

    import torch

    file = io.BytesIO()
    torch.save({"a": torch.zeros(1)}, file)
    assert is_pickle(pickle.dumps({"a": 1}))
    assert is_pickle(file.getvalue())
    assert not is_pickle(b"\x80\x04 no")


def test_run_files_contain_no_pickle(left: Path) -> None:
    kinds: Counter[str] = Counter()
    for path in left.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        assert not is_pickle(data), path
        kinds[kind_of(path, data)] += 1
    assert {"safetensors", "onnx", "parquet", "text"} <= set(kinds)
    count("files that a run left, opened", kinds.total(), "files, none a pickle")


def kind_of(path: Path, data: bytes) -> str:
    """Return the format of a file, after reading it in that format."""
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as tensors:
            assert list(tensors.keys())
        return "safetensors"
    if path.suffix == ".onnx":
        check_graph(data, path)
        return "onnx"
    if path.suffix == ".parquet":
        assert pq.read_table(path).num_columns
        return "parquet"
    if data.startswith(b"SQLite format 3\0"):
        return "sqlite"
    if "static" in path.parts:
        return "fonts and pictures of Data Docs"
    if data.startswith(b"\x89PNG"):
        return "picture"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AssertionError(f"{path} begins with {data[:16]!r}: a format that this test does not know") from error
    if path.suffix == ".json":
        json.loads(text)
    assert path.suffix in TEXTS or path.name == "MLmodel", path
    return "text"
