"""Rows with a class and entities, a toy model that is wrong about two of them, and single predictions."""

from typing import Any

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import LabelledPrediction

CLASSES = {"good": "positive", "bad": "negative"}
ENTITIES = {"apple": "COMPANY", "berlin": "PLACE"}


def an_answer(**changes: Any) -> LabelledPrediction:
    values: dict[str, Any] = {
        "id": "1",
        "gold": "a",
        "predicted": "a",
        "probabilities": (0.9, 0.1),
        "gold_entities": None,
        "predicted_entities": (),
        "characters": 10,
        "truncated": False,
        "slices": {},
    }
    return LabelledPrediction(**{**values, **changes})


def joint_examples() -> list[Example]:
    """Return eight rows: the model of `CLASSES` and `ENTITIES` is wrong about one class and one entity."""
    rows = [
        ("good apple", "positive", [(5, 10, "COMPANY")], "web"),
        ("bad apple here", "negative", [(4, 9, "COMPANY")], "web"),
        ("good berlin", "positive", [(5, 11, "PLACE")], "web"),
        ("bad berlin", "negative", [(4, 10, "PLACE")], "print"),
        ("good day", "positive", [], "print"),
        ("bad day for all of us", "negative", [], "print"),
        ("good good good", "negative", [], None),
        ("bad apple", "negative", [(0, 9, "COMPANY")], None),
    ]
    return [
        Example(f"row-{n}", text, label=label, entities=tuple(Entity(*e) for e in found), slices={"medium": medium})
        for n, (text, label, found, medium) in enumerate(rows)
    ]
