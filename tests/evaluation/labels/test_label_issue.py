from typing import Any, get_args

import pytest
from pydantic import ValidationError

from assay.corpus.entity import Entity
from assay.evaluation.labels.label_issue import CHARACTERS, IssueKind, LabelIssue, described, shorten

TEXT = "Anna Meier works for Siemens in München"


def issue(kind: str, given: str | None, proposed: str | None, **more: Any) -> LabelIssue:
    return LabelIssue.model_validate({"kind": kind, "given": given, "proposed": proposed, "score": 0.987, **more})


@pytest.mark.parametrize(
    ("kind", "given", "proposed", "reason"),
    [
        ("wrong class", "up", "down", "wrong class: labelled up, the model says down (0.99)"),
        ("wrong label", "tax", None, "wrong label: labelled tax, the model says without it (0.99)"),
        ("missing label", None, "tax", "missing label: labelled without it, the model says tax (0.99)"),
        ("wrong type", "PER 'Anna'", "ORG 'Anna'", "wrong type: labelled PER 'Anna', the model says ORG 'Anna' (0.99)"),
        ("wrong boundary", "PER 'A'", "PER 'A B'", "wrong boundary: labelled PER 'A', the model says PER 'A B' (0.99)"),
        ("missed entity", None, "PER 'Anna'", "missed entity: labelled no entity, the model says PER 'Anna' (0.99)"),
        ("extra entity", "PER 'Anna'", None, "extra entity: labelled PER 'Anna', the model says no entity (0.99)"),
    ],
)
def test_label_issue_says_what_is_labelled_and_what_the_model_says(
    kind: str, given: str | None, proposed: str | None, reason: str
) -> None:
    assert issue(kind, given, proposed).reason == reason


def test_label_issue_of_every_kind_is_one_line() -> None:
    for kind in get_args(IssueKind):
        assert "\n" not in issue(kind, None, None).reason


def test_label_issue_refuses_an_unknown_kind_and_stays_as_it_is() -> None:
    with pytest.raises(ValidationError, match="kind"):
        issue("wrong mood", "up", "down")
    with pytest.raises(ValidationError, match="frozen"):
        issue("wrong class", "up", "down").score = 1.0  # type: ignore[misc]


def test_described_names_types_and_words_in_their_order() -> None:
    entities = [Entity(32, 39, "LOC"), Entity(0, 10, "PER")]
    assert described(TEXT, entities) == "LOC 'München', PER 'Anna Meier'"
    assert described(TEXT, []) is None


def test_described_shortens_a_long_entity() -> None:
    text = "x" * 500
    assert described(text, [Entity(0, 500, "PER")]) == f"PER '{'x' * (CHARACTERS - 1)}…'"


@pytest.mark.parametrize(("length", "shown"), [(CHARACTERS - 1, CHARACTERS - 1), (CHARACTERS, CHARACTERS)])
def test_shorten_keeps_a_text_that_fits(length: int, shown: int) -> None:
    assert shorten("x" * length) == "x" * shown


def test_shorten_cuts_a_longer_text_to_the_limit() -> None:
    short = shorten("x" * (CHARACTERS + 1))
    assert (len(short), short[-2:]) == (CHARACTERS, "x…")
