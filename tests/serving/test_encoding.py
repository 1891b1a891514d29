import json
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from assay.corpus.cleaning import Cleaning
from assay.serving.encoding import MAX_TOKENISED_CHARACTERS, TextEncoder, pad
from assay.serving.row_texts import MAX_CHARACTERS

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
    # A copy, since an encoder sets the truncation of its tokenizer.
    tokenizer = Tokenizer.from_str(TOKENIZERS[kind].to_str())
    return TextEncoder(tokenizer, max_length, Cleaning.model_validate(cleaning), windows=windows)


def _words(encoder: TextEncoder, text: str) -> list[str]:
    (encoded,) = encoder.encode([text])
    return [text[span.start : span.end] for span in encoded.words]


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
def test_encode_finds_a_word_in_raw_offsets(kind: str, text: str, word: str) -> None:
    (encoded,) = encoder_of(kind).encode([text])
    start = text.index(word)
    assert start in {span.start for span in encoded.words}
    assert start + len(word) in {span.end for span in encoded.words}


@pytest.mark.parametrize("kind", KINDS)
def test_encode_splits_plain_text_into_words(kind: str) -> None:
    assert _words(encoder_of(kind), "Apple, rose 35 %") == ["Apple", ",", "rose", "35", "%"]


@pytest.mark.parametrize("kind", KINDS)
def test_encode_returns_raw_offsets_of_cleaned_text(kind: str) -> None:
    # given markup, a character reference and a URL, which cleaning removes
    text = "<b>M&uuml;ller</b>  &amp; Apple https://t.co/x rose"
    words = _words(encoder_of(kind, html=True, urls="drop", whitespace=True), text)
    assert words == ["M&uuml;ller", "&amp;", "Apple", "rose"]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(max_size=40))
def test_encode_returns_words_in_order_without_overlap(kind: str, text: str) -> None:
    (encoded,) = encoder_of(kind).encode([text])
    edges = [edge for span in encoded.words for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(0 <= span.start < span.end <= len(text) for span in encoded.words)
    assert all(0 < span.token < len(encoded) - 1 for span in encoded.words)


@pytest.mark.parametrize("text", ["", " \n", "\ud83d x", "\ud83d\ude00 Apple"])
def test_encode_accepts_texts_without_words_and_lone_surrogates(text: str) -> None:
    words = _words(encoder_of("wordpiece"), text)
    assert words[-1:] in ([], ["x"], ["Apple"])


def test_encode_reports_truncation() -> None:
    encoder = encoder_of("wordpiece", max_length=8)
    long, short = encoder.encode(["Apple " * 20, "Apple"])
    assert (len(long), long.truncated, short.truncated) == (8, True, False)


def test_encode_returns_the_words_of_the_first_text_of_a_pair() -> None:
    (encoded,) = encoder_of("wordpiece").encode(["the shares"], ["Apple fell"])
    assert [(span.start, span.end) for span in encoded.words] == [(0, 3), (4, 10)]
    assert set(encoded.type_ids) == {0, 1}


def test_pad_fills_up_to_the_longest_row() -> None:
    rows = encoder_of("wordpiece").encode(["Apple fell", "Apple"])
    arrays = pad(rows, pad_id=9)
    lengths: Sequence[int] = [len(row) for row in rows]
    assert arrays["input_ids"].shape == (2, max(lengths))
    assert arrays["attention_mask"].sum(axis=1).tolist() == lengths
    assert set(arrays["input_ids"][1, lengths[1] :].tolist()) == {9}


LONG_TEXTS = {
    "words": "Apple, the shares of Söhne ",
    "no spaces": "Müller🎉",
    "white space": " \n\t",
    "unknown": "漢字 漢 ",
    "zero width": "\u200b",
    "accents": unicodedata.normalize("NFD", "é") + " ",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", LONG_TEXTS.values(), ids=LONG_TEXTS.keys())
@given(start=st.text(max_size=20), repeats=st.integers(30, 400))
def test_encode_reads_a_long_text_as_a_tokenizer_of_the_whole_text_does(
    kind: str, part: str, start: str, repeats: int
) -> None:
    # given a text many times as long as the model reads, and a tokenizer that reads all of it
    text, encoder = start + part * repeats, encoder_of(kind, max_length=8)
    tokenizer = Tokenizer.from_str(TOKENIZERS[kind].to_str())
    tokenizer.enable_truncation(8)
    whole = tokenizer.encode(text.encode("utf-8", "replace").decode())
    # when
    (encoded,) = encoder.encode([text.encode("utf-8", "replace").decode()])
    # then
    assert encoded.ids == whole.ids
    assert encoded.truncated == bool(whole.overflowing)


@pytest.mark.parametrize("kind", KINDS)
@given(
    first=st.integers(0, 60),
    second=st.integers(0, 60),
    parts=st.tuples(*[st.sampled_from(list(LONG_TEXTS.values()))] * 2),
)
def test_encode_reads_a_long_pair_as_a_tokenizer_of_the_whole_pair_does(
    kind: str, first: int, second: int, parts: tuple[str, str]
) -> None:
    # With an odd number of tokens the longer text gets one more, and either of two cut texts can be the longer.
    texts = parts[0] * first, parts[1] * second
    tokenizer = Tokenizer.from_str(TOKENIZERS[kind].to_str())
    tokenizer.enable_truncation(9)
    whole = tokenizer.encode(*texts)
    (encoded,) = encoder_of(kind, max_length=9).encode([texts[0]], [texts[1]])
    assert (encoded.ids, encoded.type_ids) == (whole.ids, whole.type_ids)
    assert encoded.truncated == bool(whole.overflowing)


LARGEST = """
import json, resource, sys
from tokenizers import Tokenizer
from assay.corpus.cleaning import Cleaning
from assay.serving.encoding import TextEncoder
tokenizer, cleanings, texts, mode = json.load(sys.stdin)
encoders = [
    TextEncoder(Tokenizer.from_str(tokenizer), 512, Cleaning.model_validate(cleaning), windows=mode == "windows")
    for cleaning in cleanings
]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for encoder in encoders:
    for text in texts:
        encoder.encode([text], [text] if mode == "pair" else None)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("mode", ["text", "pair", "windows"])
def test_encode_takes_at_most_50_mib_for_the_longest_texts(mode: str) -> None:
    # given texts of every kind in a separate process, whose peak memory is that of the worst of them
    parts = ["a ", "漢字", "x", "<b>a</b> ", "\u200b", "&amp;", "a,", "\U0001f389", "http://a.b ", "\n"]
    texts = [(part * MAX_CHARACTERS)[:MAX_CHARACTERS] for part in parts]
    cleanings = [{}, {"html": True, "urls": "drop", "whitespace": True}]
    given = json.dumps([TOKENIZERS["wordpiece"].to_str(), cleanings, texts, mode])
    done = subprocess.run([sys.executable, "-c", LARGEST], input=given, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 50


def test_encode_reports_truncation_of_a_long_text_with_few_tokens() -> None:
    # given a text whose beginning of any length is one token
    (encoded,) = encoder_of("wordpiece", max_length=8).encode(["x" * (MAX_TOKENISED_CHARACTERS + 1) + " Apple"])
    assert encoded.truncated
    assert len(encoded) == 3
