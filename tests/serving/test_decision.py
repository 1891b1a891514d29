from pathlib import Path
from typing import Any

import pytest

from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from assay.serving.json_objects import as_object
from tests.bundles import build_bundle
from tests.decisions import a_decision
from tests.serving.conftest import BuildToy


def test_decision_abstains_below_the_threshold_of_the_class() -> None:
    decision = a_decision(0.8, by_class={"up": 0.9})
    assert [decision.abstains(label, 0.85) for label in ("up", "down")] == [True, False]
    assert not decision.abstains("down", 0.8)


def test_decision_without_a_threshold_abstains_always() -> None:
    assert a_decision(None).abstains("up", 1.0)


@pytest.mark.parametrize(
    ("heads", "label", "entity", "row"),
    [
        ({}, False, False, False),
        ({"sentence": 0.8}, True, False, True),
        ({"tokens": 1.0}, False, True, True),
        ({"sentence": 0.5, "tokens": 1.0}, False, True, True),
        ({"sentence": 0.5, "tokens": 0.1}, False, False, False),
    ],
)
def test_engine_marks_what_is_below_and_keeps_the_best_guess(
    build_toy: BuildToy, toy: Bundle, heads: dict[str, float], label: bool, entity: bool, row: bool
) -> None:
    decisions = {head: a_decision(threshold) for head, threshold in heads.items()}
    engine = Engine(build_toy("deciding", decisions={"fp32": decisions}), threads=1)
    rows = [Row("nothing but Apple")]
    (prediction,), (undecided,) = engine.predict(rows), Engine(toy, threads=1).predict(rows)
    assert (prediction.label_abstained, prediction.entities[0].abstained, prediction.abstained) == (label, entity, row)
    assert (prediction.label, prediction.probabilities) == (undecided.label, undecided.probabilities)
    assert [(e.start, e.end, e.label, e.score) for e in prediction.entities] == [
        (e.start, e.end, e.label, e.score) for e in undecided.entities
    ]


def test_engine_marks_labels_that_are_not_sure(tmp_path: Path) -> None:
    words = {"bank": "money", "match": "sport", "storm": "weather"}
    build_bundle(tmp_path, {}, {}, row_labels=words, changes={"decisions": {"fp32": {"labels": a_decision(None)}}})
    engine = Engine(Bundle.load(tmp_path), threads=1)
    some, none = engine.predict([Row("bank and storm"), Row("nothing")])
    assert [(one.label, one.abstained) for one in some.labels] == [("money", True), ("weather", True)]
    assert (some.abstained, none.abstained) == (True, False)
    assert [one["abstained"] for one in as_object("bank and storm", some, engine)["labels"]] == [True, True]


def test_engine_decides_what_is_sure(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(decisions={"fp32": {"sentence": a_decision(0.8)}}), threads=1)
    sure, unsure = engine.predict([Row("good fine"), Row("nothing")])
    assert (sure.abstained, unsure.abstained) == (False, True)


def test_engine_follows_the_decision_of_its_precision(build_toy: BuildToy) -> None:
    bundle = build_toy(decisions={"bf16": {"sentence": a_decision(None)}})
    assert not Engine(bundle, threads=1).predict([Row("nothing")])[0].abstained


@pytest.mark.parametrize(
    ("heads", "keys", "of_entities"),
    [
        ([], [], False),
        (["sentence"], ["abstained"], False),
        (["tokens"], ["abstained"], True),
        (["sentence", "tokens"], ["abstained", "label_abstained"], True),
    ],
)
def test_as_object_says_what_is_left_to_people_only_where_there_is_a_decision(
    build_toy: BuildToy, heads: list[str], keys: list[str], of_entities: bool
) -> None:
    engine = Engine(build_toy(decisions={"fp32": dict.fromkeys(heads, a_decision(1.0))}), threads=1)
    (prediction,) = engine.predict([Row("good Apple")])
    values: dict[str, Any] = as_object("good Apple", prediction, engine)
    assert [name for name in values if "abstained" in name] == keys
    assert all(values[key] for key in keys)
    assert ("abstained" in values["entities"][0]) is of_entities


def test_bundle_with_another_decision_has_another_digest(build_toy: BuildToy, toy: Bundle) -> None:
    assert build_toy("deciding", decisions={"fp32": {"sentence": a_decision()}}).digest != toy.digest
