"""The bundle as an MLflow pyfunc model, from code: MLflow runs this file where it loads the model; no pickle.

MLflow hands frames in and expects them back, so this one file of `serving` knows pandas, which MLflow brings along.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow.models
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Prediction, Row
from assay.serving.json_objects import as_object


class AssayModel(PythonModel):
    """Answers rows through the engine."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle among the model's artifacts."""
        self.engine = Engine(Bundle.load(Path(context.artifacts["bundle"])))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Answer each row.

        Args:
            context: unused; MLflow asks for it.
            model_input: columns `text` and, for models of pairs, `text_pair`. Lists of texts or of objects are read,
                too, where MLflow lets them in.
            params: unused; there are none.

        Returns:
            As far as the model has them: `label`, `probability.CLASS` for each class, `entities` (a list of
            `start`, `end`, `label`, `text`, `score`; offsets in characters); and `truncated`.

        Raises:
            MlflowException: a row cannot be answered; it is named. MLflow's server makes a 400 of it.
        """
        try:
            rows = [_row(value, number) for number, value in enumerate(_records(model_input))]
            return _frame(rows, self.engine.predict(rows), self.engine)
        except AssayError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _records(model_input: Any) -> list[Any]:
    """Rows of a frame or of a list."""
    return model_input.to_dict(orient="records") if isinstance(model_input, pd.DataFrame) else list(model_input)


def _row(value: Any, number: int) -> Row:
    row = {"text": value} if isinstance(value, str) else value
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise AssayError(f"row {number}: {value!r:.80} is neither a text nor an object with a text under 'text'")
    pair = row.get("text_pair")
    return Row(row["text"], pair if isinstance(pair, str) else None)


def _frame(rows: Sequence[Row], answers: Sequence[Prediction], engine: Engine) -> pd.DataFrame:
    objects = [as_object(row.text, answer, engine) for row, answer in zip(rows, answers, strict=True)]
    columns: dict[str, list[Any]] = {}
    if engine.labels:
        columns["label"] = [one["label"] for one in objects]
        columns |= {f"probability.{name}": [one["probabilities"][name] for one in objects] for name in engine.labels}
    if engine.tags:
        columns["entities"] = [one["entities"] for one in objects]
    return pd.DataFrame(columns | {"truncated": [one["truncated"] for one in objects]})


mlflow.models.set_model(AssayModel())
