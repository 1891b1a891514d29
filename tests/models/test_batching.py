import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.models.batching import BucketLoader, Collator
from assay.models.buckets import LengthBuckets
from assay.models.crf import IGNORED
from assay.models.dataset import EncodedRows, LabelSet
from assay.serving.encoding import TextEncoder

LABELS = LabelSet(["down", "up"], ["O", "B-ORG", "I-ORG"])


def _encoder(folder: Path) -> TextEncoder:
    return TextEncoder(Tokenizer.from_file(str(folder / "tokenizer.json")), 32, Cleaning())


def _write(path: Path, rows: list[Example], tokenizer: Path) -> EncodedRows:
    return EncodedRows.write(path / "rows.arrow", rows, _encoder(tokenizer), LABELS)


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=200),
    batch_size=st.integers(1, 17),
    seed=st.integers(0, 5),
    epoch=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_length_buckets_yield_every_row_once_in_batches_of_similar_length(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    buckets = LengthBuckets(np.array(lengths, dtype=np.int32), batch_size, seed)
    buckets.set_epoch(epoch)
    batches = list(buckets)
    assert len(batches) == len(buckets)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    # each batch holds a stretch of the sorted lengths: no two of them overlap by more than their ends
    stretches = sorted((min(lengths[row] for row in batch), max(lengths[row] for row in batch)) for batch in batches)
    assert all(former[1] <= latter[0] for former, latter in itertools.pairwise(stretches))


@given(rows=st.integers(1, 60), batch_size=st.integers(4, 17), processes=st.integers(2, 4))
def test_length_buckets_share_every_batch_among_processes(rows: int, batch_size: int, processes: int) -> None:
    lengths = np.arange(rows, dtype=np.int32) % 7
    whole = list(LengthBuckets(lengths, batch_size, 3))
    shares = [list(LengthBuckets(lengths, batch_size, 3, share=(rank, processes))) for rank in range(processes)]
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert sorted(row for part in parts for row in part) == sorted(batch)
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_bucket_loader_ignores_a_share_without_rows(tiny_bert_folder: Path, tmp_path: Path) -> None:
    encoded = _write(tmp_path, [Example(id="a", text="play jazz", label="up", entities=())], tiny_bert_folder)
    loader = BucketLoader(encoded, Collator(0, type_ids=False, sentence=True, tokens=True), 4, seed=0)
    batch = loader.dataset[[]]
    assert (batch["labels_sentence"] == IGNORED).all()
    assert (batch["labels_tokens"] == IGNORED).all()
    assert batch["attention_mask"].any()


def test_length_buckets_order_depends_only_on_seed_and_epoch() -> None:
    lengths = np.arange(100, dtype=np.int32) % 7
    buckets, again, other = (LengthBuckets(lengths, 8, seed) for seed in (3, 3, 4))
    first = list(buckets)
    torch.rand(5)
    np.random.default_rng().random()
    assert list(again) == first
    assert list(other) != first
    buckets.set_epoch(1)
    assert list(buckets) != first
    buckets.set_epoch(0)
    assert list(buckets) == first


@given(
    repeats=st.lists(st.floats(0.25, 6), min_size=1, max_size=60),
    batch_size=st.integers(1, 9),
    seed=st.integers(0, 5),
)
def test_length_buckets_repeat_each_row_as_requested(repeats: list[float], batch_size: int, seed: int) -> None:
    lengths = np.arange(len(repeats), dtype=np.int32) % 7
    buckets = LengthBuckets(lengths, batch_size, seed, np.array(repeats, dtype=np.float32))
    times = np.zeros((200, len(repeats)))
    for epoch in range(len(times)):
        buckets.set_epoch(epoch)
        batches = list(buckets)
        # every epoch has the same number of rows and batches, and none is empty
        assert len(batches) == len(buckets)
        assert all(batches)
        np.add.at(times[epoch], [row for batch in batches for row in batch], 1)
    assert set(times.sum(axis=1)) == {buckets.rows}
    # in each epoch a row comes as often as asked, rounded up or down, and over all of them as often as asked
    wanted = np.array(repeats) * buckets.rows / sum(repeats)
    assert (np.abs(times - wanted) < 1 + 1e-6).all()
    assert np.abs(times.mean(axis=0) - wanted).max() < 0.2


def test_length_buckets_keep_whole_repeats_exactly() -> None:
    repeats = np.array([1, 3, 1, 2], dtype=np.float32)
    buckets = LengthBuckets(np.array([4, 4, 5, 9], dtype=np.int32), 2, 0, repeats)
    assert sorted(row for batch in buckets for row in batch) == [0, 1, 1, 1, 2, 3, 3]


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
