import numpy as np
import pytest

from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.labels import held_out_rows
from assay.evaluation.labels.held_out_rows import predict_held_out
from assay.evaluation.labels.issue_tasks import find_issue_tasks
from assay.serving.decoding import spans
from assay.serving.engine import Engine
from tests.tasks.conftest import MakeBundle


@pytest.fixture
def engine(make_bundle: MakeBundle) -> Engine:
    """An engine of both heads."""
    return Engine(make_bundle(classes={"good": "up", "bad": "down"}, entities={"Apple": "ORG"}), threads=1)


def test_predict_held_out_returns_the_tags_of_every_word(engine: Engine) -> None:
    examples = [Example(f"{number}", "good Apple " * (number + 1), label="up", entities=()) for number in range(3)]

    rows = list(predict_held_out(engine, examples, "validation"))

    assert [len(row.words) for row in rows] == [2, 4, 6]
    assert [row.tag_probabilities.shape for row in rows] == [(2, 3), (4, 3), (6, 3)]
    for row in rows:
        np.testing.assert_allclose(row.tag_probabilities.sum(axis=1), 1, atol=1e-5)
        read = [engine.tags[code] for code in row.tag_probabilities.argmax(axis=1)]
        assert tuple(spans(read, row.words)) == row.predicted_spans
    tasks = find_issue_tasks(rows, engine.labels, engine.tags)
    assert [task.id for task in tasks] == ["0", "1", "2"] or len(tasks) == 3
    assert tasks[0].proposed_entities == rows[int(tasks[0].id)].predicted_spans


def test_predict_held_out_yields_every_row_in_order_across_chunks(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = [Example(f"{number}", "good Apple " * (1 + number % 4), entities=()) for number in range(7)]
    whole = list(predict_held_out(engine, examples))
    monkeypatch.setattr(held_out_rows, "ROWS_PER_CHUNK", 3)
    parts = list(predict_held_out(engine, examples))
    assert [row.example.id for row in parts] == [f"{number}" for number in range(7)]
    for one, other in zip(whole, parts, strict=True):
        assert one.predicted_spans == other.predicted_spans
        np.testing.assert_allclose(one.tag_probabilities, other.tag_probabilities, atol=1e-6)
    assert list(predict_held_out(engine, [])) == []


def test_predict_held_out_widens_given_entities_to_whole_words(engine: Engine) -> None:
    (row,) = predict_held_out(engine, [Example("r", "good Apple", entities=(Entity(5, 8, "ORG"),))], "test")
    assert (row.aligned, row.predicted_spans, row.split) == ((Entity(5, 10, "ORG"),), (Entity(5, 10, "ORG"),), "test")


def test_predict_held_out_takes_predictions_that_are_known(engine: Engine) -> None:
    known = LabelledPrediction(
        id="r",
        gold="up",
        predicted="down",
        probabilities=(0.6, 0.4),
        gold_entities=(),
        predicted_entities=(),
        characters=10,
        truncated=True,
        slices={},
    )
    (row,) = predict_held_out(engine, [Example("r", "good Apple", entities=())], "test", [known])
    assert (row.prediction.label, row.prediction.probabilities, row.prediction.truncated) == ("down", (0.6, 0.4), True)
    assert row.predicted_spans == ()
    # the words are read again, since known predictions hold no probabilities of tags
    assert row.tag_probabilities.shape == (2, 3)


def test_predict_held_out_without_a_token_head_has_no_words(make_bundle: MakeBundle) -> None:
    engine = Engine(make_bundle(classes={"good": "up", "bad": "down"}), threads=1)
    (row,) = predict_held_out(engine, [Example("r", "good Apple", label="up")])
    assert (row.prediction.label, row.words, row.tag_probabilities.size, row.aligned) == ("up", (), 0, ())


def test_predict_held_out_refuses_a_row_without_the_second_text_of_a_pair(make_bundle: MakeBundle) -> None:
    engine = Engine(make_bundle(classes={"good": "up", "bad": "down"}, pair=True), threads=1)
    with pytest.raises(AssayError, match="row 0: text_pair is missing"):
        list(predict_held_out(engine, [Example("r", "good", label="up")]))
