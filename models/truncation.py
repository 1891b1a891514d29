"""The share of rows that are longer than the model reads, measured before training."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.recipes.model_section import ModelSection

ROWS_PER_CHUNK = 1_000


class Truncation(BaseModel):
    """Number of rows that were measured, and of those longer than `max_length` tokens."""

    model_config = ConfigDict(frozen=True)

    rows: int
    truncated: int
    max_length: int

    @property
    def share(self) -> float:
        """Return the share of the rows that are longer."""
        return self.truncated / max(self.rows, 1)


def measure_truncation(rows: Sequence[Example], model: ModelSection) -> Truncation:
    """Count the rows that are longer than `model.max_length`; a model from scratch trains its tokenizer on them.

    Raises:
        AssayError: the encoder's tokenizer could not be loaded.
    """
    # Imported here because transformers takes seconds to import, and a report is read without it.
    from assay.models.untrained_encoder import untrained_encoder

    texts = (text for row in rows for text in (row.text, row.text_pair) if text is not None)
    encoder = untrained_encoder(texts, model, model.max_length)
    truncated = 0
    for begin in range(0, len(rows), ROWS_PER_CHUNK):
        chunk = rows[begin : begin + ROWS_PER_CHUNK]
        encoded = encoder.encode([row.text for row in chunk], [row.text_pair for row in chunk], with_words=False)
        truncated += sum(row.truncated for row in encoded)
    return Truncation(rows=len(rows), truncated=truncated, max_length=model.max_length)
