import numpy as np

from assay.corpus.example import Entity, Example
from assay.evaluation.labels.class_issues import class_issues
from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.serving.decoding import spans
from assay.serving.engine import Prediction, ScoredEntity
from tests.evaluation.labels.test_entity_issues import CITY, ORG, TAGS, TEXT, WORDS, probabilities


def test_class_issues_are_rows_that_the_model_confidently_puts_elsewhere() -> None:
    # Given a confident model and 200 rows of which ten carry the other label,
    random = np.random.default_rng(2)
    sure = random.uniform(0.93, 0.99, 200)
    right = np.arange(200) % 2
    given = np.where(np.arange(200) < 10, 1 - right, right)
    table = np.where(right[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])

    found = class_issues(table, given)

    # then these ten are found, and nothing else.
    assert set(found) == set(range(10))
    assert list(found) == sorted(found, key=lambda row: table[row, given[row]])


def test_class_issues_of_few_rows_and_classes_are_none() -> None:
    assert class_issues(np.array([[1.0], [1.0]]), np.array([0, 0])).tolist() == []
    assert class_issues(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 0])).tolist() == []
    # A class that no row is labelled with is no reason to stop, either.
    table = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]])
    assert set(class_issues(table, np.array([0, 2, 0]))) <= {2}


def test_tasks_are_ordered_by_score_and_hold_every_issue_of_a_row() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "B-LOC", "I-LOC"]
    found = spans(model, WORDS)

    def row(name: str, label: str, up: float, entities: list[Entity], sure: float = 0.9) -> HeldOutRow:
        predicted = tuple(ScoredEntity(entity.start, entity.end, entity.label, sure) for entity in found)
        prediction = Prediction("up" if up > 0.5 else "down", (up, 1 - up), predicted, False)
        example = Example(name, TEXT, label=label, entities=tuple(entities))
        return HeldOutRow(example, prediction, "test", tuple(entities), WORDS, probabilities(model, sure))

    rows = [row(f"up {number}", "up", 0.9, found) for number in range(5)]
    rows += [row(f"down {number}", "down", 0.1, found) for number in range(5)]
    rows += [row("entity", "up", 0.9, [CITY], 0.8), row("both", "down", 0.95, [ORG], 0.7)]
    tasks = find_issue_tasks(rows, ["up", "down"], TAGS)

    assert [(task.id, [issue.kind for issue in task.issues]) for task in tasks] == [
        ("both", ["wrong class", "missed entity"]),
        ("entity", ["missed entity"]),
    ]
    assert (tasks[0].label, tasks[0].proposed_label, tasks[0].split) == ("down", "up", "test")
    assert tasks[0].proposed_entities == (ORG, CITY)
    assert tasks[0].reason == (
        "wrong class: labelled down, the model says up (0.95); "
        "missed entity: labelled no entity, the model says LOC 'New York' (0.93)"
    )
