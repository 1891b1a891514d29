"""The rows whose labels are most probably wrong, as tasks for a person."""

from collections.abc import Sequence

import numpy as np

from assay.evaluation.labels.class_issues import class_issues
from assay.evaluation.labels.entity_issues import find_entity_issues, resolved
from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.labels.label_issue import LabelIssue, LabelTask
from assay.evaluation.labels.row_label_issues import row_label_issues


def find_issue_tasks(
    rows: Sequence[HeldOutRow], labels: Sequence[str], tags: Sequence[str], row_labels: Sequence[str] = ()
) -> list[LabelTask]:
    """Return a task per row with label issues, the most probable one first.

    Args:
        rows: labelled rows with predictions of a model that has not learned from them.
        labels: classes of the model, in the order of its probabilities.
        tags: BIO tags of the model.
        row_labels: labels of its labels head, in the order of their probabilities.
    """
    issues_of = _class_issues(rows, labels)
    for number, several in _row_label_issues(rows, row_labels).items():
        issues_of[number] = issues_of.get(number, []) + several
    tasks = []
    for number, row in enumerate(rows):
        entity_issues = _entity_issues(row, tags)
        issues = sorted(issues_of.get(number, []) + entity_issues, key=lambda issue: -issue.score)
        if issues:
            tasks.append(_task(row, issues, entity_issues))
    return sorted(tasks, key=lambda task: (-task.score, task.id))


def _class_issues(rows: Sequence[HeldOutRow], labels: Sequence[str]) -> dict[int, list[LabelIssue]]:
    """Return the issue of each row, by its number, whose model is confident of another class."""
    code = {label: number for number, label in enumerate(labels)}
    numbers = [number for number, row in enumerate(rows) if row.example.label in code and row.prediction.probabilities]
    if not numbers:
        return {}
    probabilities = np.array([rows[number].prediction.probabilities for number in numbers])
    given = np.array([code[str(rows[number].example.label)] for number in numbers])
    return {
        numbers[place]: [
            LabelIssue(
                kind="wrong class",
                given=labels[given[place]],
                proposed=labels[probabilities[place].argmax()],
                score=1.0 - float(probabilities[place, given[place]]),
            )
        ]
        for place in class_issues(probabilities, given)
    }


def _row_label_issues(rows: Sequence[HeldOutRow], names: Sequence[str]) -> dict[int, list[LabelIssue]]:
    """Return the issues of each row, by its number, at which the model is confident of other labels."""
    numbers = [
        number
        for number, row in enumerate(rows)
        if row.example.labels is not None and len(row.prediction.label_probabilities) == len(names)
    ]
    if not numbers or not names:
        return {}
    probabilities = np.array([rows[number].prediction.label_probabilities for number in numbers])
    given = np.array([[name in (rows[number].example.labels or ()) for name in names] for number in numbers])
    issues: dict[int, list[LabelIssue]] = {}
    for place, name, stands, score in row_label_issues(probabilities, given, names):
        issues.setdefault(numbers[place], []).append(
            LabelIssue(
                kind="wrong label" if stands else "missing label",
                given=name if stands else None,
                proposed=None if stands else name,
                score=score,
            )
        )
    return issues


def _entity_issues(row: HeldOutRow, tags: Sequence[str]) -> list[LabelIssue]:
    if row.example.entities is None or not len(row.words):
        return []
    return find_entity_issues(
        row.example.text, row.aligned, row.predicted_spans, row.words, row.tag_probabilities, tags
    )


def _task(row: HeldOutRow, issues: Sequence[LabelIssue], entity_issues: Sequence[LabelIssue]) -> LabelTask:
    example = row.example
    wrong_class = next((issue for issue in issues if issue.kind == "wrong class"), None)
    entities = example.entities
    return LabelTask(
        id=example.id,
        split=row.split,
        text=example.text,
        text_pair=example.text_pair,
        label=example.label,
        entities=entities,
        proposed_label=wrong_class.proposed if wrong_class else example.label,
        labels=example.labels,
        proposed_labels=None if example.labels is None else _mended(example.labels, issues),
        proposed_entities=None if entities is None else resolved(entities, row.predicted_spans, entity_issues),
        score=issues[0].score,
        reason="; ".join(issue.reason for issue in issues),
        issues=list(issues),
    )


def _mended(labels: Sequence[str], issues: Sequence[LabelIssue]) -> tuple[str, ...]:
    """Return the labels of a row without those that are probably wrong, and with those that are probably missing."""
    wrong = {issue.given for issue in issues if issue.kind == "wrong label"}
    missing = {issue.proposed for issue in issues if issue.kind == "missing label" and issue.proposed is not None}
    return tuple(sorted((set(labels) - wrong) | missing))
