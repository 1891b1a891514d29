"""What corrections of labels alone change between two versions: the same predictions, scored on both labels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from assay.corpus.corrected_rows import CorrectedRow, Labels
from assay.corpus.entity import Entity
from assay.corpus.example import HEADS
from assay.corpus.splits import SplitName
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, rows_of
from assay.recipes.recipe import Head
from assay.registry.lineage.version_lineage import Lineage


class ScoreEffect(BaseModel):
    """F1 of one version on its own test rows, with the labels of the first and of the second version."""

    model_config = ConfigDict(frozen=True)

    version: str
    head: Head
    before: float
    after: float
    rows: int

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The effect as a row of a table."""
        return f"version {self.version}, {self.head}", f"{self.rows:,}", f"{self.before:.4f}", f"{self.after:.4f}"


class CorrectionEffect(BaseModel):
    """Rows whose labels people have corrected between two versions, by split in the second one, and the effect on F1.

    `rows` of a score counts the test rows among them. Nothing but these labels differs between the two scores of a
    version: training, test rows and predictions are the same.
    """

    rows: dict[SplitName | str, int]
    authors: dict[str, int]
    scores: list[ScoreEffect]


def correction_effect(first: Lineage, second: Lineage) -> CorrectionEffect | None:
    """Return the effect of the corrections that one of two versions has and the other has not; None without any."""
    in_first, in_second = ({row.id: row for row in lineage.corrected_rows} for lineage in (first, second))
    labels = {row: _labels(in_first.get(row), in_second.get(row)) for row in {**in_first, **in_second}}
    equal = _equal_rows(first.predictions, second.predictions)
    changed = {row: pair for row, pair in labels.items() if pair is not None and row not in equal}
    if not changed:
        return None
    tagged, split_of = _as_tagged(changed, first.predictions, second.predictions), second.splits.split_of
    authors = Counter((in_second.get(row) or in_first[row]).author for row in changed)
    return CorrectionEffect(
        rows=dict(Counter(split_of.get(row, "") for row in changed)),
        authors=dict(authors.most_common()),
        scores=[
            effect
            for lineage in (first, second)
            for head in HEADS
            if (effect := _score(lineage.version.number, lineage.predictions, tagged, head)) is not None
        ],
    )


def _labels(first: CorrectedRow | None, second: CorrectedRow | None) -> tuple[Labels, Labels] | None:
    """Return the labels of a row in both versions; None if they are equal, or one version does not have the row.

    Args:
        first: the correction of the row in the first version; None if there is none.
        second: the correction in the second version.
    """
    before = first.after if first is not None else None if second is None else second.before
    after = second.after if second is not None else None if first is None else first.before
    return None if before is None or after is None or before == after else (before, after)


def _equal_rows(first: Sequence[LabelledPrediction], second: Sequence[LabelledPrediction]) -> set[str]:
    """Return the test rows with equal labels in both versions: a source may have come to hold those of a person."""
    labels_of = {row.id: _gold(row) for row in first}
    return {row.id for row in second if labels_of.get(row.id) == _gold(row)}


def _as_tagged(
    changed: Mapping[str, tuple[Labels, Labels]],
    first: Sequence[LabelledPrediction],
    second: Sequence[LabelledPrediction],
) -> dict[str, tuple[Labels, Labels]]:
    """Return the labels before and after, with entities widened to whole words as the predictions hold them.

    Test rows of both versions hold both; any others are not scored, or by one version alone.
    """
    before, after = ({row.id: row.gold_entities for row in rows} for rows in (first, second))
    return {
        row: (_with_entities(pair[0], before.get(row)), _with_entities(pair[1], after.get(row)))
        for row, pair in changed.items()
    }


def _with_entities(labels: Labels, entities: tuple[Entity, ...] | None) -> Labels:
    is_known = entities is not None and labels.entities is not None
    return labels.model_copy(update={"entities": entities}) if is_known else labels


def _gold(row: LabelledPrediction) -> tuple[object, ...]:
    return row.gold, row.gold_labels, row.gold_entities


def _score(
    version: str, predictions: Sequence[LabelledPrediction], changed: Mapping[str, tuple[Labels, Labels]], head: Head
) -> ScoreEffect | None:
    """Return the F1 of a version on both labels; None without the head, or if no test row has changed."""
    rows = sum(prediction.id in changed for prediction in predictions)
    if not rows or not rows_of(predictions, head):
        return None
    before, after = (
        outcomes_of([_with(prediction, changed, state) for prediction in predictions], head).f1() for state in (0, 1)
    )
    return ScoreEffect(version=version, head=head, before=before, after=after, rows=rows)


def _with(
    prediction: LabelledPrediction, changed: Mapping[str, tuple[Labels, Labels]], state: int
) -> LabelledPrediction:
    pair = changed.get(prediction.id)
    if pair is None:
        return prediction
    labels, other = pair[state], pair[1 - state]
    # A row without labels in one version is labelled by the correction, unless no head reads them.
    is_unread = labels.labels is None and other.labels is None
    return replace(
        prediction,
        gold=prediction.gold if labels.label is None else labels.label,
        gold_labels=prediction.gold_labels if is_unread else labels.labels,
        gold_entities=prediction.gold_entities if labels.entities is None else labels.entities,
    )
