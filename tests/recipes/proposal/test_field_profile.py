from datetime import UTC, datetime
from typing import Any

import pytest

from assay.recipes.proposal.field_profile import EMPTY, kind_of, profile_fields, value_text


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Acme opens a plant", "text"),
        ("2024-05-31", "time"),
        ("2024-05-31T12:00:00Z", "time"),
        ("20240531", "text"),
        (datetime(2024, 5, 31, tzinfo=UTC), "time"),
        (5, "number"),
        (5.5, "number"),
        (True, "boolean"),
        (["New", "York"], "words"),
        (["2024-05-31"], "words"),
        ([{"start": 0}], "objects"),
        ([0, 1], "list"),
        ([], EMPTY),
        ({"a": 1}, "object"),
        (b"12345", "id"),
    ],
)
def test_kind_of(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


@pytest.mark.parametrize(("value", "text"), [(5.0, "5"), (True, "true"), ("5.0", "5.0"), (0.25, "0.25")])
def test_value_text(value: Any, text: str) -> None:
    assert value_text(value) == text


def test_profile_fields_counts_values_and_gaps() -> None:
    documents: list[dict[str, Any]] = [
        {"label": "good", "n": 1},
        {"label": "bad", "n": 2},
        {"label": None, "n": 3},
        {"label": " ", "n": 4},
    ]
    profiles = profile_fields(documents)
    assert list(profiles) == ["label", "n"]
    assert (profiles["label"].present, profiles["label"].share, profiles["label"].distinct) == (2, 0.5, 2)
    assert profiles["n"].unique
    assert not profiles["label"].unique


def test_profile_fields_names_nested_fields_with_dots() -> None:
    assert list(profile_fields([{"data": {"text": "Acme", "meta": {"source": {"deep": {"er": 1}}}}}])) == [
        "data.text",
        "data.meta.source",
    ]


def test_kind_of_a_field_ignores_empty_lists() -> None:
    documents: list[dict[str, Any]] = [{"spans": []} for _ in range(9)]
    assert profile_fields(documents)["spans"].kind is None
    assert profile_fields([*documents, {"spans": [{"start": 0}]}])["spans"].kind == "objects"
