import numpy as np

from assay.corpus.example import Entity, Example
from assay.evaluation.labels.class_issues import class_issues
from assay.evaluation.labels.entity_issues import find_entity_issues, resolved
from assay.evaluation.labels.held_out_rows import HeldOutRow, predict_held_out
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.serving.decoding import spans
from assay.serving.engine import Engine, Prediction, ScoredEntity
from assay.serving.words import Word
from tests.tasks.conftest import MakeBundle

TAGS = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
TEXT = "Globex Corp opens in New York"
WORDS = [Word(0, match, match + len(word)) for word in TEXT.split() for match in [TEXT.index(word)]]
ORG, CITY = Entity(0, 11, "ORG"), Entity(21, 29, "LOC")


def probabilities(tags: list[str], sure: float = 0.9) -> np.ndarray:
    table = np.full((len(tags), len(TAGS)), (1 - sure) / (len(TAGS) - 1), dtype=np.float32)
    table[np.arange(len(tags)), [TAGS.index(tag) for tag in tags]] = sure
    return table


def issues(given: list[Entity], model_tags: list[str], sure: float = 0.9) -> list[tuple[str, str | None, str | None]]:
    found = find_entity_issues(TEXT, given, spans(model_tags, WORDS), WORDS, probabilities(model_tags, sure), TAGS)
    return [(issue.kind, issue.given, issue.proposed) for issue in found]


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


def test_entity_issues_name_what_is_wrong() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "B-LOC", "I-LOC"]
    assert issues([ORG, CITY], model) == []
    assert issues([CITY], model) == [("missed entity", None, "ORG 'Globex Corp'")]
    assert issues([ORG, CITY, Entity(12, 17, "ORG")], model) == [("extra entity", "ORG 'opens'", None)]
    assert issues([Entity(0, 6, "ORG"), CITY], model) == [("wrong boundary", "ORG 'Globex'", "ORG 'Globex Corp'")]
    assert issues([ORG, Entity(21, 29, "ORG")], model) == [("wrong type", "ORG 'New York'", "LOC 'New York'")]
    assert issues([ORG, Entity(21, 24, "LOC"), Entity(25, 29, "LOC")], model) == [
        ("wrong boundary", "LOC 'New', LOC 'York'", "LOC 'New York'")
    ]


def test_entity_issues_of_a_type_that_the_model_does_not_know_are_found() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "O", "O"]
    assert issues([Entity(0, 11, "PERSON")], model) == [("wrong type", "PERSON 'Globex Corp'", "ORG 'Globex Corp'")]


def test_resolved_keeps_entities_outside_of_issues() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "O", "O"]
    given = [Entity(0, 6, "ORG"), CITY]
    found = find_entity_issues(TEXT, given, [ORG], WORDS, probabilities(model), TAGS)
    boundary = [issue for issue in found if issue.kind == "wrong boundary"]
    assert resolved(given, [ORG], boundary) == (ORG, CITY)
    assert resolved(given, [ORG], found) == (ORG,)


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


def test_predictions_of_held_out_rows_hold_the_tags_of_every_word(make_bundle: MakeBundle) -> None:
    engine = Engine(make_bundle(classes={"good": "up", "bad": "down"}, entities={"Apple": "ORG"}), threads=1)
    examples = [Example(f"{number}", "good Apple " * (number + 1), label="up", entities=()) for number in range(3)]

    rows = list(predict_held_out(engine, examples, "validation"))

    assert [len(row.words) for row in rows] == [2, 4, 6]
    assert [row.tag_probabilities.shape for row in rows] == [(2, 3), (4, 3), (6, 3)]
    for row in rows:
        np.testing.assert_allclose(row.tag_probabilities.sum(axis=1), 1, atol=1e-5)
        read = [engine.tags[code] for code in row.tag_probabilities.argmax(axis=1)]
        assert tuple(spans(read, row.words)) == row.found
    tasks = find_issue_tasks(rows, engine.labels, engine.tags)
    assert [task.id for task in tasks] == ["0", "1", "2"] or len(tasks) == 3
    assert tasks[0].proposed_entities == rows[int(tasks[0].id)].found
