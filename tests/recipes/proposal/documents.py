"""Documents of words, sentences and rows, for tests of their layout."""

from typing import Any

WORDS = ["Acme", "opens", "in", "New", "York"]
TAGS = ["B-ORG", "O", "O", "B-LOC", "I-LOC"]
TOPICS = ("a,b", "b", "a", "b,c", "c,a", "c")


def sentence(row: int) -> dict[str, Any]:
    return {
        "Text": f"Acme opens plant {row} in Ulm",
        "sentiment": ("good", "bad")[row % 2],
        "Entities": [{"EntityName": "Acme", "type": "ORG"}],
    }


def speech(row: int, **columns: Any) -> dict[str, Any]:
    """Return a document of two sentences."""
    parts = [{"text": f"Acme opens plant {row}", "topic": TOPICS[row % 6], "class": ("x", "y")[row % 2]}] * 2
    return {"doc_id": f"d{row}", "sentences": parts, **columns}


def people(row: int) -> dict[str, Any]:
    return {"author": f"a{row % 15}", "user_id": f"u{row % 20}"}


def unclear(row: int) -> dict[str, Any]:
    return {"split": ("train", "extra")[row % 2]}


def tagged(row: int, **columns: Any) -> dict[str, Any]:
    return {"tokens": WORDS, "tags": TAGS, **columns}
