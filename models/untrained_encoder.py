"""The text encoder that a model will have, for measurements before it is trained."""

from collections.abc import Iterable

from assay.models.scratch import train_tokenizer
from assay.models.tokenizer import load_tokenizer
from assay.recipes.model_section import ModelSection
from assay.serving.encoding import TextEncoder


def untrained_encoder(texts: Iterable[str], model: ModelSection, max_length: int) -> TextEncoder:
    """Return the encoder of texts; that of a model from scratch trains its tokenizer on them.

    Args:
        texts: raw texts.
        model: section of the recipe.
        max_length: maximum length of an input, in tokens.

    Raises:
        AssayError: the encoder's tokenizer could not be loaded.
    """
    if model.scratch is None:
        tokenizer = load_tokenizer(model)
    else:
        tokenizer = train_tokenizer(map(model.cleaning.text, texts), model.scratch.vocabulary)
    return TextEncoder(tokenizer.backend_tokenizer, max_length, model.cleaning)
