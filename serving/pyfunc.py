"""A bundle as an MLflow pyfunc model from code: MLflow runs this file to load the model, without pickle.

MLflow passes and expects data frames, so this is the only module of `assay.serving` that uses pandas, which MLflow
installs.
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
    """A pyfunc model that predicts with the engine."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle from the artifacts of the model."""
        self.engine = Engine(Bundle.load(Path(context.artifacts["bundle"])))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Predict rows.

        Args:
            context: unused, part of MLflow's signature.
            model_input: columns `text` and, for models of pairs, `text_pair`. Lists of texts or of objects are read
                as well, if MLflow lets them through.
            params: unused, the model has no parameters.

        Returns:
            Columns `label` and `probability.CLASS` per class, `entities` (a list of `start`, `end`, `label`, `text`,
            `score`; offsets in characters), as far as the model has these heads, and `truncated`.

        Raises:
            MlflowException: a row is invalid; the message names it, and MLflow's server responds with 400.
        """
        try:
            rows = [_row(value, number) for number, value in enumerate(_records(model_input))]
            return _frame(rows, self.engine.predict(rows), self.engine)
        except AssayError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _records(model_input: Any) -> list[Any]:
    """Return the rows of a frame or of a list."""
    return model_input.to_dict(orient="records") if isinstance(model_input, pd.DataFrame) else list(model_input)


def _row(value: Any, number: int) -> Row:
    row = {"text": value} if isinstance(value, str) else value
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise AssayError(
            f"row {number}: {value!r:.80} is neither a text nor an object with a text under 'text'; give a text"
        )
    pair = row.get("text_pair")
    return Row(row["text"], pair if isinstance(pair, str) else None)


def _frame(rows: Sequence[Row], predictions: Sequence[Prediction], engine: Engine) -> pd.DataFrame:
    objects = [as_object(row.text, prediction, engine) for row, prediction in zip(rows, predictions, strict=True)]
    columns: dict[str, list[Any]] = {}
    if engine.labels:
        columns["label"] = [row["label"] for row in objects]
        columns |= {f"probability.{name}": [row["probabilities"][name] for row in objects] for name in engine.labels}
    if engine.tags:
        columns["entities"] = [row["entities"] for row in objects]
    return pd.DataFrame(columns | {"truncated": [row["truncated"] for row in objects]})


mlflow.models.set_model(AssayModel())
