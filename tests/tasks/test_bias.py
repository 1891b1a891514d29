import numpy as np

from corpus.example import Entity
from recipes.recipe import SliceRule
from serving.engine import ScoredEntity
from tasks.bias import judge_slices
from tasks.scoring.answers import Answer
from tasks.scoring.slices import OTHER, slices_by

RULE = SliceRule(columns=["medium"])


def answers_with(quality: dict[str, tuple[int, float]], seed: int = 1) -> list[Answer]:
    """Rows of each medium: how many, and how often class and entity are right."""
    random = np.random.default_rng(seed)
    rows = []
    for medium, (count, accuracy) in quality.items():
        for number in range(count):
            gold = "ab"[number % 2]
            right = bool(random.random() < accuracy)
            answer = gold if right else "ba"[number % 2]
            rows.append(
                Answer(
                    id=f"{medium}-{number}",
                    gold=gold,
                    predicted=answer,
                    probabilities=(0.5, 0.5),
                    gold_entities=(Entity(0, 3, "X"),),
                    predicted_entities=(ScoredEntity(0, 3 if right else 2, "X", 0.9),),
                    characters=10,
                    truncated=False,
                    slices={"medium": medium},
                )
            )
    return rows


def test_a_bad_slice_is_found_for_both_heads_and_the_good_ones_pass() -> None:
    rows = answers_with({"web": (500, 0.92), "print": (300, 0.92), "radio": (200, 0.6)})
    checks = {check.name: check for check in judge_slices(rows, RULE, ["sentence", "tokens"])}
    assert len(checks) == 6
    for head in ("sentence", "tokens"):
        bad = checks[f"slice: medium=radio ({head})"]
        assert not bad.passed
        assert "more than chance" in bad.why
        assert "200 rows (20%)" in bad.measured
        assert checks[f"slice: medium=web ({head})"].passed
        assert checks[f"slice: medium=print ({head})"].passed


def test_equally_good_slices_pass() -> None:
    for seed in range(10):
        rows = answers_with({"web": (300, 0.8), "print": (200, 0.8), "radio": (100, 0.8)}, seed)
        assert all(check.passed for check in judge_slices(rows, RULE, ["sentence", "tokens"])), seed


def test_a_shortfall_that_may_be_chance_passes_and_says_so() -> None:
    # Given ten rows of which seven are right, beside 60 of which 90 % are,
    rows = answers_with({"web": (60, 0.9)}) + answers_with({"radio": (10, 0.7)}, seed=4)
    radio = judge_slices(rows, RULE, ["tokens"])[1]
    assert radio.passed
    assert radio.judged
    assert "may be chance" in radio.why


def test_a_small_slice_is_reported_and_not_judged() -> None:
    rows = answers_with({"web": (950, 0.95), "radio": (50, 0.1)})
    radio = judge_slices(rows, RULE, ["sentence"])[1]
    assert radio.name == "slice: medium=radio (sentence)"
    assert radio.passed
    assert not radio.judged
    assert "less than 10% of the rows" in radio.why


def test_a_slice_with_nothing_to_find_is_not_judged() -> None:
    rows = answers_with({"web": (100, 0.9)})
    empty = [Answer(f"e{n}", None, None, (), (), (), 10, False, {"medium": "radio"}) for n in range(50)]
    radio = judge_slices(rows + empty, RULE, ["tokens"])[1]
    assert not radio.judged
    assert "nothing to find" in radio.measured


def test_no_columns_no_checks() -> None:
    assert judge_slices(answers_with({"web": (10, 0.5)}), SliceRule(), ["sentence"]) == []


def test_of_many_values_the_small_ones_are_one_slice() -> None:
    rows = answers_with({f"m{n:02d}": (30 - n, 0.9) for n in range(25)})
    slices = slices_by(rows, "medium")
    assert len(slices) == 21
    assert slices[-1].value == OTHER
    assert sum(one.rows for one in slices) == len(rows)
    assert all(not check.judged for check in judge_slices(rows, RULE, ["sentence"]) if OTHER in check.name)
