import pytest
from tokenizers import Tokenizer, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from assay.corpus.scripts import split_signs
from assay.models.scratch import SPECIAL, scratch_config, train_tokenizer
from assay.recipes.recipe import Scratch

# words of one frequency, so that there are ties between pairs everywhere
TEXTS = [f"{a}{b}{c}{a}" for a in "xyzäö" for b in "uvw" for c in "rst"]


def test_train_tokenizer_is_equal_for_equal_texts() -> None:
    first, *others = (train_tokenizer(TEXTS, 120).backend_tokenizer.to_str() for _ in range(4))
    assert all(other == first for other in others)


def test_train_tokenizer_splits_words_and_keeps_accents() -> None:
    tokenizer = train_tokenizer(["Äpfel und Birnen"] * 3, 40).backend_tokenizer
    encoding = tokenizer.encode("Äpfel birnen?", "und")
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens.count("[SEP]") == 2
    assert encoding.type_ids[-1] == 1
    assert encoding.tokens[1].startswith("ä")
    assert "[UNK]" in encoding.tokens  # the question mark was in no text


def test_train_tokenizer_has_the_special_tokens_of_bert_only() -> None:
    tokenizer = train_tokenizer(TEXTS, 120)
    assert sorted(tokenizer.all_special_tokens) == sorted(SPECIAL)
    assert len(tokenizer.get_added_vocab()) == len(SPECIAL)
    config = scratch_config(Scratch(layers=1, hidden=16, attention_heads=2), tokenizer, 32)
    assert config.vocab_size == len(tokenizer) == 120
    assert config.pad_token_id == tokenizer.pad_token_id


def test_train_tokenizer_keeps_its_vocabulary_size_for_scripts_with_more_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # given 2,000 characters, the first of them in every text
    texts = ["一" + "".join(chr(0x4E00 + 50 * row + column) for column in range(50)) for row in range(40)]
    tokenizer = train_tokenizer(texts, 100)
    assert len(tokenizer) == 100
    assert tokenizer.backend_tokenizer.encode("一").tokens == ["[CLS]", "一", "[SEP]"]
    assert "model.scratch.vocabulary is 100" in caplog.text
    assert train_tokenizer(texts, 100).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()


def _words(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
    assert "[UNK]" not in encoding.tokens
    spans: dict[int | None, tuple[int, int]] = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets, strict=True):
        spans[word] = (spans[word][0] if word in spans else start, end)
    return [text[start:end] for start, end in spans.values()]


@pytest.mark.parametrize(
    "text",
    [
        "เมื่อวานนี้นายสมชายไปเที่ยวที่กรุงเทพมหานคร",
        "ມື້ວານນີ້ທ້າວສົມໄຊໄປນະຄອນຫຼວງວຽງຈັນ",
        "ម្សិលមិញលោកសុខទៅភ្នំពេញ",
        "မနေ့ကဦးမောင်မောင်သည်ရန်ကုန်သို့သွားသည်",
        "昨日トヨタ自動車の豊田さんは",
        "か\u3099んた\u3099む",
    ],
)
def test_train_tokenizer_knows_each_letter_of_scripts_without_spaces(text: str) -> None:
    # given more letters without a space than a word may have
    text *= 20
    words = _words(train_tokenizer([text], 400), text)
    assert words == [text[start:end] for start, end in split_signs(text, 0, len(text))]


@pytest.mark.parametrize("space", ["\u200b", "\x85", "\x0b", "\x0c", "\x1c", "\x1f", "\u2028", "\u3000", "\t"])
def test_train_tokenizer_begins_a_word_at_white_space_of_any_kind(space: str) -> None:
    text = f"tim{space}cook"
    assert _words(train_tokenizer([text], 60), text) == ["tim", "cook"]


def test_train_tokenizer_reads_scripts_with_spaces_as_bert_does() -> None:
    texts = [
        "Größe, don't! U.S. $100 (Äpfel) İstanbul\u00adx 12.5%",
        "Вчера Иван\u00a0Петров встретил «Анну».",
        "नई दिल्ली में क्\u200dष",
        "서울 본사 에서",
        "مُحَمَّد في، الرياض",
        "ﬁ ½ ² 👩\u200d🔬 a_b",
        "北京 is 1号",
    ]
    tokenizer = train_tokenizer(texts, 400).backend_tokenizer
    bert = Tokenizer.from_str(tokenizer.to_str())
    bert.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    for text in texts:
        found, wanted = tokenizer.encode(text), bert.encode(text)
        assert (found.ids, found.offsets) == (wanted.ids, wanted.offsets)
