"""A small BERT from scratch: WordPiece trained on the training texts, random weights."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, PreTrainedTokenizerFast

from assay.corpus.scripts import WITHOUT_SPACES
from assay.recipes.recipe import Scratch

_logger = logging.getLogger(__name__)

_BLOCKS = "".join(f"\\x{{{first:X}}}-\\x{{{last:X}}}" for first, last in WITHOUT_SPACES)
# A letter of a script without spaces, with its marks: each may begin a word, and runs of over 100 would be unknown.
_LETTER = rf"[{_BLOCKS}&&[\p{{L}}\p{{Nl}}\p{{No}}]][\p{{M}}\x{{200D}}\x{{FF9E}}\x{{FF9F}}]*"
# White space that BERT's normalizer drops as control characters, which would join words.
_DROPPED_SPACE = r"[\x{0B}\x{0C}\x{1C}-\x{1F}\x{85}\x{200B}]"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Train an uncased WordPiece (Schuster and Nakajima 2012) that keeps accents; equal texts give equal tokenizers."""
    rows = list(texts)
    untrained = _tokenizer({})
    pieces = _characters(untrained, rows)
    alphabet = len(pieces)
    if alphabet > vocabulary - len(SPECIAL):
        pieces = _frequent_characters(untrained, rows, vocabulary - len(SPECIAL))
        alphabet = 0  # no characters besides the pieces
    # The trainer numbers the characters inside words in the random order of a hash map, and breaks ties between
    # equally frequent pairs by these numbers. As special tokens, they are numbered before it starts.
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=[*SPECIAL, *pieces], limit_alphabet=alphabet, show_progress=False
    )
    untrained.train_from_iterator(rows, trainer)
    tokenizer = _tokenizer(untrained.get_vocab(with_added_tokens=True))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")],
    )
    roles = {f"{name[1:-1].lower()}_token": name for name in SPECIAL}
    make: Any = PreTrainedTokenizerFast
    # As of BERT: programs that load the tokenizer by itself pass on which text of a pair a token belongs to.
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    fast: PreTrainedTokenizerFast = make(tokenizer_object=tokenizer, model_input_names=inputs, **roles)
    return fast


def _tokenizer(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[1], max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_DROPPED_SPACE), " "),
            normalizers.BertNormalizer(lowercase=True, strip_accents=False),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_LETTER), "isolated"), pre_tokenizers.BertPreTokenizer()]
    )
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def _characters(tokenizer: Tokenizer, texts: Iterable[str]) -> list[str]:
    """Return every character of the normalised texts, as beginning and as continuation of a word, sorted."""
    normalizer = cast(normalizers.Normalizer, tokenizer.normalizer)
    characters = {
        character for text in texts for character in normalizer.normalize_str(text) if not character.isspace()
    }
    return sorted(characters) + sorted(f"##{character}" for character in characters)


def _frequent_characters(tokenizer: Tokenizer, texts: Iterable[str], most: int) -> list[str]:
    """Return the most frequent characters as beginnings and, if they occur so, as continuations of words, sorted.

    Scripts such as Chinese have thousands of characters that rarely continue a word.
    """
    normalizer = cast(normalizers.Normalizer, tokenizer.normalizer)
    pre_tokenizer = cast(pre_tokenizers.PreTokenizer, tokenizer.pre_tokenizer)
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for text in texts:
        for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text)):
            counts.update(word)
            inside.update(word[1:])
    pieces: list[str] = []
    known = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        forms = [character, f"##{character}"] if character in inside else [character]
        if len(pieces) + len(forms) > most:
            break
        pieces += forms
        known += count
    if known < counts.total():
        _logger.warning(
            "model.scratch.vocabulary is %d, and the training texts have %d different characters; %.2f %% of the text "
            "is unknown to the model: raise it",
            most + len(SPECIAL),
            len(counts),
            100 * (1 - known / counts.total()),
        )
    return sorted(pieces)


def scratch_config(scratch: Scratch, tokenizer: PreTrainedTokenizerFast, max_length: int) -> BertConfig:
    """Return the configuration of the small BERT."""
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=scratch.hidden,
        num_hidden_layers=scratch.layers,
        num_attention_heads=scratch.attention_heads,
        intermediate_size=4 * scratch.hidden,
        max_position_embeddings=max_length,
        pad_token_id=tokenizer.pad_token_id,
    )
