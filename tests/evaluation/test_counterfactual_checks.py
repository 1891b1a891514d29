"""Counterfactual checks on bundles with known predictions: each word votes for a class, or is an entity."""

from collections.abc import Callable
from typing import Any

import pytest

from assay.corpus.example import Example
from assay.evaluation.counterfactual_checks import check_counterfactuals
from assay.recipes.recipe import CounterfactualRule
from assay.serving.bundle import Bundle, Crf
from assay.serving.engine import Engine

MakeBundle = Callable[..., Bundle]
CLASSES = {"good": "positive", "bad": "negative"}
TOWNS = {"towns": [["Rome", "Oslo"]]}


def rows(count: int = 60, text: str = "{} is good ibm") -> list[Example]:
    """Return rows of which every second names Rome and every third Oslo."""
    towns = ["Rome", "Oslo", "Rome", "nobody", "Rome", "Oslo"]
    return [Example(f"r{number}", text.format(towns[number % 6])) for number in range(count)]


def a_rule(**changes: Any) -> CounterfactualRule:
    return CounterfactualRule(**{"lists": [], "terms": TOWNS, "min_swaps": 10, **changes})


@pytest.fixture
def engine(make_bundle: MakeBundle) -> Callable[..., Engine]:
    """Return `engine(classes={...}, entities={...})`, which by default does not know the towns."""

    def make(classes: dict[str, str] | None = None, entities: dict[str, str] | None = None, **changes: Any) -> Engine:
        return Engine(make_bundle("bundle", classes or CLASSES, entities or {"ibm": "ORG"}, **changes), threads=1)

    return make


def test_check_counterfactuals_passes_a_model_that_ignores_the_terms(engine: Callable[..., Engine]) -> None:
    checks = check_counterfactuals(engine(), rows(), a_rule(), ["sentence", "tokens"])
    assert [check.name for check in checks] == ["counterfactual: towns (sentence)", "counterfactual: towns (tokens)"]
    assert all(check.passed and check.tested for check in checks)
    assert checks[0].measured == "0 of 50 swaps change the prediction (0.0%)"
    assert checks[0].why == "no prediction changes"


def test_check_counterfactuals_shows_a_word_that_flips_the_class(engine: Callable[..., Engine]) -> None:
    # Given a model to which Oslo speaks against whatever is said of it,
    biased = engine({**CLASSES, "Oslo": "negative"})
    # when Rome and Oslo change places in texts that speak well of them,
    sentence, tokens = check_counterfactuals(biased, rows(), a_rule(), ["sentence", "tokens"])
    # then every swap turns the class, and no entity.
    assert not sentence.passed
    assert sentence.measured == "50 of 50 swaps change the prediction (100.0%)"
    assert sentence.why.startswith(
        "too many predictions change: Rome → Oslo (r0): positive became negative; Oslo → Rome"
    )
    assert tokens.passed


def test_check_counterfactuals_compares_entities_outside_the_swapped_words(engine: Callable[..., Engine]) -> None:
    # Given a model that takes Oslo, and nothing else, for a place,
    knows = engine(entities={"ibm": "ORG", "Oslo": "PLACE"})
    (check,) = check_counterfactuals(knows, rows(), a_rule(), ["tokens"])
    # then that is no flip, though the span has another length and all later offsets shift.
    assert check.passed
    assert check.measured.startswith("0 of 50")


def test_check_counterfactuals_counts_a_changed_entity_as_a_flip(engine: Callable[..., Engine]) -> None:
    # Given a tagger (O, B-ORG, I-ORG, B-PLACE, I-PLACE) that sees no organisation right after a place,
    between = [[0.0] * 5 for _ in range(5)]
    between[3][1] = -10.0
    crf = Crf(start=[0.0] * 5, end=[0.0] * 5, between=between)
    tagger = engine(entities={"ibm": "ORG", "Oslo": "PLACE"}, crf=crf)
    # when the word before the organisation changes,
    (check,) = check_counterfactuals(tagger, rows(text="all of {} ibm"), a_rule(), ["tokens"])
    # then it comes or goes with it.
    assert not check.passed
    assert check.measured.startswith("50 of 50 swaps")
    assert "Rome → Oslo (r0): ORG 'ibm' became no entity" in check.why


@pytest.mark.parametrize("allowed", [True, False])
def test_check_counterfactuals_does_not_test_too_few_swaps(engine: Callable[..., Engine], allowed: bool) -> None:
    rule = a_rule(min_swaps=51, allow_untested=allowed)
    (check,) = check_counterfactuals(engine(), rows(), rule, ["sentence"])
    assert (check.passed, check.tested) == (allowed, False)
    assert check.why.startswith("not tested: only 50 swaps could be made; ")
    assert ("gate.counterfactual.allow_untested" in check.why) != allowed


def test_check_counterfactuals_does_not_test_rows_without_terms(engine: Callable[..., Engine]) -> None:
    (check,) = check_counterfactuals(engine(), [Example("1", "nothing")], a_rule(), ["sentence"])
    assert (check.passed, check.tested, check.measured) == (False, False, "0 of 0 swaps change the prediction")


