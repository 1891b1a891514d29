"""Rows as they are compared: what the champion answered, and, where they are known, texts and embeddings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from assay.corpus.example import Example
from assay.corpus.storage.digest import digest_json
from assay.evaluation.drift.clusters import cluster_names
from assay.evaluation.drift.embedding import Embedder
from assay.evaluation.labelled_predictions import (
    PREDICTIONS,
    LabelledPrediction,
    predict_rows,
    read_predictions,
    row_of,
    write_predictions,
)
from assay.evaluation.statistics import Floats
from assay.serving.engine import Engine

REFERENCE = "reference.json"  # written last
TEXTS, EMBEDDINGS, VOCABULARY, KNOWN = "texts.parquet", "embeddings.npy", "vocabulary.parquet", "known.parquet"


@dataclass(frozen=True)
class WindowStatistics:
    """Rows in one order. `texts` and `embeddings` are None where the texts are not known.

    `clusters` names the cluster of each row: rows of one document or group were not drawn independently. Empty, each
    row is a cluster of its own.
    """

    answers: list[LabelledPrediction]
    texts: list[str] | None = None
    embeddings: Floats | None = None
    clusters: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def cluster_names(self) -> list[str]:
        """The cluster of each row."""
        return self.clusters or [str(number) for number in range(len(self))]

    def where(self, chosen: Callable[[LabelledPrediction], bool]) -> "WindowStatistics":
        """The answers of some rows, with their clusters."""
        named = [both for both in zip(self.answers, self.cluster_names, strict=True) if chosen(both[0])]
        return WindowStatistics([answer for answer, _ in named], clusters=[name for _, name in named])


@dataclass(frozen=True)
class Reference:
    """Rows that the champion was not trained on, its test rows first, and every word that it was trained on.

    `known`: the keys (`row_key`) of all rows of its snapshot.
    """

    observed: WindowStatistics
    test_rows: int
    vocabulary: frozenset[str]
    known: frozenset[str] = frozenset()

    def save(self, folder: Path) -> None:
        """Write into an existing folder."""
        observed = self.observed
        write_predictions(observed.answers, folder / PREDICTIONS)
        test = [number < self.test_rows for number in range(len(observed))]
        columns = {"text": observed.texts, "test": test, "cluster": observed.cluster_names}
        pq.write_table(pa.table(columns), folder / TEXTS)
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
            observed=WindowStatistics(
                answers=read_predictions(folder / PREDICTIONS),
                texts=table["text"].to_pylist(),
                embeddings=embeddings,
                clusters=table["cluster"].to_pylist(),
            ),
            test_rows=sum(table["test"].to_pylist()),
            vocabulary=frozenset(pq.read_table(folder / VOCABULARY)["word"].to_pylist()),
            known=frozenset(pq.read_table(folder / KNOWN)["row"].to_pylist()),
        )


def row_key(example: Example) -> str:
    """Tells a row from all others: by its id, and by its text, since two files may number their rows alike."""
    return digest_json([example.id, example.text])[:16]


def window_statistics_of(
    engine: Engine, embedder: Embedder, examples: Sequence[Example], *, of_documents: bool = False
) -> WindowStatistics:
    """Let the champion read rows.

    Args:
        engine: of the champion.
        embedder: of the champion.
        examples: the rows.
        of_documents: their source reads several rows from each document (form `parse`).

    Raises:
        AssayError: a row has no second text though the model reads pairs.
    """
    rows = [row_of(example, engine.manifest.pair) for example in examples]
    return WindowStatistics(
        answers=predict_rows(engine, examples),
        texts=[f"{row.text} {row.text_pair}" if row.text_pair else row.text for row in rows],
        embeddings=embedder.embed(rows),
        clusters=cluster_names(examples, of_documents),
    )
