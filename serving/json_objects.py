"""Predictions as plain JSON objects. The HTTP server uses this module too, so it imports nothing heavy."""

from typing import Any

from assay.serving.engine import Engine, Prediction


def as_object(text: str, prediction: Prediction, engine: Engine) -> dict[str, Any]:
    """Return the prediction of a text as a JSON object.

    Returns:
        `label` and `probabilities` if the model has a sentence head, `entities` if it has a token head, `truncated`,
        and the number of `windows` if the text was read in several.
    """
    values: dict[str, Any] = {}
    if engine.labels:
        probabilities = dict(zip(engine.labels, prediction.probabilities, strict=True))
        values |= {"label": prediction.label, "probabilities": probabilities}
    if engine.tags:
        values["entities"] = entity_objects(text, prediction)
    values["truncated"] = prediction.truncated
    return values | ({"windows": prediction.windows} if prediction.windows > 1 else {})


def entity_objects(text: str, prediction: Prediction) -> list[dict[str, Any]]:
    """Return the entities of a prediction, each with its span of the text."""
    return [
        {"start": e.start, "end": e.end, "label": e.label, "text": text[e.start : e.end], "score": e.score}
        for e in prediction.entities
    ]