def test_check_counterfactuals_flips_of_a_template_differ_from_its_majority(engine: Callable[..., Engine]) -> None:
    # Given five towns, of which the model dislikes the one that is named first,
    towns = [["Bonn", "Rome", "Oslo"], ["Kiel", "Paris"]]
    rule = a_rule(terms={"towns": towns}, templates=["{towns} is good"], min_swaps=5)
    (check,) = check_counterfactuals(engine({**CLASSES, "Bonn": "negative"}), [], rule, ["sentence"])
    # then one of five texts flips, not the four others.
    assert check.measured == "1 of 5 swaps change the prediction (20.0%)"
    assert check.why == "too many predictions change: Bonn (template '{towns} is good'): positive became negative"


def test_check_counterfactuals_fills_pronoun_templates_with_each_kind(engine: Callable[..., Engine]) -> None:
    rule = CounterfactualRule(
        lists=["pronouns"], templates=["{pronouns.subject} sold {pronouns.determiner} good car"], min_swaps=3
    )
    checks = check_counterfactuals(engine({**CLASSES, "her": "negative"}), [], rule, ["sentence", "tokens"])
    assert checks[0].measured.startswith("1 of 3 swaps")
    assert checks[0].why.startswith("too many predictions change: She")
    assert checks[1].passed


def test_check_counterfactuals_tries_the_same_max_rows(engine: Callable[..., Engine]) -> None:
    asked = engine({**CLASSES, "Oslo": "negative"})
    first, second = (check_counterfactuals(asked, rows(600), a_rule(max_rows=20), ["sentence"])[0] for _ in range(2))
    assert "of 20 swaps" in first.measured
    assert first == second


def test_check_counterfactuals_leaves_out_truncated_texts(engine: Callable[..., Engine]) -> None:
    long = [Example(f"l{number}", "word " * 80 + "Rome") for number in range(20)]
    (check,) = check_counterfactuals(engine(), rows() + long, a_rule(), ["sentence"])
    assert "of 50 swaps" in check.measured


def test_check_counterfactuals_changes_both_texts_of_a_pair(engine: Callable[..., Engine]) -> None:
    pairs = [Example(f"p{number}", "is Rome good", text_pair="Rome is good") for number in range(20)]
    (check,) = check_counterfactuals(engine(pair=True), pairs, a_rule(), ["sentence"])
    assert check.passed
    assert "of 20 swaps" in check.measured


def test_check_counterfactuals_counts_rows_of_one_cluster_once(engine: Callable[..., Engine]) -> None:
    # Given 60 rows, of which 50 name a town, in clusters of twelve,
    clusters = {row.id: f"r{number // 12 * 12}" for number, row in enumerate(rows())}
    asked = engine()
    (check,) = check_counterfactuals(asked, rows(), a_rule(), ["sentence"], clusters)
    # then they are five independent swaps, too few for a minimum of ten,
    assert check.measured == "0 of 50 swaps change the prediction (0.0%), 5 of them independent"
    assert not check.tested
    # and where not all can be tried, each cluster has its turn.
    (check,) = check_counterfactuals(asked, rows(), a_rule(max_rows=7, min_swaps=5), ["sentence"], clusters)
    assert check.measured == "0 of 7 swaps change the prediction (0.0%), 5 of them independent"
    assert check.tested
    # Rows of clusters of their own are counted as ever.
    alone = {row.id: row.id for row in rows()}
    as_ever = check_counterfactuals(asked, rows(600), a_rule(max_rows=20), ["sentence"])
    assert check_counterfactuals(asked, rows(600), a_rule(max_rows=20), ["sentence"], alone) == as_ever


def test_check_counterfactuals_weighs_flips_of_one_cluster_as_one(engine: Callable[..., Engine]) -> None:
    # Given a model that minds the town only in texts of cars, and one document of 40 such texts among 60
    # texts of their own,
    texts = rows(60, "Rome is good good good ibm") + [Example(f"c{number}", "Rome car ibm") for number in range(40)]
    asked = engine({"good": "positive", "Rome": "positive", "Oslo": "negative"})
    document = {row.id: "one document" for row in texts if row.id.startswith("c")}
    rule = a_rule(max_flips=0.02)
    # when its rows count as independent, then two swaps of five change the class,
    (check,) = check_counterfactuals(asked, texts, rule, ["sentence"])
    assert (check.measured, check.passed) == ("40 of 100 swaps change the prediction (40.0%)", False)
    # and as one document they are one of 61.
    (check,) = check_counterfactuals(asked, texts, rule, ["sentence"], document)
    assert check.measured == "40 of 100 swaps change the prediction (1.6%), 61 of them independent"
    assert check.passed
    # The other way round, 60 texts of their own that change are not hidden by one document of many that do not.
    others = {row.id: "one document" for row in texts if not row.id.startswith("c")}
    (check,) = check_counterfactuals(asked, texts, a_rule(max_flips=0.5), ["sentence"], others)
    assert check.measured == "40 of 100 swaps change the prediction (97.6%), 41 of them independent"
    assert not check.passed
