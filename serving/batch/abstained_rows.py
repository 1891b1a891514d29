"""A second file of a prediction, for people: the rows that the decision of the model leaves to them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.output import Writer, output_suffix
from assay.serving.batch.scan import Column
from assay.serving.batch.shards import ShardWriter
from assay.serving.batch.targets import FileTarget, Target
from assay.serving.engine import Engine, Prediction
from assay.serving.prediction_options import PredictionOptions


class _SplittingWriter:
    """Writes all rows to one writer, and those that are left to people to a second one, too."""

    def __init__(self, writer: Writer, people: Writer, shard_writer: ShardWriter) -> None:
        self._writer = writer
        self._people = people
        self._shard_writer = shard_writer

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        refused = self._writer.write(chunk, indices, texts, predictions)
        rows = zip(indices, texts, predictions, strict=True)
        left = [row for row in rows if row[2].abstained and row[0] not in refused]
        if left:
            places, left_texts, guesses = zip(*left, strict=True)
            self._people.write(chunk, places, left_texts, guesses)
            self._shard_writer.abstained += len(left)
        return refused


@contextmanager
def splitting(
    writer: Writer,
    target: FileTarget | None,
    path: Path | None,
    engine: Engine,
    columns: Sequence[Column],
    shard_writer: ShardWriter,
    shard: int,
) -> Iterator[Writer]:
    """Yield a writer that also writes the rows left to people to `path`; the writer itself without a target."""
    if target is None:
        yield writer
        return
    with target.open(path, engine, columns, shard) as people:
        yield _SplittingWriter(writer, people, shard_writer)


def abstained_target(path: str | None, output: Target, engine: Engine, options: PredictionOptions) -> FileTarget | None:
    """Return the target of the rows that are left to people; None if they are not asked for.

    Raises:
        AssayError: the model decides nothing, or the file does not go with the output.
    """
    if path is None:
        return None
    if not engine.decisions:
        raise AssayError(
            f"--abstained is {path}, but the model makes no decision, so that no row is left to people; train it "
            "with a recipe that has a section decision, or leave --abstained out"
        )
    if output_suffix(Path(path)) == ".parquet" and output.layout != "table":
        raise AssayError(
            f"--abstained is {path}, but Parquet goes with a Parquet output and --output is {output.name}; name a "
            ".jsonl or .csv file"
        )
    return FileTarget(Path(path), options)
