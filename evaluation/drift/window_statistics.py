"""Statistics of the rows of a window or reference: the champion's predictions, texts and embeddings."""

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
    """Predictions, texts and embeddings of rows, in one order. `texts` and `embeddings` are None for unknown texts.

    `clusters` names the cluster of each row: rows of one document or group were not drawn independently. If it is
    empty, each row is its own cluster.
    """

    predictions: list[LabelledPrediction]
    texts: list[str] | None = None
    embeddings: Floats | None = None
    clusters: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def cluster_names(self) -> list[str]:
        """Return the cluster of each row."""
        return self.clusters or [str(number) for number in range(len(self))]

    def where(self, chosen: Callable[[LabelledPrediction], bool]) -> "WindowStatistics":
        """Return the predictions of the chosen rows, with their clusters."""
        named = [pair for pair in zip(self.predictions, self.cluster_names, strict=True) if chosen(pair[0])]
        return WindowStatistics([prediction for prediction, _ in named], clusters=[name for _, name in named])


@dataclass(frozen=True)
class Reference:
    """Rows that the champion was not trained on, its test rows first, and the vocabulary of its training rows.

    `known` holds the keys (`row_key`) of all rows of its snapshot.
    """

    observed: WindowStatistics
    test_rows: int
    vocabulary: frozenset[str]
    known: frozenset[str] = frozenset()

    def save(self, folder: Path) -> None:
        """Write the reference into an existing folder."""
        statistics = self.observed
        write_predictions(statistics.predictions, folder / PREDICTIONS)
        test = [number < self.test_rows for number in range(len(statistics))]
        columns = {"text": statistics.texts, "test": test, "cluster": statistics.cluster_names}
        pq.write_table(pa.table(columns), folder / TEXTS)
        pq.write_table(pa.table({"word": sorted(self.vocabulary)}), folder / VOCABULARY)
        pq.write_table(pa.table({"row": sorted(self.known)}), folder / KNOWN)
        if statistics.embeddings is not None:
            np.save(folder / EMBEDDINGS, statistics.embeddings, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the reference that `save` wrote."""
        table = pq.read_table(folder / TEXTS)
        path = folder / EMBEDDINGS
        embeddings = np.load(path, allow_pickle=False) if path.exists() else None
        return cls(
            observed=WindowStatistics(
                predictions=read_predictions(folder / PREDICTIONS),
                texts=table["text"].to_pylist(),
                embeddings=embeddings,
                clusters=table["cluster"].to_pylist(),
            ),
            test_rows=sum(table["test"].to_pylist()),
            vocabulary=frozenset(pq.read_table(folder / VOCABULARY)["word"].to_pylist()),
            known=frozenset(pq.read_table(folder / KNOWN)["row"].to_pylist()),
        )


def row_key(example: Example) -> str:
    """Return a unique key of a row, from its id and its text, since two files may use the same ids."""
    return digest_json([example.id, example.text])[:16]


def window_statistics_of(
    engine: Engine, embedder: Embedder, examples: Sequence[Example], *, of_documents: bool = False
) -> WindowStatistics:
    """Predict and embed rows with the champion.

    Args:
        engine: engine of the champion.
        embedder: embedder of the champion.
        examples: rows.
        of_documents: whether the source reads several rows from each document (document format `parse`).

    Raises:
        AssayError: a row has no second text although the model reads pairs.
    """
    rows = [row_of(example, engine.manifest.pair) for example in examples]
    return WindowStatistics(
        predictions=predict_rows(engine, examples),
        texts=[f"{row.text} {row.text_pair}" if row.text_pair else row.text for row in rows],
        embeddings=embedder.embed(rows),
        clusters=cluster_names(examples, of_documents),
    )
