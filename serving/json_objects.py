"""Predictions as plain JSON objects. The HTTP server uses this module too, so it imports nothing heavy."""

from typing import Any

from assay.serving.engine import Engine, Prediction
from assay.serving.prediction_options import ALL, PredictionOptions


def as_object(text: str, prediction: Prediction, engine: Engine, options: PredictionOptions = ALL) -> dict[str, Any]:
    """Return the prediction of a text as a JSON object.

    Returns:
        `label` and `probabilities` if the model has a sentence head, `labels` and `label_probabilities` if it has a
        labels head, `entities` if it has a token head, `truncated`, and the number of `windows` if the text was read in
        several.
    """
    values: dict[str, Any] = {}
    if engine.labels:
        values["label"] = options.label(prediction)
        if not options.labels_only:
            values["probabilities"] = options.probabilities(prediction, engine.labels)
    if engine.row_labels:
        values["labels"] = [{"label": one.label, "score": one.score} for one in options.labels(prediction)]
        if not options.labels_only:
            values["label_probabilities"] = dict(zip(engine.row_labels, prediction.label_probabilities, strict=True))
    if engine.tags:
        values["entities"] = entity_objects(text, prediction, options)
    values["truncated"] = prediction.truncated
    return values | ({"windows": prediction.windows} if prediction.windows > 1 else {})


def entity_objects(text: str, prediction: Prediction, options: PredictionOptions = ALL) -> list[dict[str, Any]]:
    """Return the entities of a prediction, each with its span of the text."""
    return [
        {"start": e.start, "end": e.end, "label": e.label, "text": text[e.start : e.end], "score": e.score}
        for e in options.entities(prediction)
    ]
