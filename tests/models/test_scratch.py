import pytest

from models.scratch import SPECIAL, scratch_config, train_tokenizer
from recipes.recipe import Scratch

# words of one frequency, so that there are ties between pairs everywhere
TEXTS = [f"{a}{b}{c}{a}" for a in "xyzäö" for b in "uvw" for c in "rst"]


def test_equal_texts_give_an_equal_tokenizer() -> None:
    first, *others = (train_tokenizer(TEXTS, 120).backend_tokenizer.to_str() for _ in range(4))
    assert all(other == first for other in others)


def test_texts_are_told_in_pieces_of_words_and_accents_stay() -> None:
    tokenizer = train_tokenizer(["Äpfel und Birnen"] * 3, 40).backend_tokenizer
    encoding = tokenizer.encode("Äpfel birnen?", "und")
    assert encoding.tokens[0] == "[CLS]"
    assert encoding.tokens.count("[SEP]") == 2
    assert encoding.type_ids[-1] == 1
    assert encoding.tokens[1].startswith("ä")
    assert "[UNK]" in encoding.tokens  # the question mark was in no text


def test_the_special_tokens_are_no_more_than_those_of_bert() -> None:
    tokenizer = train_tokenizer(TEXTS, 120)
    assert sorted(tokenizer.all_special_tokens) == sorted(SPECIAL)
    assert len(tokenizer.get_added_vocab()) == len(SPECIAL)
    config = scratch_config(Scratch(layers=1, hidden=16, attention_heads=2), tokenizer, 32)
    assert config.vocab_size == len(tokenizer) == 120
    assert config.pad_token_id == tokenizer.pad_token_id


def test_train_tokenizer_keeps_to_its_vocabulary_where_a_script_has_more_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # given 2,000 characters, the first of them in every text
    texts = ["一" + "".join(chr(0x4E00 + 50 * row + column) for column in range(50)) for row in range(40)]
    tokenizer = train_tokenizer(texts, 100)
    assert len(tokenizer) == 100
    assert tokenizer.backend_tokenizer.encode("一").tokens == ["[CLS]", "一", "[SEP]"]
    assert "model.scratch.vocabulary is 100" in caplog.text
    assert train_tokenizer(texts, 100).backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
