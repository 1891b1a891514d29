import pytest

from assay.corpus.example import Entity, Example
from assay.evaluation.sample_baselines import FOLDS, MOST_ROWS, class_baselines, entity_baseline, row_label_baselines


def rows(count: int = 60) -> list[Example]:
    words = ("wins", "loses")
    return [
        Example(
            str(row),
            f"Acme {words[row % 2]} number {row}",
            label=("good", "bad")[row % 2],
            entities=(Entity(0, 4, "ORG"),),
        )
        for row in range(count)
    ]


def test_class_baselines_of_separable_classes() -> None:
    assert class_baselines(rows()) == (1 / 3, 1.0)


def test_class_baselines_need_rows_of_two_classes() -> None:
    assert class_baselines(rows(4)) is None
    assert class_baselines([]) is None


def test_class_baselines_leave_out_classes_with_too_few_rows() -> None:
    rare = [Example(f"r{row}", "Acme draws", label="rare") for row in range(FOLDS - 1)]
    assert class_baselines(rows() + rare) == class_baselines(rows())


def test_class_baselines_tell_the_texts_of_a_pair_apart() -> None:
    # the class depends on which of both texts holds a word, as for the baseline of the gate
    pairs = [("wins", "loses", "good"), ("loses", "wins", "bad")] * 30
    examples = [Example(str(n), first, text_pair=second, label=label) for n, (first, second, label) in enumerate(pairs)]
    assert class_baselines(examples) == (1 / 3, 1.0)


def test_row_label_baselines_of_every_label_and_of_words() -> None:
    # one label for a third of the rows, one for half of them, each with a word of its own
    every_nth = {"tax": 3, "south": 2}
    labels = [tuple(name for name, nth in every_nth.items() if n % nth == 0) for n in range(60)]
    examples = [Example(str(n), f"row {n} {' '.join(names)}", labels=names) for n, names in enumerate(labels)]
    every, words = row_label_baselines(examples) or (0.0, 0.0)
    assert every == pytest.approx((2 * 20 / 80 + 2 * 30 / 90) / 2)
    assert words == 1.0


@pytest.mark.parametrize("count", [FOLDS - 1, 60 - FOLDS + 1])
def test_row_label_baselines_need_rows_with_and_without_a_label(count: int) -> None:
    examples = [Example(str(n), f"tax {n}", labels=("tax",) if n < count else ()) for n in range(60)]
    assert row_label_baselines(examples) is None
    assert row_label_baselines([]) is None
    assert row_label_baselines(rows()) is None


def test_entity_baseline() -> None:
    assert entity_baseline(rows()) == 1.0
    assert entity_baseline([Example("1", "Acme", entities=())]) is None


def test_entity_baseline_knows_words_of_other_rows_alone() -> None:
    named = [Example(str(n), f"Name{n} wins", entities=(Entity(0, len(f"Name{n}"), "ORG"),)) for n in range(12)]
    assert entity_baseline(named) == 0.0
    assert entity_baseline(named[:1] * 12) == 1.0


def test_sample_baselines_read_a_limited_number_of_rows() -> None:
    # every second row of twice as many is read, and those are of one class
    assert class_baselines(rows(2 * MOST_ROWS)) is None
    assert class_baselines(rows(MOST_ROWS)) is not None
