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
from assay.serving.json_objects import abstention_names, as_object, label_list_names, label_lists

# Key of MLflow's model_config, with its default and its other value.
OUTPUT = "output"
FRAME = "frame"
LABEL = "label"


class AssayModel(PythonModel):
    """A pyfunc model that predicts with the engine.

    With `model_config={"output": "label"}` it returns the labels alone, the only output that MLflow's evaluation of
    classifiers takes.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load the bundle from the artifacts of the model.

        Raises:
            MlflowException: `output` of the model config is unknown, or the model has no labels.
        """
        self.engine = Engine(Bundle.load(Path(context.artifacts["bundle"])))
        outputs = (FRAME, LABEL) if self.engine.labels else (FRAME,)
        output = (context.model_config or {}).get(OUTPUT, FRAME)
        if output not in outputs:
            raise MlflowException.invalid_parameter_value(
                f"model_config: {OUTPUT} is {output!r:.40}, which it does not have; write {' or '.join(outputs)}"
            )
        self.labels_only = output == LABEL

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame | pd.Series:
        """Predict rows.

        Args:
            context: unused, part of MLflow's signature.
            model_input: columns `text` and, for models of pairs, `text_pair`. Lists of texts or of objects are read
                as well, if MLflow lets them through.
            params: unused, the model has no parameters.

        Returns:
            Columns `label` and `probability.CLASS` per class, `labels` (a list of names), `abstained_labels` (those of
            them that are left to a person, if the bundle decides labels) and `label_probability.LABEL` per label,
            `entities` (a list of `start`, `end`, `label`, `text`, `score`; offsets in characters), as far as the model
            has these heads, `abstained` if the bundle has a decision, and `truncated`; with the index of the input.
            Only the column `label` if the model config says so.

        Raises:
            MlflowException: a row is invalid; the message names it, and MLflow's server responds with 400.
        """
        try:
            rows = [_row(value, number) for number, value in enumerate(_records(model_input))]
            predictions = self.engine.predict(rows)
        except AssayError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        frame = _frame(rows, predictions, self.engine)
        if isinstance(model_input, pd.DataFrame | pd.Series):
            frame.index = model_input.index
        return frame[LABEL] if self.labels_only else frame


def _records(model_input: Any) -> list[Any]:
    """Return the rows of a frame or of a list."""
    return model_input.to_dict(orient="records") if isinstance(model_input, pd.DataFrame) else list(model_input)


def _row(value: Any, number: int) -> Row:
    row = {"text": value} if isinstance(value, str) else value
    if not isinstance(row, dict):
        raise AssayError(
            f"row {number}: {value!r:.80} is neither a text nor an object with a text under 'text'; give a text"
        )
    text, pair = (None if _is_missing(row.get(name)) else row.get(name) for name in ("text", "text_pair"))
    # The engine names a value that is no text.
    return Row(text, pair)  # type: ignore[arg-type]


def _is_missing(value: Any) -> bool:
    """Return whether a value is one of those by which pandas says that there is none."""
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _frame(rows: Sequence[Row], predictions: Sequence[Prediction], engine: Engine) -> pd.DataFrame:
    objects = [as_object(row.text, prediction, engine) for row, prediction in zip(rows, predictions, strict=True)]
    columns: dict[str, list[Any]] = {}
    if engine.labels:
        columns["label"] = [row["label"] for row in objects]
        columns |= {f"probability.{name}": [row["probabilities"][name] for row in objects] for name in engine.labels}
    if engine.row_labels:
        lists = [label_lists(row["labels"], engine.decisions) for row in objects]
        columns |= {name: [row[name] for row in lists] for name in label_list_names(engine.decisions)}
        columns |= {
            f"label_probability.{name}": [row["label_probabilities"][name] for row in objects]
            for name in engine.row_labels
        }
    if engine.tags:
        columns["entities"] = [row["entities"] for row in objects]
    columns |= {name: [row[name] for row in objects] for name in abstention_names(engine.decisions)}
    return pd.DataFrame(columns | {"truncated": [row["truncated"] for row in objects]})


mlflow.models.set_model(AssayModel())
