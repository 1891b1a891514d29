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
    """The bundle as MLflow stores and loads it; fails where MLflow remarks on type hints."""
    logged = cast(LoggedModel, SimpleNamespace(artifact_location=str(path), model_id="m-1"))
    save_model(bundle, path, "run", logged)
    # MLflow warns of its own modules, with filters of its own: hence recorded, not only ignored.
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(path))
    assert [str(one.message) for one in remarks if "hint" in str(one.message)] == []
    return model


@pytest.fixture
def model(toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The toy with pickles forbidden."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    return load_as_mlflow_does(toy, tmp_path / "model")


def test_no_pickle_lies_in_the_model(model: Any, tmp_path: Path) -> None:
    assert {path.suffix for path in (tmp_path / "model").rglob("*") if path.is_file()} <= {
        *(".py", ".html", ".json", ".yaml", ".txt", ".onnx"),
        "",  # MLmodel
    }


def test_a_frame_is_answered_by_a_frame_whose_columns_the_signature_names(model: Any) -> None:
    answers = model.predict(pd.DataFrame({"id": [1, 2], "text": ["good Apple", "bad"]}))
    assert list(answers) == ["label", "probability.down", "probability.up", "entities", "truncated"]
    assert list(answers) == model.metadata.get_output_schema().input_names()
    assert answers["label"].tolist() == ["up", "down"]
    assert (answers["probability.down"] + answers["probability.up"]).tolist() == pytest.approx([1, 1])
    [entity] = answers["entities"][0]
    assert (entity["start"], entity["end"], entity["label"], entity["text"]) == (5, 10, "ORG", "Apple")
    assert answers["entities"][1] == []
    assert answers["truncated"].tolist() == [False, False]


@pytest.mark.parametrize(
    "rows", [[{"text": "good Apple"}], {"text": "good Apple"}, pd.Series(["good Apple"], name="text")]
)
def test_other_forms_of_rows_are_answered_alike(model: Any, rows: Any) -> None:
    frame = model.predict(pd.DataFrame({"text": ["good Apple"]}))
    pd.testing.assert_frame_equal(model.predict(rows), frame)


def test_texts_are_answered_where_mlflow_lets_them_in(model: Any) -> None:
    assert model.unwrap_python_model().predict(None, ["good", "bad"])["label"].tolist() == ["up", "down"]


def test_rows_without_a_text_are_named(model: Any) -> None:
    with pytest.raises(MlflowException, match="row 1: None") as raised:
        model.unwrap_python_model().predict(None, ["good", None])
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"  # a 400 of MLflow's server


def test_a_model_of_pairs_asks_for_both_texts(build_toy: BuildToy, tmp_path: Path) -> None:
    bundle = build_toy(pair=True, golden=[{"text": "is it good?", "text_pair": "Apple is fine"}])
    model = load_as_mlflow_does(bundle, tmp_path / "model")
    assert model.metadata.get_input_schema().input_names() == ["text", "text_pair"]
    with pytest.raises(MlflowException, match="missing inputs \\['text_pair'\\]"):
        model.predict(pd.DataFrame({"text": ["good"]}))
    with pytest.raises(MlflowException, match="row 0: text_pair is missing"):
        model.predict(pd.DataFrame({"text": ["good"], "text_pair": [None]}))
