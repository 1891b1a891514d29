import re
from typing import Any

import pytest

from assay.corpus.example import HEADS
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.metrics import HEAD_F1
from assay.evaluation.verdict import Check, Verdict
from assay.registry.model_card import Card
from assay.registry.promotion import PromotionResult
from assay.registry.versions import Version
from assay.serving.bundle import BundleManifest, Precision
from tests.decisions import a_decision
from tests.finished_run import HOSTILE, Finished, Page


def test_card_shows_all_results_and_runs_no_script(finished: Finished) -> None:
    # When the card of a promoted model is written,
    card = finished.report(finished.promote())
    html = card.read_text(encoding="utf-8")
    page = Page(html)
    # then it is one file that loads nothing from elsewhere, and names from the data are text, not code.
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) > 10
    assert all(address.startswith("#") for address in page.addresses)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    # It holds the five plots, which take their colours from the page,
    assert page.tags.count("svg") == 5
    assert "currentColor" in html
    assert "#010203" not in html
    # and the verdict, the data with its warnings, the mistakes, the recipe and the digests.
    for part in (
        "Version 1 of",
        "2 of 2 checks passed",
        "not tested",
        "388 rows repeat",
        "excluded: duplicate of a test row",
        "Errors with high confidence",
        "learning_rate: 0.001",
        finished.verdict.bundle,
        finished.snapshot.digest,
        "$x_1$",
        "mitigated 1",
        "training.learning_rate=0.0003",
        "0.512",
        "macro-F1 of classes, baseline",
        "0.312",
        "macro-F1 of classes, TF-IDF baseline",
        "precision of what is decided at least 0.95",
        "0.600, bad 0.700",
        "none: all are left to people",
        "share that is decided",
    ):
        assert part in page.text
    # The plot of slices shows the recipe's classes and conditions, too.
    for name in ("label = positive", "expression = long ones", "medium = web", "text length ="):
        assert name in page.text


@pytest.mark.parametrize(
    ("verdict", "promoted", "pending", "registered", "outcome"),
    [
        ("passed", True, False, True, "passed"),
        ("passed", False, True, True, "pending"),
        ("passed", False, False, True, "refused"),  # a person refused it
        ("refused", False, False, True, "refused"),
        ("refused", True, False, True, "forced"),
        ("passed", False, False, False, "passed"),  # a dry run
    ],
)
def test_card_outcome_is_that_of_verdict_and_promotion(
    verdict: str, promoted: bool, pending: bool, registered: bool, outcome: str
) -> None:
    check = Check(name="score", measured="1", required="0", passed=verdict == "passed", why="")
    version = Version(name="toy", number="1", tags={}) if registered else None
    values: dict[str, Any] = {
        "verdict": Verdict(recipe="r", bundle="b", snapshot="s", splits="p", champion=None, checks=[check]),
        "promotion": PromotionResult(version=version, promoted=promoted, why="", pending=pending),
        "slices": [],
        "environment": {},
    }
    card = Card.model_construct(**values)
    assert card.outcome == outcome


def test_card_shows_decisions_and_thresholds_of_the_precision_that_its_metrics_are_of() -> None:
    thresholds: dict[Precision, list[float]] = {"int8": [0.4], "bf16": [0.6]}
    manifest: dict[str, Any] = {
        "precision": "int8",
        "bf16": True,
        "row_labels": ["money"],
        "label_thresholds": thresholds,
        "decisions": {"int8": {"labels": a_decision(0.8)}, "bf16": {"labels": a_decision(0.9)}},
    }
    for precision in ("int8", "bf16"):
        evaluation: dict[str, Any] = {"precision": precision}
        values: dict[str, Any] = {
            "bundle": BundleManifest.model_construct(**manifest),
            "evaluation": Evaluation.model_construct(**evaluation),
            "slices": [],
            "environment": {},
        }
        card = Card.model_construct(**values)
        assert card.decisions == manifest["decisions"][precision]
        assert card.label_thresholds == {"money": thresholds[precision][0]}


def test_card_headlines_are_the_same_for_every_head() -> None:
    kinds = ("ece", "coverage", "precision_decided")
    metrics = {HEAD_F1[head]: 0.5 for head in HEADS} | {f"{head}.{kind}": 0.25 for head in HEADS for kind in kinds}
    evaluation: dict[str, Any] = {"metrics": metrics, "intervals": {}}
    values: dict[str, Any] = {
        "evaluation": Evaluation.model_construct(**evaluation),
        "verdict": Verdict(recipe="r", bundle="b", snapshot="s", splits="p", champion=None, checks=[]),
        "slices": [],
        "environment": {},
    }
    shown = Card.model_construct(**values).headlines
    assert len(shown) == len(metrics)
    for noun in ("classes", "labels", "entities"):
        assert f"share of {noun} that is decided" in [title for title, *_ in shown]
