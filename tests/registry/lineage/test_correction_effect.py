from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.corrected_rows import CORRECTIONS, CorrectedRow, Labels
from assay.corpus.entity import Entity
from assay.corpus.snapshot import SnapshotManifest
from assay.corpus.splits import SplitName, Splits
from assay.evaluation.labelled_predictions import PREDICTIONS, LabelledPrediction, write_predictions
from assay.registry.lineage.correction_effect import ScoreEffect, correction_effect
from assay.registry.lineage.version_lineage import Lineage
from assay.registry.versions import Version
from assay.serving.engine import ScoredEntity, ScoredLabel

MakeLineage = Callable[..., Lineage]
SPLIT_OF: dict[str, SplitName] = {"a": "test", "b": "test", "c": "train", "d": "validation"}


def _row(name: str, before: str | None, after: str, author: str = "anna") -> CorrectedRow:
    old = None if before is None else Labels(label=before)
    return CorrectedRow(
        id=name, before=old, after=Labels(label=after), author=author, at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def _prediction(name: str, gold: str, predicted: str) -> LabelledPrediction:
    return LabelledPrediction(name, gold, predicted, (0.9, 0.1), None, (), 4, False, {})


@pytest.fixture
def lineage(tmp_path: Path) -> MakeLineage:
    """Return `lineage(number, corrected rows, *predictions)`, with files as MLflow keeps them."""

    def make(number: str, rows: Sequence[CorrectedRow], *predictions: LabelledPrediction) -> Lineage:
        folder = tmp_path / number
        unread: Any = SnapshotManifest.model_construct
        folder.mkdir()
        (folder / CORRECTIONS).write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
        write_predictions(predictions, folder / PREDICTIONS)
        return Lineage(
            version=Version(name="toy", number=number, tags={}),
            data=folder,
            rows=folder / PREDICTIONS,
            recipe={},
            snapshot=unread(),
            splits=Splits.create(SPLIT_OF, snapshot="s", method="stratified"),
            metrics={},
            tags={},
            environment={},
        )

    return make


def test_correction_effect_scores_the_same_predictions_on_both_labels(lineage: MakeLineage) -> None:
    # given a second version with the corrections a (test) and c (train)
    predictions = _prediction("a", "up", "down"), _prediction("b", "up", "up")
    first = lineage("1", [], *predictions)
    corrected = _prediction("a", "down", "down"), _prediction("b", "up", "up")
    second = lineage("2", [_row("a", "up", "down"), _row("c", "up", "down", "ben")], *corrected)

    effect = correction_effect(first, second)

    assert effect is not None
    assert (effect.rows, effect.authors) == ({"test": 1, "train": 1}, {"anna": 1, "ben": 1})
    assert [(one.version, one.head, one.rows, one.after) for one in effect.scores] == [
        ("1", "sentence", 1, 1.0),
        ("2", "sentence", 1, 1.0),
    ]
    assert effect.scores[0].before == effect.scores[1].before == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([], []),
        ([_row("a", "up", "down")], [_row("a", "up", "down", "ben")]),  # both have it
        ([], [_row("a", "up", "up")]),  # a confirmation
        ([], [_row("a", None, "up")]),  # a row that the first version does not have
        ([_row("a", None, "up")], []),
    ],
)
def test_correction_effect_is_none_where_labels_of_common_rows_are_equal(
    lineage: MakeLineage, ours: list[CorrectedRow], theirs: list[CorrectedRow]
) -> None:
    assert correction_effect(lineage("1", ours), lineage("2", theirs)) is None


def test_correction_effect_counts_corrections_that_were_taken_back(lineage: MakeLineage) -> None:
    effect = correction_effect(lineage("1", [_row("a", "up", "down")]), lineage("2", []))
    assert effect is not None
    assert (effect.rows, effect.authors) == ({"test": 1}, {"anna": 1})
    # without predictions, there is nothing to score
    assert effect.scores == []


def test_correction_effect_of_training_rows_alone_has_no_scores(lineage: MakeLineage) -> None:
    prediction = _prediction("b", "up", "up")
    effect = correction_effect(lineage("1", [], prediction), lineage("2", [_row("gone", "up", "down")], prediction))
    assert effect is not None
    assert (effect.rows, effect.scores) == ({"": 1}, [])


