"""The round trip of gold entities to tags of words and back, for each kind of tokenizer and script.

A token across the edge of an entity cannot label its two parts separately. Tokenizers that do not split have such
tokens if their vocabulary holds them ("▁Paris▁is"), scripts without spaces if two words are one token,
and a normalizer that drops the zero-width space joins words.
"""

import itertools
import random
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Encoding, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import DebertaV2Tokenizer

from assay.corpus.cleaning import Cleaning
from assay.corpus.documents.entity_spans import without_space
from assay.corpus.entity import Entity
from assay.serving.decoding import spans, tag_words
from assay.serving.encoding import TextEncoder
from assay.serving.words import Word

WITH_SPACES = {
    "english": "Tim Cook met Mary Jones, of Apple Inc, in “New York” (USA) for 35 days!",
    "german": "Müller & Söhne aus Zürich übernahmen gestern die Weiß GmbH, sagte Jürgen Groß.",
    "russian": "Вчера Иван Петров встретил Анну Сидорову в Санкт Петербурге, пишет «Известия».",
    "arabic": "التقى محمد صلاح أمس رئيس شركة أرامكو، في مدينة الرياض السعودية.",
    "arabic with vowels": "زَارَ مُحَمَّد مَدِينَةَ دِمَشْق أَمْسِ.",
    "hebrew": "דוד כהן נסע אתמול לתל אביב, אמר שָׁלוֹם.",
    "hindi": "नरेन्द्र मोदी ने कल नई दिल्ली में श्‍री राहुल क्‍षत्रिय से मुलाकात की।",
    "korean": "어제 김민수 씨는 서울 본사 에서 삼성전자 이재용 회장 을 만났다.",
}
WITHOUT_SPACES = {
    "chinese": "昨天苹果公司的库克先生第10次访问了北京大学，参观《红楼梦》展览。",
    "japanese": "昨日トヨタ自動車の豊田さんは東京でAppleのiPhone15を買った。ガンダムもｶﾞﾝﾀﾞﾑも々〆。",
    "thai": "เมื่อวานนี้นายสมชายไปเที่ยวที่กรุงเทพมหานครกับบริษัทแอปเปิล",
    "lao": "ມື້ວານນີ້ທ້າວສົມໄຊໄປນະຄອນຫຼວງວຽງຈັນ",
    "khmer": "ម្សិលមិញលោកសុខទៅភ្នំពេញ",
    "burmese": "မနေ့ကဦးမောင်မောင်သည်ရန်ကုန်သို့သွားသည်",
}
SEPARATORS = [" ", "\u00a0", "\u3000", "\t", "\n", "\u2009", "\u202f", "\r\n", "  "]
SENTENCES = [*WITH_SPACES.values(), *WITHOUT_SPACES.values()]
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]


def _trained(model: Any, trainer: Any, pre: Any, normalizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    corpus = SENTENCES + [unicodedata.normalize("NFD", text) for text in SENTENCES]
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


def _wordpiece() -> Tokenizer:
    trainer = trainers.WordPieceTrainer(vocab_size=700, special_tokens=SPECIAL, show_progress=False)
    model = models.WordPiece(unk_token="<unk>")
    return _trained(model, trainer, pre_tokenizers.BertPreTokenizer(), normalizers.BertNormalizer(lowercase=True))


def _bytes() -> Tokenizer:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=alphabet, show_progress=False)
    return _trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False))


