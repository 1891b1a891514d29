from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.evaluation.gate_checks.recall import _cases, check_recall
from assay.serving.engine import ScoredLabel
from tests.evaluation.predicted import predictions
from tests.gate_candidates import FEWER_CLASSES, FEWER_ENTITIES, MakeCandidate, checks_of, labelled_rows

RULE = {"min_recall": {"sentence": {"positive": 0.9, "negative": 0.9}, "tokens": {"PLACE": 0.9, "COMPANY": 0.9}}}


def test_check_recall_is_made_for_each_class_and_type_of_the_recipe(candidate: MakeCandidate) -> None:
    verdict = candidate(FEWER_CLASSES, FEWER_ENTITIES, gate_rules=RULE).verdict()
    found = {name: check.passed for name, check in checks_of(verdict).items() if name.startswith("recall")}
    assert found == {
        "recall: positive (sentence)": False,
        "recall: negative (sentence)": True,
        "recall: PLACE (tokens)": False,
        "recall: COMPANY (tokens)": True,
    }
    assert verdict.metrics["sentence.recall.positive"] == 0.5
    assert verdict.metrics["sentence.recall.positive.low"] < 0.5 < verdict.metrics["sentence.recall.positive.high"]
    assert verdict.metrics["tokens.recall.COMPANY"] == 1.0


def test_check_recall_states_what_was_missed(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(FEWER_CLASSES, FEWER_ENTITIES, gate_rules=RULE).context(tmp_path)
    check = check_recall(context, "sentence", "positive")
    assert check.required == "a recall of the class 'positive' of at least 0.9 (gate.min_recall.sentence)"
    assert check.measured.startswith("0.500 (95 % interval 0.4")
    assert check.measured.endswith("60 of 120 rows")
    assert "below gate.min_recall.sentence by 0.400; 60 of the 60 missed rows are predicted as 'negative'" in check.why
    check = check_recall(context, "tokens", "PLACE")
    assert check.measured.endswith("60 of 120 entities")
    assert "of 60 missed entities 0 have another type, 0 other boundaries" in check.why


def test_check_recall_tells_types_and_boundaries_apart(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(gate_rules=RULE).context(tmp_path)
    rows = context.evaluation.rows
    place = next(number for number, row in enumerate(rows) if (row.gold_entities or ())[0].label == "PLACE")
    entity = rows[place].predicted_entities[0]
    wrong: list[Any] = [replace(entity, label="COMPANY"), replace(entity, end=entity.end - 1)]
    changed = [replace(rows[place], predicted_entities=(entity,)) for entity in wrong]
    context.evaluation.rows[:] = changed
    check = check_recall(context, "tokens", "PLACE")
    assert "of 2 missed entities 1 have another type, 1 other boundaries" in check.why


def test_check_recall_counts_clusters(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(gate_rules=RULE).context(tmp_path)
    single = check_recall(context, "sentence", "positive")
    context.evaluation.rows[:] = [
        replace(row, cluster=f"d{number // 24}") for number, row in enumerate(context.evaluation.rows)
    ]
    check = check_recall(context, "sentence", "positive")
    assert check.measured.endswith("120 of 120 rows in 10 clusters")
    assert check.metrics["sentence.recall.positive.low"] < single.metrics["sentence.recall.positive.low"] - 0.2
    assert check.passed
    assert check.why.startswith("reaches the threshold, but may be 0.6")


def test_recall_of_a_label_counts_the_rows_that_have_it() -> None:
    row = replace(predictions(1)[0], predicted_labels=(ScoredLabel("money", 0.9), ScoredLabel("sport", 0.8)))
    rows = [replace(row, id=str(number), gold_labels=labels) for number, labels in enumerate([("money",), (), None])]
    missed = replace(rows[0], predicted_labels=(), cluster="d")
    assert _cases([*rows, missed], "labels", "money") == ([True, False], [rows[0].own_cluster, "d"])


@pytest.mark.parametrize("allow", [True, False])
def test_check_recall_refuses_a_class_without_test_rows(candidate: MakeCandidate, allow: bool) -> None:
    rules = {"min_recall": {"sentence": {"mixed": 0.1}, "tokens": {"DRUG": 0.1}}, "allow_untested": allow}
    found = checks_of(candidate(gate_rules=rules, rows=labelled_rows()).verdict())
    for name in ("recall: mixed (sentence)", "recall: DRUG (tokens)"):
        assert not found[name].passed
        assert found[name].measured == "not tested: no test row"
        assert "remove the rule" in found[name].why
