import csv
from pathlib import Path

import numpy as np
import pytest

from assay.corpus.example import Example
from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.evaluation.labels.row_choice import row_uncertainty
from assay.evaluation.labels.row_label_issues import row_label_issues
from assay.evaluation.labels.task_formats import LabelNames, write_tasks
from assay.serving.engine import Prediction, ScoredLabel

NAMES = ["money", "sport"]


def held_out(name: str, labels: tuple[str, ...] | None, *scores: float) -> HeldOutRow:
    applied = tuple(ScoredLabel(label, score) for label, score in zip(NAMES, scores, strict=True) if score >= 0.5)
    prediction = Prediction(None, (), (), False, labels=applied, label_probabilities=scores)
    return HeldOutRow(Example(name, "a text", labels=labels), prediction, "test")


def test_row_label_issues_are_labels_that_were_forgotten_or_do_not_belong() -> None:
    # Given a confident model and 200 rows of which five lack a label and five have one too many,
    random = np.random.default_rng(3)
    right = random.random((200, 2)) < 0.4
    probabilities = np.where(right, random.uniform(0.93, 0.99, (200, 2)), random.uniform(0.01, 0.07, (200, 2)))
    given = right.copy()
    forgotten, surplus = np.flatnonzero(right[:, 0])[:5], np.flatnonzero(~right[:, 1])[:5]
    given[forgotten, 0], given[surplus, 1] = False, True
    probabilities[forgotten, 0], probabilities[surplus, 1] = 0.99, 0.01

    found = row_label_issues(probabilities, given, NAMES)

    # then these are found with the answer that stands there, and nothing else.
    assert {(one.row, one.label, one.given) for one in found} == {
        *((row, "money", False) for row in forgotten),
        *((row, "sport", True) for row in surplus),
    }
    assert all(one.score > 0.9 for one in found)


def test_tasks_propose_the_labels_without_their_faults(tmp_path: Path) -> None:
    rows = [held_out(f"a{number}", ("money",), 0.95, 0.05) for number in range(20)]
    rows += [held_out(f"b{number}", ("sport",), 0.05, 0.95) for number in range(20)]
    rows += [held_out("wrong", ("sport",), 0.97, 0.03), held_out("unlabelled", None, 0.9, 0.9)]
    [task] = find_issue_tasks(rows, [], [], NAMES)
    assert (task.id, task.labels, task.proposed_labels) == ("wrong", ("sport",), ("money",))
    assert {issue.kind for issue in task.issues} == {"wrong label", "missing label"}
    assert "missing label: labelled without it, the model says money (0.97)" in task.reason

    names = LabelNames(classes=[], entity_types=[], row_labels=NAMES)
    [path] = write_tasks([task], tmp_path / "tasks.csv", "csv", names, "models:/m/1")
    with path.open(newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["labels"], row["proposed_labels"]) == ('["sport"]', '["money"]')


def test_row_uncertainty_is_that_of_the_least_certain_label() -> None:
    assert row_uncertainty(held_out("1", None, 0.9, 0.45)) == pytest.approx(0.9)
    assert row_uncertainty(held_out("2", None, 1.0, 0.0)) == 0.0