def _unigram(pre: Any, normalizer: Any) -> Tokenizer:
    trainer = trainers.UnigramTrainer(vocab_size=450, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    return _trained(models.Unigram(), trainer, pre, normalizer)


def _xlm_r() -> Tokenizer:
    split = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    return _unigram(split, normalizers.NFKC())


def _deberta() -> Tokenizer:
    """Return the tokenizer that transformers builds, with a vocabulary trained here."""
    collapse = normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " ")
    normalizer = normalizers.Sequence([collapse, normalizers.NFC(), normalizers.Strip(left=False, right=True)])
    unigram = _unigram(pre_tokenizers.Metaspace(prepend_scheme="always"), normalizer)
    scores = [(piece, -float(rank)) for rank, piece in enumerate(unigram.get_vocab()) if piece not in SPECIAL]
    special = [(name, 0.0) for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")]
    built: Any = DebertaV2Tokenizer(vocab=[*special, *scores], unk_id=3)
    tokenizer: Tokenizer = built.backend_tokenizer
    return tokenizer


def _without_split(normalizer: Any, pre: Any) -> Tokenizer:
    """Return a tokenizer with pieces learnt inside words that does not split texts, as those of Gemma and Llama 2."""
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, show_progress=False)
    tokenizer = _trained(models.BPE(unk_token="<unk>"), trainer, pre_tokenizers.Metaspace())
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    return tokenizer


TOKENIZERS = {
    "WordPiece": _wordpiece(),
    "byte-level BPE": _bytes(),
    "Unigram as XLM-R": _xlm_r(),
    "Unigram as DeBERTa": _deberta(),
    "as Gemma": _without_split(normalizers.Replace(" ", "▁"), pre_tokenizers.Split(" ", "merged_with_previous")),
    "as Llama 2": _without_split(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), None),
    "Metaspace without splitting": _without_split(normalizers.NFC(), pre_tokenizers.Metaspace(split=False)),
}
KINDS = sorted(TOKENIZERS)


def _copy(kind: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(TOKENIZERS[kind].to_str())
    tokenizer.no_truncation()
    return tokenizer


def _encoder(kind: str, max_length: int = 10_000, *, windows: bool = False) -> TextEncoder:
    return TextEncoder(_copy(kind), max_length, Cleaning(), windows=windows)


def _words(kind: str, text: str) -> list[Word]:
    return [span for window in _encoder(kind).encode([text])[0].windows for span in window.words]


def _space_separated(text: str) -> list[tuple[int, int]]:
    """Return the spans between white space, without punctuation at their edges."""
    edges = []
    for match in re.finditer(r"[^\s\u200b]+", text):
        core = match.group().strip(",.!()“”«»&।،🎉👩‍🔬")
        if core:
            start = text.index(core, match.start())
            edges.append((start, start + len(core)))
    return edges


def _is_boundary(text: str, encoding: Encoding, at: int) -> bool:
    """Return whether an offset cuts no Latin word, no letter with marks, and no token with letters on both sides."""
    if re.match(r"[A-Za-z0-9]{2}", text[at - 1 : at + 1]):
        return False
    if at < len(text) and (unicodedata.category(text[at])[0] == "M" or text[at] in "\uff9e\uff9f"):
        return False
    across = [(start, end) for start, end in encoding.offsets if start < at < end]
    return not any(re.search(r"\w", text[start:at]) and re.search(r"\w", text[at:end]) for start, end in across)


def _round_trip(gold: list[Entity], words: list[Word]) -> list[Entity]:
    return spans(tag_words(gold, words), words)


def _gold(edges: list[tuple[int, int]], seed: int) -> list[Entity]:
    """Return entities of one to three words of `edges`, with two types at random."""
    draw = random.Random(seed)
    entities, position = [], draw.randrange(2)
    while position < len(edges):
        last = min(len(edges) - 1, position + draw.randrange(3))
        entities.append(Entity(edges[position][0], edges[last][1], draw.choice("AB")))
        position = last + 1 + draw.randrange(2)
    return entities


def _variants(text: str) -> list[str]:
    """Return the text unchanged, decomposed, with every kind of white space, and with emoji beside words."""
    words = text.split(" ")
    spaced = ["".join(map("".join, itertools.zip_longest(words, [gap] * (len(words) - 1), fillvalue="")))
              for gap in SEPARATORS]  # fmt: skip
    return [text, unicodedata.normalize("NFD", text), *spaced, "👩‍🔬 " + text.replace(" ", "🎉 ", 2) + "👩‍🔬"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", sorted(WITH_SPACES))
def test_words_of_keeps_entities_of_whole_words(kind: str, language: str) -> None:
    for seed, text in enumerate(_variants(WITH_SPACES[language])):
        gold = _gold(_space_separated(text), seed)
        assert gold
        assert _round_trip(gold, _words(kind, text)) == gold, text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", sorted(WITHOUT_SPACES))
def test_words_of_keeps_entities_at_tokens_of_scripts_without_spaces(kind: str, language: str) -> None:
    text = WITHOUT_SPACES[language]
    for seed, variant in enumerate([text, unicodedata.normalize("NFD", text), f"{text}\u3000{text} {text}"]):
        encoding = _copy(kind).encode(variant)
        cuts = [at for at in range(len(variant) + 1) if _is_boundary(variant, encoding, at)]
        pieces = [edge for edge in itertools.pairwise(cuts) if not variant[edge[0] : edge[1]].isspace()]
        assert len(pieces) > 5
        for gold in (_gold(pieces, seed + 10 * number) for number in range(10)):
            assert _round_trip(gold, _words(kind, variant)) == gold, variant


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("AppleがiPhoneを出す", ["Apple", "iPhone"]),
        ("我用iPhone 15在北京", ["iPhone 15", "iPhone"]),
        ("Tim\u00a0Cook\u3000said", ["Tim", "Cook", "Tim\u00a0Cook", "said"]),
        ("\u200fApple\u200f said \u2068Tim Cook\u2069.", ["Apple", "Tim Cook"]),
        ("Apple🎉🎉 Tim👩‍🔬Cook", ["Apple", "Tim", "Cook"]),
        ("Cafe\u0301, Zu\u0308rich", ["Cafe\u0301", "Zu\u0308rich"]),
    ],
)
def test_words_of_keeps_names_beside_other_scripts_and_invisible_characters(
    kind: str, text: str, names: list[str]
) -> None:
    encoding = _copy(kind).encode(text)
    for name in names:
        start = text.index(name)
        edges = (start, start + len(name))
        assert not all(_is_boundary(text, encoding, at) for at in edges) or _round_trip(
            [Entity(*edges, "A")], _words(kind, text)
        ) == [Entity(*edges, "A")], name


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"WordPiece"}))
def test_words_of_splits_at_a_zero_width_space(kind: str) -> None:
    assert [(span.start, span.end) for span in _words(kind, "Tim\u200bCook")] == [(0, 3), (4, 8)]


