from pathlib import Path

import numpy as np
import pytest

from assay.corpus.example import Example
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics, row_key
from assay.evaluation.labelled_predictions import LabelledPrediction
from tests.evaluation.drift.samples import WORDS, statistics


@pytest.fixture
def reference() -> Reference:
    return Reference(statistics(400, 1), 400, frozenset(vocabulary_of(WORDS)))


def prediction(name: str, label: str | None = None) -> LabelledPrediction:
    return LabelledPrediction(name, None, label, (), None, (), 3, False, {})


def test_cluster_names_are_one_per_row_unless_given() -> None:
    rows = [prediction("a"), prediction("b")]
    assert WindowStatistics(rows).cluster_names == ["0", "1"]
    assert WindowStatistics(rows, clusters=["g", "g"]).cluster_names == ["g", "g"]


def test_where_keeps_the_clusters_of_the_chosen_rows() -> None:
    rows = [prediction("a", "up"), prediction("b"), prediction("c", "up")]
    chosen = WindowStatistics(rows, clusters=["g", "g", "h"]).where(lambda row: row.predicted is not None)
    assert [row.id for row in chosen.predictions] == ["a", "c"]
    assert chosen.cluster_names == ["g", "h"]
    # Rows without a name keep their number, so that they do not join others.
    assert WindowStatistics(rows).where(lambda row: row.id != "a").cluster_names == ["1", "2"]


def test_reference_is_loaded_as_it_was_saved(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path)
    again = Reference.load(tmp_path)
    assert again.observed.texts == reference.observed.texts
    assert (again.test_rows, again.vocabulary) == (reference.test_rows, reference.vocabulary)
    assert [one.predicted for one in again.observed.predictions] == [
        one.predicted for one in reference.observed.predictions
    ]


def test_reference_keeps_embeddings_clusters_and_known_rows(tmp_path: Path) -> None:
    rows = [prediction("a"), prediction("b"), prediction("c")]
    embeddings = np.array([[0.25, 1.0], [2.0, 3.0], [4.0, 5.0]])
    observed = WindowStatistics(rows, ["x", "y\n", "ü"], embeddings, ["g", "g", "h"])
    Reference(observed, 2, frozenset(["x"]), frozenset(["k1", "k2"])).save(tmp_path)
    again = Reference.load(tmp_path)
    assert again.observed.embeddings is not None
    assert again.observed.embeddings.tolist() == embeddings.tolist()
    assert again.observed.texts == ["x", "y\n", "ü"]
    assert again.observed.clusters == ["g", "g", "h"]
    assert (again.test_rows, again.known) == (2, frozenset(["k1", "k2"]))


def test_row_key_distinguishes_rows_of_two_files_with_the_same_ids() -> None:
    keys = {row_key(Example("1", "a")), row_key(Example("1", "b")), row_key(Example("2", "a"))}
    assert len(keys) == 3
    assert row_key(Example("1", "a", label="x")) == row_key(Example("1", "a"))
