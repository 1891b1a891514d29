from datetime import UTC, datetime
from typing import Any

import pytest

from assay.corpus.documents.annotators.annotated_row import (
    Annotation,
    agreed,
    check_relations,
    is_triple,
    only_name,
    single_class,
    triples,
)
from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.documents.values import MISSING, UnreadableError

DAY, NEXT_DAY = datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)


def rules(**values: str) -> AnnotationRules:
    return AnnotationRules.model_validate(values)


def test_single_class_is_the_only_one_however_often_it_stands() -> None:
    assert single_class(["a", "a"]) == "a"
    assert single_class([0]) == 0
    assert single_class([]) is MISSING
    with pytest.raises(UnreadableError, match=r"text has several classes: \['b', 'a'\]"):
        single_class(["b", "a", "b"])


def test_only_name_prefers_the_recipe_and_asks_where_there_are_several() -> None:
    assert only_name(["b", "a"], "c", "several questions") == "c"
    assert only_name(["a", "a"], None, "several questions") == "a"
    assert only_name([], None, "several questions") is None
    with pytest.raises(UnreadableError, match=r"several questions: \['a', 'b'\]"):
        only_name(["b", "a"], None, "several questions")


@pytest.mark.parametrize(
    ("rule", "annotation"),
    [("first", "a"), ("latest", "c")],
)
def test_agreed_takes_the_annotation_of_the_rule(rule: str, annotation: str) -> None:
    by_several = [Annotation("a", DAY), Annotation("b", NEXT_DAY), Annotation("c", NEXT_DAY), Annotation("d")]
    assert agreed(by_several, rules(disagreement=rule)) == annotation


def test_agreed_rejects_annotations_that_differ() -> None:
    assert agreed([Annotation(["a"]), Annotation(["a"])], rules()) == ["a"]
    with pytest.raises(UnreadableError, match="annotators disagree: annotator 1 says 'a', ben says 'b'"):
        agreed([Annotation(["a"]), Annotation(["b"], person="ben")], rules())


def test_check_relations_refuses_them_unless_they_are_ignored() -> None:
    check_relations([], rules())
    check_relations(None, rules())
    check_relations([{"type": "of"}], rules(relations="ignore"))
    with pytest.raises(UnreadableError, match="relations are not read: 2 of them"):
        check_relations([{"type": "of"}, {"type": "of"}], rules())


def test_triples_become_objects_and_other_values_stay() -> None:
    entity = {"start": 0, "end": 4, "label": "ORG"}
    assert triples([[0, 4, "ORG"], (0, 4, "ORG"), entity, 7]) == [entity, entity, entity, 7]
    assert triples("no list") == "no list"
    assert triples(MISSING) is MISSING
    with pytest.raises(UnreadableError, match=r"entity is not \[start, end, label\]: \[0, 4\]"):
        triples([[0, 4]])


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ([0, 4, "ORG"], True),
        ((0, 4, "ORG"), True),
        ([0, 4, "ORG", "x"], False),
        ([0, True, "ORG"], False),
        ([0, 4.0, "ORG"], False),
        ([0, 4, None], False),
        ("abc", False),
        (None, False),
    ],
)
def test_is_triple_needs_two_whole_numbers_and_a_text(item: Any, expected: bool) -> None:
    assert is_triple(item) is expected
