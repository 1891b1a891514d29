from dataclasses import replace
from pathlib import Path

import pytest

from assay.evaluation.gate_checks.baseline import check_baseline
from assay.evaluation.gate_checks.standard import (
    check_score,
)
from assay.recipes.recipe import Gate
from tests.gate_candidates import ALL_CLASSES, ALL_ENTITIES, FEWER_ENTITIES, MakeCandidate, labelled_rows

# Three rows of four are positive, and no training row names Munich.
TRAINING = [
    replace(row, id=f"train-{row.id}")
    for row in labelled_rows()
    if "munich" not in row.text and not row.text.startswith("poor")
]


def always(label: str) -> dict[str, str]:
    """Return the words of a model that knows both classes but always predicts the same one."""
    return dict.fromkeys(ALL_CLASSES, label) | {"unheard": "negative", "never": "positive"}


def test_check_baseline_refuses_a_model_that_predicts_one_class(candidate: MakeCandidate, tmp_path: Path) -> None:
    # Given a model with macro-F1 0.333 of two balanced classes, and a threshold below that,
    rules = {"baseline": "majority", "min_f1": {"sentence": 0.3, "tokens": 0.3}}
    case = candidate(always("positive"), gate_rules=rules, training=TRAINING).context(tmp_path)
    assert check_score(case, "sentence").passed
    # then the most frequent class does as well, and the verdict shows both figures.
    (check,) = check_baseline(case, "sentence")
    assert not check.passed
    assert "F1 0.333 against 0.333 of the most frequent class of the training rows, 'positive'" in check.measured
    assert check.metrics == {"baseline_f1_sentence": pytest.approx(1 / 3)}


@pytest.mark.parametrize("baseline", ["majority", "tfidf"])
@pytest.mark.parametrize("constant", ["positive", "negative"])
def test_check_baseline_refuses_a_model_that_predicts_one_class_under_class_drift(
    candidate: MakeCandidate, tmp_path: Path, constant: str, baseline: str
) -> None:
    # Given training rows with mostly one class, and test rows with mostly another,
    drifted = [replace(row, label="negative" if row.text.startswith("fine") else row.label) for row in labelled_rows()]
    made = candidate(
        always(constant),
        gate_rules={"baseline": baseline, "min_f1": {"sentence": 0.1, "tokens": 0.3}},
        rows=drifted,
        training=TRAINING,
    )
    case = made.context(tmp_path)
    assert {row.predicted for row in case.evaluation.rows} == {constant}
    # when a model predicts one class, be it the one or the other, then it is compared with the better one.
    check = check_baseline(case, "sentence")[0]
    assert not check.passed
    assert (
        "of the most frequent class of the test rows, 'negative' (of the training rows: 'positive')" in check.measured
    )
    assert check.metrics == {"baseline_f1_sentence": pytest.approx(3 / 7)}


def test_check_baseline_passes_a_model_above_them(candidate: MakeCandidate, tmp_path: Path) -> None:
    rules = {"baseline": "tfidf"}
    case = candidate(gate_rules=rules, training=TRAINING).context(tmp_path)
    majority, tfidf = check_baseline(case, "sentence")
    assert majority.passed
    assert majority.measured.startswith("F1 1.000 against 0.333 of the most frequent class")
    # A test word that no training row holds is beyond TF-IDF, and a name that none holds beyond the majority tag.
    assert tfidf.passed
    assert "of TF-IDF with logistic regression on 135 training rows" in tfidf.measured
    (tags,) = check_baseline(case, "tokens")
    assert tags.passed
    assert "of the majority tag of each word in 135 training rows" in tags.measured
    assert set(majority.metrics | tfidf.metrics | tags.metrics) == {
        "baseline_f1_sentence",
        "baseline_f1_sentence_tfidf",
        "baseline_f1_tokens",
    }


@pytest.mark.parametrize("entities", [ALL_ENTITIES, FEWER_ENTITIES], ids=["flawless", "with misses"])
def test_check_baseline_refuses_entities_that_equal_the_word_baseline(
    candidate: MakeCandidate, tmp_path: Path, entities: dict[str, str]
) -> None:
    training = [replace(row, id=f"train-{row.id}") for row in labelled_rows()]
    case = candidate(entities=entities, gate_rules={"baseline": "majority"}, training=training).context(tmp_path)
    (check,) = check_baseline(case, "tokens")
    assert check.passed == (entities is ALL_ENTITIES)
    if check.passed:
        assert check.why == "finds every entity of these rows and no other"
    else:
        assert check.why.startswith("not shown to be better than the majority tag of each word in 240 training rows")


def test_check_baseline_fails_without_training_rows(candidate: MakeCandidate) -> None:
    assert Gate(min_f1={"sentence": 0.6}).baseline == "majority"
    verdict = candidate(gate_rules={"baseline": "majority"}).verdict()
    assert {check.name for check in verdict.failed} == {"baseline: sentence", "baseline: tokens"}
    assert "no training row has a class" in verdict.failed[0].why
