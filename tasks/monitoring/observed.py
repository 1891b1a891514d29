"""Rows as they are compared: what the champion answered, and, where they are known, texts and embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from corpus.digest import digest_json
from corpus.example import Example
from serving.engine import Engine
from tasks.monitoring.embedding import Embedder
from tasks.scoring.answers import ANSWERS, Answer, answer_rows, read_answers, row_of, write_answers
from tasks.scoring.statistics import Floats

TEXTS, EMBEDDINGS, VOCABULARY, KNOWN = "texts.parquet", "embeddings.npy", "vocabulary.parquet", "known.parquet"


@dataclass(frozen=True)
class Observed:
    """Rows in one order. `texts` and `embeddings` are None where the texts are not known."""

    answers: list[Answer]
    texts: list[str] | None = None
    embeddings: Floats | None = None

    def __len__(self) -> int:
        return len(self.answers)


@dataclass(frozen=True)
class Reference:
    """Rows that the champion was not trained on, its test rows first, and every word that it was trained on.

    `known`: the keys (`row_key`) of all rows of its snapshot.
    """

    observed: Observed
    test_rows: int
    vocabulary: frozenset[str]
    known: frozenset[str] = frozenset()

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        observed = self.observed
        write_answers(observed.answers, folder / ANSWERS)
        test = [number < self.test_rows for number in range(len(observed))]
        pq.write_table(pa.table({"text": observed.texts, "test": test}), folder / TEXTS)
        pq.write_table(pa.table({"word": sorted(self.vocabulary)}), folder / VOCABULARY)
        pq.write_table(pa.table({"row": sorted(self.known)}), folder / KNOWN)
        if observed.embeddings is not None:
            np.save(folder / EMBEDDINGS, observed.embeddings, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The inverse of `save`."""
        table = pq.read_table(folder / TEXTS)
        path = folder / EMBEDDINGS
        embeddings = np.load(path, allow_pickle=False) if path.exists() else None
        return cls(
            observed=Observed(read_answers(folder / ANSWERS), table["text"].to_pylist(), embeddings),
            test_rows=sum(table["test"].to_pylist()),
            vocabulary=frozenset(pq.read_table(folder / VOCABULARY)["word"].to_pylist()),
            known=frozenset(pq.read_table(folder / KNOWN)["row"].to_pylist()),
        )


def row_key(example: Example) -> str:
    """Tells a row from all others: by its id, and by its text, since two files may number their rows alike."""
    return digest_json([example.id, example.text])[:16]


def observe(engine: Engine, embedder: Embedder, examples: Sequence[Example]) -> Observed:
    """Let the champion read rows.

    Raises:
        AssayError: a row has no second text though the model reads pairs.
    """
    rows = [row_of(example, engine.manifest.pair) for example in examples]
    return Observed(
        answers=answer_rows(engine, examples),
        texts=[f"{row.text} {row.text_pair}" if row.text_pair else row.text for row in rows],
        embeddings=embedder.embed(rows),
    )
