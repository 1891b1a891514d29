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
from tests.bundles import build_bundle
from tests.decisions import a_decision
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


@pytest.mark.slow  # saves and loads a model with MLflow
def test_predict_returns_abstained_where_the_bundle_decides(build_toy: BuildToy, tmp_path: Path) -> None:
    bundle = build_toy("deciding", decisions={"fp32": {"sentence": a_decision(0.8), "tokens": a_decision(1.0)}})
    model = load_as_mlflow_does(bundle, tmp_path / "deciding-model")
    predictions = model.predict(pd.DataFrame({"text": ["good fine", "nothing but Apple"]}))
    assert list(predictions) == model.metadata.get_output_schema().input_names()
    assert list(predictions)[-3:] == ["abstained", "label_abstained", "truncated"]
    assert predictions["abstained"].tolist() == [False, True]
    assert [entity["abstained"] for entity in predictions["entities"][1]] == [True]


@pytest.mark.parametrize(
    "rows", [[{"text": "good Apple"}], {"text": "good Apple"}, pd.Series(["good Apple"], name="text")]
)
def test_predict_accepts_rows_of_other_types(model: Any, rows: Any) -> None:
    frame = model.predict(pd.DataFrame({"text": ["good Apple"]}))
    pd.testing.assert_frame_equal(model.predict(rows), frame)


def test_predict_accepts_plain_texts(model: Any) -> None:
    assert model.unwrap_python_model().predict(None, ["good", "bad"])["label"].tolist() == ["up", "down"]


def test_predict_keeps_the_index_of_the_frame(model: Any) -> None:
    frame = pd.DataFrame({"text": ["good", "bad", "fine"], "wanted": ["up", "down", "up"]}, index=[7, 1, 4])
    filtered = frame[frame["text"] != "good"]
    assert model.predict(filtered)["label"].to_dict() == {1: "down", 4: "up"}
    assert filtered.join(model.predict(filtered))["label"].tolist() == filtered["wanted"].tolist()


def test_evaluate_of_mlflow_scores_the_labels(toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_as_mlflow_does(toy, tmp_path / "model")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    rows = pd.DataFrame({"text": ["good", "bad", "fine", "bad good good"], "label": ["up", "down", "up", "down"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        mlflow.set_experiment(experiment_id=mlflow.create_experiment("e", (tmp_path / "artifacts").as_uri()))
        result = mlflow.models.evaluate(  # type: ignore[no-untyped-call]  # mlflow does not annotate it
            model=str(tmp_path / "model"),
            data=rows,
            targets="label",
            model_type="classifier",
            evaluators="default",
            model_config={"output": "label"},
        )
    assert result.metrics["accuracy_score"] == 0.75


@pytest.mark.parametrize("output", ["labels", 7])
def test_load_refuses_an_unknown_output(model: Any, tmp_path: Path, output: Any) -> None:
    import mlflow.pyfunc

    with pytest.raises(MlflowException, match=f"output is {output!r}, which it does not have; write frame"):
        mlflow.pyfunc.load_model(str(tmp_path / "model"), model_config={"output": output})


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (None, "text is missing"),
        (pd.NA, "text is missing"),
        (float("nan"), "text is missing"),
        ("", "text is blank"),
        (" \n", "text is blank"),
        (7, "text is 7, not a text"),
    ],
)
def test_predict_names_a_row_without_text(model: Any, value: Any, fault: str) -> None:
    with pytest.raises(MlflowException, match=f"row 1: {fault}") as raised:
        model.unwrap_python_model().predict(None, [{"text": "good"}, {"text": value}])
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"  # MLflow's server responds with 400


def test_predict_requires_both_texts_for_a_model_of_pairs(build_toy: BuildToy, tmp_path: Path) -> None:
    bundle = build_toy(pair=True, golden=[{"text": "is it good?", "text_pair": "Apple is fine"}])
    model = load_as_mlflow_does(bundle, tmp_path / "model")
    assert model.metadata.get_input_schema().input_names() == ["text", "text_pair"]
    with pytest.raises(MlflowException, match="missing inputs \\['text_pair'\\]"):
        model.predict(pd.DataFrame({"text": ["good"]}))
    with pytest.raises(MlflowException, match="row 0: text_pair is missing"):
        model.predict(pd.DataFrame({"text": ["good"], "text_pair": [None]}))


def test_predict_returns_the_columns_of_a_labels_head(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    bundle = build_bundle(tmp_path / "bundle", {}, {}, row_labels={"bank": "money", "match": "sport"})
    model = load_as_mlflow_does(bundle, tmp_path / "model")
    predictions = model.predict(pd.DataFrame({"text": ["the bank and the match", "nothing"]}))
    assert list(predictions) == ["labels", "label_probability.money", "label_probability.sport", "truncated"]
    assert list(predictions) == model.metadata.get_output_schema().input_names()
    assert predictions["labels"].tolist() == [["money", "sport"], []]
    assert (predictions["label_probability.money"] > 0.5).tolist() == [True, False]
