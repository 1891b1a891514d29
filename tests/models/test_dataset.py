from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from assay.corpus.cleaning import Cleaning
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.models.batching import ordered_batches
from assay.models.crf import IGNORED
from assay.models.dataset import ROWS_PER_CHUNK, EncodedRows, LabelSet
from assay.serving.encoding import TextEncoder, Word

LABELS = LabelSet(["down", "up"], ["O", "B-ORG", "I-ORG"])
WORDS = [Word(1, 0, 4), Word(2, 5, 9), Word(4, 10, 12)]


def _encoder(folder: Path) -> TextEncoder:
    return TextEncoder(Tokenizer.from_file(str(folder / "tokenizer.json")), 32, Cleaning())


def _write(path: Path, rows: list[Example], tokenizer: Path, labels: LabelSet = LABELS) -> EncodedRows:
    return EncodedRows.write(path / "rows.arrow", rows, _encoder(tokenizer), labels)


def test_label_set_ignores_what_a_row_or_the_model_lacks() -> None:
    row = Example("1", "Acme City up", label="up", entities=(Entity(0, 9, "ORG"),))
    assert (LABELS.class_id(row), LABELS.tag_ids(row, WORDS)) == (1, [1, 2, 0])
    bare = Example("1", "Acme City up")
    assert (LABELS.class_id(bare), LABELS.tag_ids(bare, WORDS)) == (IGNORED, [IGNORED] * 3)
    without_heads = LabelSet([], [])
    assert (without_heads.class_id(row), without_heads.tag_ids(row, WORDS)) == (IGNORED, [IGNORED] * 3)
    assert LABELS.tag_ids(Example("1", "Acme City up", entities=()), WORDS) == [0, 0, 0]


def test_encoded_rows_read_rows_of_all_chunks(tmp_path: Path, tiny_bert_folder: Path) -> None:
    rows = [Example(id=str(number), text="jazz " * (number % 5)) for number in range(ROWS_PER_CHUNK + 3)]
    encoded = _write(tmp_path, rows, tiny_bert_folder)
    assert len(encoded) == len(rows)
    again = _encoder(tiny_bert_folder).encode([row.text for row in rows])
    for number in (0, 4, ROWS_PER_CHUNK - 1, ROWS_PER_CHUNK, ROWS_PER_CHUNK + 2):
        assert encoded.get("ids", number).tolist() == again[number].ids
        assert encoded.words(number) == again[number].words
    assert sorted(row for batch in ordered_batches(encoded, 64) for row in batch) == list(range(len(rows)))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Example(id="x7", text="a", label="sideways"), "row 'x7' has label 'sideways', which no training row has"),
        (Example(id="x8", text="abc", entities=(Entity(0, 3, "DOG"),)), "row 'x8' has an entity of type 'DOG'"),
    ],
)
def test_encoded_rows_name_unknown_classes_and_types(
    tmp_path: Path, tiny_bert_folder: Path, row: Example, message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        _write(tmp_path, [row], tiny_bert_folder)


def test_encoded_rows_of_no_rows_are_empty(tmp_path: Path, tiny_bert_folder: Path) -> None:
    encoded = _write(tmp_path, [], tiny_bert_folder)
    assert (len(encoded), encoded.used_ids().tolist()) == (0, [])
    assert list(ordered_batches(encoded, 8)) == []


def test_encoded_rows_keep_classes_and_weights(tmp_path: Path, tiny_bert_folder: Path) -> None:
    rows = [Example("a", "play", label="up"), Example("b", "jazz"), Example("c", "book", label="down")]
    encoder = _encoder(tiny_bert_folder)
    plain = EncodedRows.write(tmp_path / "plain.arrow", rows, encoder, LABELS)
    weighted = EncodedRows.write(tmp_path / "weighted.arrow", rows, encoder, LABELS, [0.5, 2, 1])
    assert plain.labels.tolist() == [1, IGNORED, 0]
    assert plain.weights.tolist() == [1, 1, 1]
    assert weighted.weights.tolist() == [0.5, 2, 1]
    with pytest.raises(ValueError, match="zip"):
        EncodedRows.write(tmp_path / "short.arrow", rows, encoder, LABELS, [0.5])


def test_encoded_rows_hold_no_words_without_a_token_head(tmp_path: Path, tiny_bert_folder: Path) -> None:
    row = Example("a", "play jazz", text_pair="on radio", label="up")
    encoded = _write(tmp_path, [row], tiny_bert_folder, LabelSet(["down", "up"], []))
    assert encoded.words(0) == []
    # The second text of a pair has its own segment.
    assert set(encoded.get("type_ids", 0).tolist()) == {0, 1}


def test_encoded_rows_know_which_token_ids_occur(tmp_path: Path, tiny_bert_folder: Path) -> None:
    rows = [Example("a", "play jazz"), Example("b", "jazz play jazz")]
    encoded = _write(tmp_path, rows, tiny_bert_folder)
    ids = np.concatenate([encoded.get("ids", row) for row in range(2)])
    assert encoded.used_ids().tolist() == sorted(set(ids.tolist()))
    assert encoded.lengths.tolist() == [len(encoded.get("ids", row)) for row in range(2)]
