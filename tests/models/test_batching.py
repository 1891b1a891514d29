from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.models.batching import BucketLoader, Collator
from assay.models.crf import IGNORED
from assay.models.dataset import EncodedRows, LabelSet
from assay.serving.encoding import TextEncoder

LABELS = LabelSet(["down", "up"], ["O", "B-ORG", "I-ORG"])


def _encoder(folder: Path) -> TextEncoder:
    return TextEncoder(Tokenizer.from_file(str(folder / "tokenizer.json")), 32, Cleaning())


def _write(path: Path, rows: list[Example], tokenizer: Path) -> EncodedRows:
    return EncodedRows.write(path / "rows.arrow", rows, _encoder(tokenizer), LABELS)


def test_bucket_loader_ignores_a_share_without_rows(tiny_bert_folder: Path, tmp_path: Path) -> None:
    encoded = _write(tmp_path, [Example(id="a", text="play jazz", label="up", entities=())], tiny_bert_folder)
    loader = BucketLoader(encoded, Collator(0, type_ids=False, sentence=True, tokens=True), 4, seed=0)
    batch = loader.dataset[[]]
    assert (batch["labels_sentence"] == IGNORED).all()
    assert (batch["labels_tokens"] == IGNORED).all()
    assert batch["attention_mask"].any()


def test_bucket_loader_leaves_the_global_generator_unchanged(tmp_path: Path, tiny_bert_folder: Path) -> None:
    rows = [Example(id=str(number), text="play jazz", label="up", entities=()) for number in range(8)]
    encoded = _write(tmp_path, rows, tiny_bert_folder)
    loader = BucketLoader(encoded, Collator(0, type_ids=False, sentence=True, tokens=True), 4, seed=0)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    assert len(list(loader)) == 2
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
def test_collator_puts_a_tag_on_the_first_token_of_its_word_only(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str
) -> None:
    # given a row with an entity of two words, and a longer one that has no labelled entities
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    text = "shares of Süß Söhne, rose"
    rows = [
        Example(id="a", text=text, label="up", entities=(Entity(10, 19, "ORG"),)),
        Example(id="b", text=text + " again and again and again"),
    ]
    encoded = _write(tmp_path, rows, folder)

    # when they are batched
    batch = Collator(0, type_ids=True, sentence=True, tokens=True)(encoded, [0, 1])

    # then each unit's first token carries its tag: O O B I O(comma) O
    tags, words = batch["labels_tokens"], encoded.words(0)
    assert [text[word.start : word.end] for word in words] == ["shares", "of", "Süß", "Söhne", ",", "rose"]
    assert tags[0, [word.token for word in words]].tolist() == [0, 0, 1, 2, 0, 0]
    others = [position for position in range(tags.shape[1]) if position not in {word.token for word in words}]
    assert set(tags[0, others].tolist()) == {IGNORED}
    assert set(tags[1].tolist()) == {IGNORED}
    assert batch["labels_sentence"].tolist() == [1, IGNORED]
    # and padding is marked as such
    length = int(encoded.lengths[0])
    assert batch["attention_mask"][0].tolist() == [1] * length + [0] * (tags.shape[1] - length)
    assert batch["token_type_ids"].sum() == 0