def test_correction_effect_of_entities_scores_the_token_head(lineage: MakeLineage) -> None:
    org = Entity(0, 4, "ORG")
    found = ScoredEntity(0, 4, "ORG", 0.9)
    predictions = [
        LabelledPrediction("a", None, None, (), (), (), 4, False, {}),
        LabelledPrediction("b", None, None, (), (org,), (found,), 4, False, {}),
    ]
    row = CorrectedRow(
        id="a",
        before=Labels(entities=(org,)),
        after=Labels(entities=()),
        author="anna",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    uncorrected = LabelledPrediction("a", None, None, (), (org,), (), 4, False, {})
    first, second = lineage("1", [], uncorrected, predictions[1]), lineage("2", [row], *predictions)
    effect = correction_effect(first, second)
    assert effect is not None
    assert [(one.version, one.head, one.after) for one in effect.scores] == [("1", "tokens", 1.0), ("2", "tokens", 1.0)]
    assert [one.before for one in effect.scores] == pytest.approx([2 / 3, 2 / 3])


def test_score_effect_is_a_row_of_a_table() -> None:
    effect = ScoreEffect(version="3", head="tokens", before=0.5, after=2 / 3, rows=1200)
    assert effect.cells == ("version 3, tokens", "1,200", "0.5000", "0.6667")


def test_correction_effect_counts_no_correction_that_the_source_has_come_to_hold(lineage: MakeLineage) -> None:
    corrected = lineage("1", [_row("a", "down", "up")], _prediction("a", "up", "up"))
    assert correction_effect(corrected, lineage("2", [], _prediction("a", "up", "up"))) is None


def test_correction_effect_compares_entities_as_both_versions_were_scored(lineage: MakeLineage) -> None:
    # Given a correction of Acme to Acme-Corp, of which the tokenizer makes one word,
    name, word = Entity(0, 4, "ORG"), Entity(0, 9, "ORG")
    found = ScoredEntity(0, 9, "ORG", 0.9)
    scored = LabelledPrediction("a", None, None, (), (word,), (found,), 9, False, {})
    row = CorrectedRow(
        id="a", before=Labels(entities=(Entity(0, 3, "ORG"),)), after=Labels(entities=(name,)), author="anna",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    # then nothing has changed for models that read whole words,
    assert correction_effect(lineage("1", [], scored), lineage("2", [row], scored)) is None
    # and where something has, the predictions are compared with whole words, too.
    elsewhere = (Entity(10, 14, "ORG"),)
    other = LabelledPrediction("a", None, None, (), elsewhere, (found,), 14, False, {})
    effect = correction_effect(lineage("3", [], other), lineage("4", [row], scored))
    assert effect is not None
    assert [(one.before, one.after) for one in effect.scores] == [(0.0, 1.0), (0.0, 1.0)]


def _labelled(name: str, gold: tuple[str, ...] | None, *predicted: str) -> LabelledPrediction:
    applied = tuple(ScoredLabel(label, 0.9) for label in predicted)
    return LabelledPrediction(
        name, None, None, (), None, (), 4, False, {}, gold_labels=gold, predicted_labels=applied
    )  # fmt: skip


@pytest.mark.parametrize(("before", "f1"), [(("sport",), [0.0, 0.0]), ((), [0.0, 0.0]), (None, [0.0, 0.0])])
def test_correction_effect_of_several_labels_scores_the_labels_head(
    lineage: MakeLineage, before: tuple[str, ...] | None, f1: list[float]
) -> None:
    row = CorrectedRow(
        id="a", before=Labels(labels=before), after=Labels(labels=("money",)), author="anna",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    other = _labelled("b", ("weather",))
    first = lineage("1", [], _labelled("a", before, "money"), other)
    second = lineage("2", [row], _labelled("a", ("money",), "money"), other)

    effect = correction_effect(first, second)

    assert effect is not None
    assert [(one.version, one.head, one.rows) for one in effect.scores] == [("1", "labels", 1), ("2", "labels", 1)]
    assert [one.before for one in effect.scores] == f1
    assert [one.after for one in effect.scores] == [0.5, 0.5]
