import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import serving.output
from corpus.errors import AssayError
from serving.bundle import Bundle


@pytest.fixture
def model(toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bundle as MLflow stores and loads it, with pickles forbidden."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    code = Path(serving.output.__file__).with_name("pyfunc.py")
    path = tmp_path / "model"
    # MLflow warns of its own modules, with filters of its own: hence recorded, not only ignored.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        import mlflow.pyfunc

        mlflow.pyfunc.save_model(
            path=str(path), python_model=str(code), artifacts={"bundle": str(toy.folder)}, pip_requirements=[]
        )
        assert not list(path.rglob("*.pkl"))
        return mlflow.pyfunc.load_model(str(path))


def test_texts_and_frames_are_answered_alike(model: Any) -> None:
    answers = model.predict(["good Apple", "bad"])
    assert [answer["label"] for answer in answers] == ["up", "down"]
    assert set(answers[0]["probabilities"]) == {"up", "down"}
    (entity,) = answers[0]["entities"]
    assert (entity["start"], entity["end"], entity["label"], entity["text"]) == (5, 10, "ORG", "Apple")
    assert answers[0]["truncated"] is False
    assert model.predict(pd.DataFrame({"text": ["good Apple", "bad"]})) == answers


def test_rows_without_a_text_are_named(model: Any) -> None:
    with pytest.raises(AssayError, match="row 1: None"):
        model.predict(["good", None])
