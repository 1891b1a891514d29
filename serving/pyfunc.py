"""The bundle as an MLflow pyfunc model, from code: MLflow runs this file where it loads the model; no pickle.

Takes texts, or a frame with the column `text` (and `text_pair`); gives one object a row.
"""

from pathlib import Path
from typing import Any

import mlflow.models
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from corpus.errors import AssayError
from serving.bundle import Bundle
from serving.engine import Engine, Row
from serving.output import as_object


class AssayModel(PythonModel):
    """Answers rows through the engine."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle among the model's artifacts."""
        self.engine = Engine(Bundle.load(Path(context.artifacts["bundle"])))

    def predict(
        self, context: PythonModelContext, model_input: Any, params: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Answer each row with `label`, `probabilities` by class, `entities` and `truncated`."""
        rows = [_row(value, number) for number, value in enumerate(_records(model_input))]
        answers = self.engine.predict(rows)
        return [as_object(row.text, answer, self.engine) for row, answer in zip(rows, answers, strict=True)]


def _records(model_input: Any) -> list[Any]:
    """Rows of a frame, of a list, or of a mapping of columns."""
    if hasattr(model_input, "to_dict"):
        records: list[Any] = model_input.to_dict(orient="records")
        return records
    if isinstance(model_input, dict):
        return [dict(zip(model_input, values, strict=True)) for values in zip(*model_input.values(), strict=True)]
    return list(model_input)


def _row(value: Any, number: int) -> Row:
    row = {"text": value} if isinstance(value, str) else value
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        raise AssayError(f"row {number}: {value!r:.80} is neither a text nor an object with a text under 'text'")
    pair = row.get("text_pair")
    return Row(row["text"], pair if isinstance(pair, str) else None)


mlflow.models.set_model(AssayModel())
