"""The tokenizer of an encoder, in the format of the `tokenizers` library."""

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from assay.corpus.errors import AssayError
from assay.models.network import encoder_errors, quiet
from assay.recipes.recipe import ModelSection


def load_tokenizer(model: ModelSection) -> PreTrainedTokenizerFast:
    """Load the tokenizer of the recipe's encoder.

    Raises:
        AssayError: the tokenizer cannot be loaded, has no fast version, or has no padding token.
    """
    with encoder_errors(model), quiet():
        tokenizer: Any = AutoTokenizer.from_pretrained(
            model.encoder, revision=model.revision or "main", trust_remote_code=False
        )
    if not isinstance(getattr(tokenizer, "backend_tokenizer", None), Tokenizer):
        raise AssayError(f"model.encoder {model.encoder!r} has no tokenizer.json; choose an encoder that has one")
    if tokenizer.pad_token_id is None:
        raise AssayError(f"model.encoder {model.encoder!r} has no padding token; choose an encoder that has one")
    fast: PreTrainedTokenizerFast = tokenizer
    return fast


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write `tokenizer.json` and the other files of transformers, without truncation or padding."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.save_pretrained(folder)