def test_words_of_cannot_split_a_token_across_white_space() -> None:
    vocabulary = [("<unk>", 0.0), ("▁Paris▁is", -1.0), ("▁here", -1.0), ("▁", -3.0), *((c, -5.0) for c in "Parishe")]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    (encoded,) = TextEncoder(tokenizer, 64, Cleaning()).encode(["Paris is here"])
    assert [(span.start, span.end) for span in encoded.words] == [(0, 8), (9, 13)]


def test_words_of_takes_the_letters_of_a_token_without_punctuation() -> None:
    tokenizer = Tokenizer(models.WordLevel({"(Apple,": 0, "said)": 1, "<unk>": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (encoded,) = TextEncoder(tokenizer, 64, Cleaning()).encode(["(Apple, said)"])
    assert encoded.words == [Word(0, 1, 6), Word(1, 8, 12)]


def _piece_encoder(words: list[str]) -> TextEncoder:
    """Return an encoder whose tokens are these pieces, or else single characters; a space begins a word."""
    characters = sorted(set("".join(words)) | {"▁"})
    vocabulary = [("<unk>", 0.0), *((word, -1.0) for word in words if len(word) > 1), *((c, -9.0) for c in characters)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return TextEncoder(tokenizer, 64, Cleaning())


@pytest.mark.parametrize(
    ("token", "word"),
    [
        *((word, word) for word in ("U.S.", "S.p.A.", "e.g.", "p.m.", "Ph.D.", "Inc.", "Corp.", "Co.Ltd.", "Yahoo!")),
        *((word, word) for word in ("$100", "€5", "US$", "100€", "-5", "+3%", "50%", "9‰", "20°", "£1.5")),
        *((word, word) for word in ("@user", "#Brexit", "$AAPL", "C++", "C#", "Disney+", "AT&T", "don't")),
        *((word, word) for word in ("㈱トヨタ", "トヨタ㈱", "10%", "$北京", "#北京")),
        *(
            (token, "Apple")
            for token in ("Apple,", "(Apple", "“Apple”", "Apple.", "Apple?", "Apple:", "'Apple", "-Apple")
        ),
        ("said.", "said"),
        ("it!", "it"),
        ("2018.", "2018"),
        ("1.5.", "1.5"),
        ("amazon.com.", "amazon.com"),
        ("北京。", "北京"),
        ("《北京", "北京"),
        ("(@user)", "@user"),
        ("($100,", "$100"),
        ("(U.S.),", "U.S."),
        ("☀\ufe0fApple☀\ufe0f", "Apple"),
    ],
)
def test_words_of_keeps_the_symbols_of_a_word_in_its_token(token: str, word: str) -> None:
    text = f"in {token} in"
    (encoded,) = _piece_encoder(["▁in", f"▁{token}"]).encode([text])
    start = text.index(word)
    assert (start, start + len(word)) in [(span.start, span.end) for span in encoded.words]
    assert len(encoded.words) == 3


@pytest.mark.parametrize("word", ["#Brexit", "$AAPL", "@user"])
def test_words_of_keeps_the_symbols_of_an_unknown_word(word: str) -> None:
    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    (encoded,) = TextEncoder(tokenizer, 64, Cleaning()).encode([f"on {word}, now"])
    assert encoded.words[1][1:] == (3, 3 + len(word))


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        (["2018年", "10", "月"], ["2018年", "10", "月"]),
        (["Tシャツ", "USA"], ["Tシャツ", "USA"]),
        (["年20", "18"], ["年2018"]),
        (["50%", "more"], ["50%", "more"]),
        (["北A", "pp", "le"], ["北Apple"]),
        (["कि", "ताब"], ["किताब"]),
        (["กA\u0301", "b"], ["กA\u0301b"]),
        (["C", "$5", "00"], ["C", "$500"]),
    ],
)
def test_words_of_joins_tokens_only_between_letters_of_scripts_with_spaces(pieces: list[str], words: list[str]) -> None:
    (encoded,) = _piece_encoder([f"▁{pieces[0]}", *pieces[1:]]).encode(["".join(pieces)])
    assert ["".join(pieces)[span.start : span.end] for span in encoded.words] == words


def test_words_of_starts_a_sign_at_its_token_and_not_at_the_prefix_before_it() -> None:
    vocabulary = [("<unk>", 0.0), ("▁", -2.0), ("苹果", -1.0), ("在", -2.0)]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    (encoded,) = TextEncoder(tokenizer, 64, Cleaning()).encode(["苹果在"])
    assert encoded.words == [Word(1, 0, 2), Word(2, 2, 3)]


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.text(st.sampled_from("aé b\u0301\u200d\u200b\u00a0北がガก็ิน1.,(👩\u200fक्षि\n"), max_size=60))
def test_words_of_returns_ordered_words_without_white_space_at_their_edges(kind: str, text: str) -> None:
    reached = 0
    for span in _words(kind, text):
        assert reached <= span.start < span.end <= len(text)
        assert not text[span.start].isspace()
        assert not text[span.end - 1].isspace()
        assert without_space(text, span.start, span.end) == (span.start, span.end)
        reached = span.end


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", [4, 8, 13, 33])
def test_words_of_windows_returns_the_words_of_the_whole_text(kind: str, max_length: int) -> None:
    long = ["Donaudampfschifffahrtsgesellschaft" * 3, "e\u0301" * 30, "北京大学" * 10, "किताब" * 8]
    for text in [*SENTENCES, " ".join(SENTENCES), *long, " ".join(long)]:
        (encoded,) = _encoder(kind, max_length, windows=True).encode([text])
        windowed = [(span.start, span.end) for window in encoded.windows for span in window.words]
        assert windowed == [(span.start, span.end) for span in _words(kind, text)]
        assert all(0 <= span.token < len(window.ids) for window in encoded.windows for span in window.words)
