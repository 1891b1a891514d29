from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from assay.corpus.corrected_rows import CorrectedRow, Labels
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.registry.lineage.correction_effect import correction_effect


def prediction(row: str, gold: str) -> LabelledPrediction:
    return LabelledPrediction(row, gold, "good", (0.9, 0.1), None, (), 5, False, {})


def corrected(row: str) -> CorrectedRow:
    before, after = Labels(label="bad"), Labels(label="good")
    return CorrectedRow(id=row, before=before, after=after, author="anna", at=datetime.now(UTC))


def lineage(number: str, gold: str, *rows: CorrectedRow) -> Any:
    """Return the parts of a version that the effect reads; its test rows are r1 with this label, and r2."""
    return SimpleNamespace(
        version=SimpleNamespace(number=number),
        corrected_rows=list(rows),
        predictions=[prediction("r1", gold), prediction("r2", "bad")],
        splits=SimpleNamespace(split_of={"r1": "test", "r2": "test"}),
    )


def test_correction_effect_scores_both_labels_of_a_corrected_row() -> None:
    effect = correction_effect(lineage("1", "bad"), lineage("2", "good", corrected("r1")))
    assert effect is not None
    assert (effect.rows, effect.authors) == ({"test": 1}, {"anna": 1})
    assert all(score.after > score.before for score in effect.scores)


def test_a_source_that_has_come_to_hold_a_correction_changes_no_label() -> None:
    assert correction_effect(lineage("1", "good", corrected("r1")), lineage("2", "good")) is None
