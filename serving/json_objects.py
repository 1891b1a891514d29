"""An answer as an object of plain values, as JSON carries it. Imports nothing heavy: the HTTP server uses it too."""

from typing import Any

from assay.serving.engine import Engine, Prediction


def as_object(text: str, answer: Prediction, engine: Engine) -> dict[str, Any]:
    """The answer as an object: `label` and `probabilities`, `entities`, as far as the model has them; `truncated`.

    A text that was read in several windows says in how many: `windows`.
    """
    values: dict[str, Any] = {}
    if engine.labels:
        probabilities = dict(zip(engine.labels, answer.probabilities, strict=True))
        values |= {"label": answer.label, "probabilities": probabilities}
    if engine.tags:
        values["entities"] = entity_objects(text, answer)
    values["truncated"] = answer.truncated
    return values | ({"windows": answer.windows} if answer.windows > 1 else {})


def entity_objects(text: str, answer: Prediction) -> list[dict[str, Any]]:
    """The entities of an answer, each with its piece of the text."""
    return [
        {"start": e.start, "end": e.end, "label": e.label, "text": text[e.start : e.end], "score": e.score}
        for e in answer.entities
    ]
