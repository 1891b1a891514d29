import random
import unicodedata

import numpy as np
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle, write_manifest
from assay.serving.engine import Engine, Prediction, Row
from assay.serving.json_objects import as_object
from assay.serving.windows import overlap_of, weights_of
from tests.serving.conftest import BuildToy
from tests.serving.test_encoding import KINDS, encoder_of

DECOMPOSED = unicodedata.normalize("NFD", "Zürich")
WORDS = ["good", "bad", "Apple", "Müller", "München", "🎉", "👩‍🔬", "Grüße", DECOMPOSED, "x", ",", "“no”"]
# Longer than the overlap of windows of 24 tokens, so that some edge cuts it.
LONG_WORD = "Donaudampfschifffahrtsgesellschaft"


def _text(words: int, seed: int, extra: tuple[str, ...] = ()) -> str:
    return " ".join(random.Random(seed).choices([*WORDS, *extra], k=words))


def _spans(prediction: Prediction) -> list[tuple[int, int, str]]:
    return [(entity.start, entity.end, entity.label) for entity in prediction.entities]


@pytest.mark.parametrize("words", [1, 16, 17, 40, 200])
def test_predict_finds_the_entities_of_the_whole_text_with_windows(build_toy: BuildToy, words: int) -> None:
    # given a model that reads 16 tokens, and the same model that reads every text as a whole
    windowed = Engine(build_toy("short", max_length=16, long_texts="windows"), threads=1)
    whole = Engine(build_toy("long", max_length=1000), threads=1)
    rows = [Row(_text(words, seed)) for seed in range(10)]
    # when both predict
    predictions, expected = windowed.predict(rows), whole.predict(rows)
    # then they find the same entities, each once
    assert [_spans(prediction) for prediction in predictions] == [_spans(prediction) for prediction in expected]
    assert not any(prediction.truncated for prediction in predictions)
    assert [prediction.windows > 1 for prediction in predictions] == [len(row) > 16 for row in whole.encode(rows)]
    for row, prediction in zip(rows, predictions, strict=True):
        assert {row.text[start:end] for start, end, _ in _spans(prediction)} <= {"Apple", "Müller", "München"}


@pytest.mark.parametrize("kind", KINDS)
def test_encode_puts_every_word_into_one_window(kind: str) -> None:
    windowed, whole = encoder_of(kind, 24, windows=True), encoder_of(kind, 100_000)
    for seed in range(20):
        text = _text(60, seed)
        (encoded,), (expected,) = windowed.encode([text]), whole.encode([text])
        assert len(encoded.windows) > 1
        words = [(word.start, word.end) for window in encoded.windows for word in window.words]
        assert words == [(word.start, word.end) for word in expected.words]
        for window in encoded.windows:
            assert len(window.ids) <= 24
            assert all(0 < word.token < len(window.ids) - 1 for word in window.words)
        assert len(encoded) == sum(len(window.ids) for window in encoded.windows)


@pytest.mark.parametrize("kind", KINDS)
def test_encode_keeps_words_longer_than_an_overlap_in_order_without_duplicates(kind: str) -> None:
    for seed in range(20):
        text = _text(60, seed, (LONG_WORD,))
        (encoded,) = encoder_of(kind, 24, windows=True).encode([text])
        edges = [edge for window in encoded.windows for word in window.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)


def test_predict_weighs_the_probabilities_of_windows_by_their_new_tokens(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(max_length=8, long_texts="windows"), threads=1)
    # given three windows of 8, 8 and 4 tokens, of which 8, 6 and 2 are new; the last one votes for the other class
    text = " ".join(["good"] * 14 + ["bad"] * 2)
    (prediction,) = engine.predict([Row(text)])
    (encoded,) = engine.encode([Row(text)])
    parts = [engine.predict([Row(part)])[0].probabilities for part in _parts(text, 8, 2)]
    assert [window.weight for window in encoded.windows] == [8, 6, 2]
    assert prediction.probabilities == pytest.approx(np.average(parts, axis=0, weights=[8, 6, 2]), abs=1e-6)
    assert (prediction.label, prediction.windows) == ("up", 3)


def _parts(text: str, size: int, overlap: int) -> list[str]:
    words = text.split()
    return [" ".join(words[start : start + size]) for start in range(0, len(words) - overlap, size - overlap)]


def test_as_object_reports_the_number_of_windows(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(max_length=8, long_texts="windows"), threads=1)
    long, short = Row("good " * 20), Row("good")
    assert as_object(long.text, engine.predict([long])[0], engine)["windows"] == 3
    assert "windows" not in as_object(short.text, engine.predict([short])[0], engine)


def test_predict_mixes_long_and_short_texts_in_batches(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(max_length=16, long_texts="windows"), threads=2, batch_tokens=64)
    rows = [Row(_text(words, words)) for words in (3, 90, 16, 200, 17)]
    alone = [engine.predict([row])[0] for row in rows]
    for predictions in (engine.predict(rows), engine.predict_batch(engine.encode(rows))):
        assert [_spans(prediction) for prediction in predictions] == [_spans(prediction) for prediction in alone]
        for prediction, single in zip(predictions, alone, strict=True):
            assert prediction.probabilities == pytest.approx(single.probabilities, abs=1e-6)


def test_encode_refuses_pairs_with_windows(build_toy: BuildToy) -> None:
    with pytest.raises(AssayError, match="long_texts is windows"):
        Engine(build_toy(pair=True, long_texts="windows"), threads=1).predict([Row("good", "bad")])


def test_digest_of_bundles_without_long_texts_is_unchanged(toy: Bundle) -> None:
    assert "long_texts" in toy.manifest.model_dump()
    windowed = toy.manifest.model_copy(update={"long_texts": "windows"})
    assert windowed.digest != toy.digest
    older = toy.manifest.model_dump(mode="json")
    del older["long_texts"]
    again = type(toy.manifest).model_validate(older)
    write_manifest(toy.folder, again)
    assert Bundle.load(toy.folder, toy.digest).manifest.long_texts == "truncate"


def test_overlap_of_and_weights_of_windows() -> None:
    assert overlap_of(258, 2) == 64
    assert weights_of([258, 258, 70], 64, 2) == [256, 192, 4]
    assert weights_of([8, 3], 2, 2) == [6, 1]
