"""Baselines on real tokenizers."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitRows
from assay.evaluation.baselines import (
    BaselineReader,
    MajorityTagger,
    TfidfClassifier,
    constant_predictions,
    every_nth,
    majority_tags,
    most_frequent_class,
)
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.predictions import ScoredEntity
from tests.bundles import build_bundle
from tests.snapshots import write_snapshot

TRAINING = [
    Example("1", "good old Paris", label="up", entities=(Entity(9, 14, "PLACE"),)),
    Example("2", "Paris Hilton sings", label="down", entities=(Entity(0, 12, "PERSON"),)),
    Example("3", "bad Paris", label="down", entities=(Entity(4, 9, "PLACE"),)),
    Example("4", "no label", entities=None),
]


def predictions(rows: Sequence[Example]) -> list[LabelledPrediction]:
    """Return the predictions of a model that finds nothing."""
    return [
        LabelledPrediction(row.id, row.label, "up", (1.0,), row.entities, (), row.characters, False, {}) for row in rows
    ]


@pytest.fixture
def reader(tmp_path: Path) -> BaselineReader:
    (tmp_path / "bundle").mkdir()
    return BaselineReader(build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {"Paris": "PLACE"}))


def test_most_frequent_class_of_the_training_rows() -> None:
    assert most_frequent_class(TRAINING) == "down"
    # Of equally frequent ones it is the first by name, whatever their order.
    assert most_frequent_class(TRAINING[1::-1]) == most_frequent_class(TRAINING[:2]) == "down"
    with pytest.raises(AssayError, match="no training row has a class"):
        most_frequent_class(TRAINING[3:])


def test_constant_predictions_change_only_the_class() -> None:
    constant = constant_predictions("down", predictions(TRAINING))
    assert [row.predicted for row in constant] == ["down"] * 4
    assert [replace(row, predicted="up") for row in constant] == predictions(TRAINING)


def test_majority_tags_are_the_most_frequent_ones_and_of_equal_ones_the_first_by_name() -> None:
    tagged = [("Paris", "O"), ("Paris", "B-PER"), ("Rome", "O"), ("Rome", "B-LOC"), ("Rome", "O"), ("in", "O")]
    assert majority_tags(tagged) == majority_tags(tagged[::-1]) == {"Paris": "B-PER", "Rome": "O", "in": "O"}
    assert majority_tags([]) == {}


def test_majority_tagger_gives_each_word_its_most_frequent_tag(reader: BaselineReader) -> None:
    # Given training rows where Paris is a place twice and the begin of a person once,
    tagger = MajorityTagger(TRAINING, reader)
    test = [Example("t", "Hilton in Paris, Hilton", entities=()), Example("u", "", entities=())]
    # then each of its words is found with that tag, an unknown word has none, and I- begins an entity by itself.
    tagged, empty = tagger.predict(test, predictions(test))
    assert tagged.predicted_entities == (
        ScoredEntity(0, 6, "PERSON", 1.0),
        ScoredEntity(10, 15, "PLACE", 1.0),
        ScoredEntity(17, 23, "PERSON", 1.0),
    )
    assert empty.predicted_entities == ()
    assert tagger.rows == 3


def test_majority_tagger_needs_rows_with_entities(reader: BaselineReader) -> None:
    with pytest.raises(AssayError, match="no training row has labelled entities"):
        MajorityTagger(TRAINING[3:], reader)


def test_tfidf_classifier_learns_words_and_counts_its_rows(reader: BaselineReader) -> None:
    rows = [Example(str(n), word, label=label) for n, (word, label) in enumerate([("good", "up"), ("bad", "down")] * 9)]
    model = TfidfClassifier(rows, reader)
    test = [Example("t", "so GOOD", label="up"), Example("u", "bad day", label="down")]
    assert [row.predicted for row in model.predict(test, predictions(test))] == ["up", "down"]
    assert model.rows == 18
    with pytest.raises(AssayError, match=r"fewer than two classes; set gate\.baseline to majority"):
        TfidfClassifier(rows[:1], reader)


def test_tfidf_classifier_distinguishes_the_texts_of_a_pair(tmp_path: Path) -> None:
    # Given pairs whose class depends on which of both texts holds a word,
    (tmp_path / "bundle").mkdir()
    golden = [{"text": "good", "text_pair": "bad", "label": "up", "probabilities": [0.5, 0.5], "entities": []}]
    changes = {"pair": True, "golden": golden}
    reader = BaselineReader(build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {}, changes=changes))
    pairs = [("good", "bad", "up"), ("bad", "good", "down")] * 9
    rows = [Example(str(n), a, text_pair=b, label=label) for n, (a, b, label) in enumerate(pairs)]
    # then they are distinguished.
    predicted = [row.predicted for row in TfidfClassifier(rows, reader).predict(rows, predictions(rows))]
    assert predicted == [row.label for row in rows]


def test_every_nth_takes_rows_from_all_of_them(tmp_path: Path) -> None:
    rows = [Example(str(number), "text", label="up") for number in range(25)]
    snapshot = Snapshot.load(write_snapshot(tmp_path / "snapshot", rows).path)
    split_of = SplitRows(snapshot, {row.id: "train" for row in rows}, "train", 25)
    assert ids(every_nth(split_of, 10)) == ["0", "3", "6", "9", "12", "15", "18", "21", "24"]
    assert len(ids(every_nth(split_of, 25))) == 25


def ids(rows: Iterator[Example]) -> list[str]:
    """Return the ids of rows."""
    return [row.id for row in rows]
