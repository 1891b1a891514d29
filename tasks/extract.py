"""The extraction step: read the source into a snapshot."""

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.documents.chunk import ChunkReader, Counts, DocumentChunk
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.errors import AssayError, DataError
from assay.corpus.snapshot import REJECTS, Snapshot, SnapshotWriter
from assay.corpus.sources.mongo import read_encoded
from assay.corpus.sources.parallel_reader import read_chunks
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import MongoSource, Source
from assay.runs.run import Run
from assay.runs.source_access import describe_source, mongo_query, open_source, source_name
from assay.runs.step_progress import count, current_step, reported

DOCUMENTS_PER_CHUNK = 1_000


@task(name="extract", cache_policy=NO_CACHE)
@reported("extract")
def extract(run: Run) -> ArtifactRef[Snapshot]:
    """Read the source of the recipe into a snapshot.

    Raises:
        AssayError: the source cannot be read.
        DataError: there is no row, or too many rows were rejected; the rejects are kept in the folder of the run.
    """
    recipe = run.recipe
    description = describe_source(recipe.source)
    inputs = {"source": recipe.source.model_dump(mode="json"), "heads": recipe.heads, "content": description}

    def make(folder: Path) -> None:
        try:
            with SnapshotWriter(folder, recipe.source.fields.slices, description) as writer:
                _read_into(writer, recipe)
                counts = writer.finish().counts
            _check_share(counts, recipe.source, folder, run.folder)
        except AssayError:
            # An incomplete folder must not be mistaken for a snapshot.
            shutil.rmtree(folder)
            raise

    ref = run.once("extract", inputs, make).to(Snapshot)
    current_step().conclude(_summary(Snapshot.load(ref.path).manifest.counts))
    return ref


def _summary(counts: Counts) -> str:
    """Return the counts in a few words; those of documents too, where some of them became no row."""
    rows = f"{counts.rows:,} rows" + (f", {counts.rejects:,} rejected" if counts.rejects else "")
    filtered = f", {counts.filtered:,} filtered out" if counts.filtered else ""
    return rows if counts.rows == counts.documents else f"{rows} of {counts.documents:,} documents{filtered}"


def _read_into(writer: SnapshotWriter, recipe: Recipe) -> None:
    needs = {"needs_label": "sentence" in recipe.heads, "needs_entities": "tokens" in recipe.heads}
    for chunk in count(_chunks(recipe, needs), "documents", recipe.source.limit, _documents):
        writer.add_chunk(chunk)


def _chunks(recipe: Recipe, needs: dict[str, bool]) -> Iterator[DocumentChunk]:
    """Yield the documents of the source in chunks; worker processes read a whole collection in parallel."""
    source = recipe.source
    reader = ChunkReader(source, **needs)
    fields = DocumentReader(source, **needs).field_names()
    if isinstance(source, MongoSource) and source.limit is None:
        yield from read_chunks(read_encoded(mongo_query(source, fields)), source, **needs)
        return
    documents = open_source(source, fields)
    while chunk := list(itertools.islice(documents, DOCUMENTS_PER_CHUNK)):
        yield reader.read(chunk)


def _documents(chunk: DocumentChunk) -> int:
    return chunk.counts.documents


def _check_share(counts: Counts, source: Source, folder: Path, keep: Path) -> None:
    """Refuse a source without rows, and one that does not suit the recipe."""
    if not counts.documents:
        raise DataError(f"{source_name(source)} is empty: it returned no document; check its name and filter")
    share = counts.rejects / max(1, counts.rows + counts.rejects)
    if counts.rows and share <= source.max_reject_share:
        return
    if not counts.rejects:
        raise DataError(
            f"{source_name(source)} has no rows: all {counts.documents} documents are filtered out; change the filters"
        )
    rejects = keep / REJECTS
    shutil.copyfile(folder / REJECTS, rejects)
    raise DataError(
        f"{counts.rejects} of {counts.rows + counts.rejects} rows of {source_name(source)} were rejected: "
        f"{share:.1%}, source.max_reject_share is {source.max_reject_share:.1%}; "
        f"most often: {_frequent_reasons(rejects)}; see {rejects}"
    )


def _frequent_reasons(rejects: Path, most: int = 3) -> str:
    """Return the most frequent kinds of reasons, each with its first row and the remedy."""
    count: Counter[str] = Counter()
    example: dict[str, str] = {}
    with rejects.open(encoding="utf-8") as lines:
        for line in lines:
            reject = json.loads(line)
            kind = reject["reason"].partition(": ")[0]
            count[kind] += 1
            example.setdefault(kind, f"row {reject['id']}: {reject['reason']}")
    return "; ".join(
        f"{example[kind]} ({number} in all), {remedy_of(kind)}" for kind, number in count.most_common(most)
    )
