import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpus.cleaning import Cleaning
from serving.encoding import TextEncoder, pad

TEXTS = ["Apple, Müller & Söhne (Zürich) rose 3.5 %", "the shares of Apple fell", "Café in München 🎉"] * 3
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
KINDS = ["wordpiece", "unigram", "bytes"]


def _tokenizer(kind: str) -> Tokenizer:
    trainer: Any
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=SPECIAL, show_progress=False)
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=SPECIAL, unk_token="[UNK]", show_progress=False)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


TOKENIZERS = {kind: _tokenizer(kind) for kind in KINDS}


def encoder_of(kind: str, max_length: int = 64, *, windows: bool = False, **cleaning: bool | str) -> TextEncoder:
    # A copy: an encoder sets the truncation of its tokenizer.
    tokenizer = Tokenizer.from_str(TOKENIZERS[kind].to_str())
    return TextEncoder(tokenizer, max_length, Cleaning.model_validate(cleaning), windows=windows)


def _words(encoder: TextEncoder, text: str) -> list[str]:
    (encoded,) = encoder.encode([text])
    return [text[unit.start : unit.end] for unit in encoded.units]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Apple, says Tim", "Apple"),
        ("🎉🎉 Apple rose", "Apple"),
        ("(Zürich) Müller", "Zürich"),
        (unicodedata.normalize("NFD", "in München, Café"), unicodedata.normalize("NFD", "München")),
        (unicodedata.normalize("NFD", "in Café"), unicodedata.normalize("NFD", "Café")),
        ("👩‍🔬 Zoe", "Zoe"),
    ],
)
def test_a_word_is_bounded_by_units_in_raw_offsets(kind: str, text: str, word: str) -> None:
    (encoded,) = encoder_of(kind).encode([text])
    start = text.index(word)
    assert start in {unit.start for unit in encoded.units}
    assert start + len(word) in {unit.end for unit in encoded.units}


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_plain_text_are_units(kind: str) -> None:
    assert _words(encoder_of(kind), "Apple, rose 35 %") == ["Apple", ",", "rose", "35", "%"]


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_of_cleaned_text_refer_to_the_raw_text(kind: str) -> None:
    # given markup, a character reference and a URL, which cleaning takes out
    text = "<b>M&uuml;ller</b>  &amp; Apple https://t.co/x rose"
    words = _words(encoder_of(kind, html=True, urls="drop", whitespace=True), text)
    assert words == ["M&uuml;ller", "&amp;", "Apple", "rose"]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40))
def test_units_lie_in_the_text_in_order_without_overlap(kind: str, text: str) -> None:
    (encoded,) = encoder_of(kind).encode([text])
    edges = [edge for unit in encoded.units for edge in (unit.start, unit.end)]
    assert edges == sorted(edges)
    assert all(0 <= unit.start < unit.end <= len(text) for unit in encoded.units)
    assert all(0 < unit.token < len(encoded) - 1 for unit in encoded.units)


@pytest.mark.parametrize("text", ["", " \n", "\ud83d x", "\ud83d\ude00 Apple"])
def test_texts_without_words_and_lone_surrogates_are_encoded(text: str) -> None:
    words = _words(encoder_of("wordpiece"), text)
    assert words[-1:] in ([], ["x"], ["Apple"])


def test_what_is_too_long_is_cut_and_said_so() -> None:
    encoder = encoder_of("wordpiece", max_length=8)
    long, short = encoder.encode(["Apple " * 20, "Apple"])
    assert (len(long), long.truncated, short.truncated) == (8, True, False)


def test_units_of_a_pair_are_those_of_the_first_text() -> None:
    (encoded,) = encoder_of("wordpiece").encode(["the shares"], ["Apple fell"])
    assert [(unit.start, unit.end) for unit in encoded.units] == [(0, 3), (4, 10)]
    assert set(encoded.type_ids) == {0, 1}


def test_padding_fills_up_to_the_longest_row() -> None:
    rows = encoder_of("wordpiece").encode(["Apple fell", "Apple"])
    arrays = pad(rows, pad_id=9)
    lengths: Sequence[int] = [len(row) for row in rows]
    assert arrays["input_ids"].shape == (2, max(lengths))
    assert arrays["attention_mask"].sum(axis=1).tolist() == lengths
    assert set(arrays["input_ids"][1, lengths[1] :].tolist()) == {9}
