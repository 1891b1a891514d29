from pathlib import Path

import pytest

import assay
from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from tests.bundles import build_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {"Apple": "ORG", "Bonn": "LOC"})
    return tmp_path / "bundle"


def test_model_predicts_one_text(folder: Path) -> None:
    prediction = assay.load(folder).predict("good Apple")
    assert prediction.label == "up"
    assert [(entity.start, entity.end, entity.label) for entity in prediction.entities] == [(5, 10, "ORG")]


def test_model_predicts_texts_and_rows_as_the_engine_does(folder: Path) -> None:
    model = assay.load(folder, threads=1)
    assert model.predict(["good", Row("bad")]) == Engine(Bundle.load(folder)).predict([Row("good"), Row("bad")])
    assert model.predict([]) == []


def test_model_names_what_it_predicts(folder: Path) -> None:
    model = assay.load(folder)
    assert (model.labels, model.entity_types) == (("down", "up"), ("LOC", "ORG"))
    assert model.digest == Bundle.load(folder).digest


@pytest.mark.parametrize("item", [None, 1, ("one",), ("one", 2), {"text": "good"}])
def test_model_refuses_what_is_no_text(folder: Path, item: object) -> None:
    with pytest.raises(AssayError, match=r"^texts\[1\] is .*; give a text, a pair of texts or a Row$"):
        assay.load(folder).predict(["good", item])  # type: ignore[list-item]  # as a caller without types might


def test_model_hands_pairs_on(folder: Path) -> None:
    with pytest.raises(AssayError, match="text_pair is 'bad'"):
        assay.load(folder).predict([("good", "bad")])


def test_load_names_a_folder_without_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"bundle\.json"):
        assay.load(tmp_path)
