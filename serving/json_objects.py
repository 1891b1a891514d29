"""Predictions as plain JSON objects. The HTTP server uses this module too, so it imports nothing heavy."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from assay.serving.engine import Engine, Prediction
from assay.serving.prediction_options import ALL, PredictionOptions

ABSTAINED_LABELS = "abstained_labels"


def as_object(text: str, prediction: Prediction, engine: Engine, options: PredictionOptions = ALL) -> dict[str, Any]:
    """Return the prediction of a text as a JSON object.

    Returns:
        `label` and `probabilities` if the model has a sentence head, `labels` and `label_probabilities` if it has a
        labels head, `entities` if it has a token head, what the decision leaves to a person (`abstentions`),
        `truncated`, and the number of `windows` if the text was read in several.
    """
    values: dict[str, Any] = {}
    if engine.labels:
        values["label"] = options.label(prediction)
        if not options.labels_only:
            values["probabilities"] = options.probabilities(prediction, engine.labels)
    if engine.row_labels:
        values["labels"] = label_objects(prediction, engine, options)
        if not options.labels_only:
            values["label_probabilities"] = dict(zip(engine.row_labels, prediction.label_probabilities, strict=True))
    if engine.tags:
        values["entities"] = entity_objects(text, prediction, engine, options)
    values |= abstentions(prediction, engine)
    values["truncated"] = prediction.truncated
    return values | ({"windows": prediction.windows} if prediction.windows > 1 else {})


def label_objects(prediction: Prediction, engine: Engine, options: PredictionOptions = ALL) -> list[dict[str, Any]]:
    """Return the labels that apply, each with its probability, and `abstained` if there is a decision."""
    decided = "labels" in engine.decisions
    return [
        {"label": one.label, "score": one.score} | ({"abstained": one.abstained} if decided else {})
        for one in options.labels(prediction)
    ]


def label_lists(objects: Sequence[Mapping[str, Any]], decisions: Collection[str]) -> dict[str, list[str]]:
    """Return `label_objects` as lists of names, for tables and tensors.

    Returns:
        `labels`, and `abstained_labels` if there is a decision: those of `labels` that are left to a person.
    """
    lists = {"labels": [one["label"] for one in objects]}
    if "labels" in decisions:
        lists[ABSTAINED_LABELS] = [one["label"] for one in objects if one["abstained"]]
    return lists


def label_list_names(decisions: Collection[str]) -> list[str]:
    """Return the keys of `label_lists`."""
    return [*label_lists([], decisions)]


def entity_objects(
    text: str, prediction: Prediction, engine: Engine, options: PredictionOptions = ALL
) -> list[dict[str, Any]]:
    """Return the entities of a prediction, each with its span of the text, and `abstained` if there is a decision."""
    objects: list[dict[str, Any]] = [
        {"start": e.start, "end": e.end, "label": e.label, "text": text[e.start : e.end], "score": e.score}
        for e in options.entities(prediction)
    ]
    if "tokens" in engine.decisions:
        for values, entity in zip(objects, options.entities(prediction), strict=True):
            values["abstained"] = entity.abstained
    return objects


def abstention_names(decisions: Collection[str]) -> list[str]:
    """Return the keys of `abstentions` of a model that makes these decisions; none without a decision.

    `abstained` is about the row: its class, one of its labels or one of its entities is left to a person.
    `label_abstained` is about the class, where a model decides labels or entities, too.
    """
    if len(decisions) > 1 and "sentence" in decisions:
        return ["abstained", "label_abstained"]
    return ["abstained"] if decisions else []


def abstentions(prediction: Prediction, engine: Engine) -> dict[str, bool]:
    """Return what the decision of the bundle leaves to a person, by `abstention_names`."""
    return {name: getattr(prediction, name) for name in abstention_names(engine.decisions)}
