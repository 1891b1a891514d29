import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest
from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException

from assay.registry.mlflow_package import save_model
from assay.serving.bundle import Bundle
from tests.serving.conftest import BuildToy


def load_as_mlflow_does(bundle: Bundle, path: Path) -> Any:
    """Store and load the bundle as MLflow does, and check that MLflow does not warn of type hints."""
    logged = cast(LoggedModel, SimpleNamespace(artifact_location=str(path), model_id="m-1"))
    save_model(bundle, path, "run", logged)
    # MLflow warns of its own modules and sets its own filters, so the warnings are recorded.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(path))
    assert [str(warning.message) for warning in caught if "hint" in str(warning.message)] == []
    return model


@pytest.fixture
def model(toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the loaded toy model, with pickles forbidden."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    return load_as_mlflow_does(toy, tmp_path / "model")


def test_save_model_writes_no_pickle(model: Any, tmp_path: Path) -> None:
    assert {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()} <= {
        *(".py", ".html", ".json", ".yaml", ".txt", ".onnx"),
        "",  # MLmodel
    }


def test_predict_returns_a_frame_with_the_columns_of_the_signature(model: Any) -> None:
    predictions = model.predict(pd.DataFrame({"id": [1, 2], "text": ["good Apple", "bad"]}))
    assert list(predictions) == ["label", "probability.down", "probability.up", "entities", "truncated"]
    assert list(predictions) == model.metadata.get_output_schema().input_names()
    assert predictions["label"].tolist() == ["up", "down"]
    assert (predictions["probability.down"] + predictions["probability.up"]).tolist() == pytest.approx([1, 1])
    [entity] = predictions["entities"][0]
    assert (entity["start"], entity["end"], entity["label"], entity["text"]) == (5, 10, "ORG", "Apple")
    assert predictions["entities"][1] == []
    assert predictions["truncated"].tolist() == [False, False]


@pytest.mark.parametrize(
    "rows", [[{"text": "good Apple"}], {"text": "good Apple"}, pd.Series(["good Apple"], name="text")]
)
def test_predict_accepts_rows_of_other_types(model: Any, rows: Any) -> None:
    frame = model.predict(pd.DataFrame({"text": ["good Apple"]}))
    pd.testing.assert_frame_equal(model.predict(rows), frame)


def test_predict_accepts_plain_texts(model: Any) -> None:
    assert model.unwrap_python_model().predict(None, ["good", "bad"])["label"].tolist() == ["up", "down"]


def test_predict_names_a_row_without_text(model: Any) -> None:
    with pytest.raises(MlflowException, match="row 1: None") as raised:
        model.unwrap_python_model().predict(None, ["good", None])
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"  # MLflow's server responds with 400


def test_predict_requires_both_texts_for_a_model_of_pairs(build_toy: BuildToy, tmp_path: Path) -> None:
    bundle = build_toy(pair=True, golden=[{"text": "is it good?", "text_pair": "Apple is fine"}])
    model = load_as_mlflow_does(bundle, tmp_path / "model")
    assert model.metadata.get_input_schema().input_names() == ["text", "text_pair"]
    with pytest.raises(MlflowException, match="missing inputs \\['text_pair'\\]"):
        model.predict(pd.DataFrame({"text": ["good"]}))
    with pytest.raises(MlflowException, match="row 0: text_pair is missing"):
        model.predict(pd.DataFrame({"text": ["good"], "text_pair": [None]}))
