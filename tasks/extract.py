"""The extraction step: read the source into a snapshot."""

import itertools
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.choice import nearest
from assay.corpus.corrected_rows import CorrectedRows, correction_summary
from assay.corpus.documents.annotators.several_people import BY_PERSON
from assay.corpus.documents.chunk import ChunkReader, Counts, DocumentChunk
from assay.corpus.documents.document_diagnosis import diagnose, field_names
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.json_columns import text_columns
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.documents.reject_reasons import frequent_reasons
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import SLICE_PREFIX
from assay.corpus.overlay import Overlay, overlay_path, read_overlay
from assay.corpus.plural import counted
from assay.corpus.snapshot import REJECTS, Snapshot, SnapshotManifest, SnapshotWriter
from assay.corpus.sources.files import find_files, have_line_of_names
from assay.corpus.sources.mongo import read_encoded
from assay.corpus.sources.parallel_reader import read_chunks
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import FilesSource, MongoSource, Source
from assay.runs.run import Run
from assay.runs.source_access import describe_source, mongo_query, open_source, sample_documents, source_name
from assay.runs.step_progress import count, current_step, reported

DOCUMENTS_PER_CHUNK = 1_000

_logger = logging.getLogger(__name__)


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
    overlay = read_overlay(overlay_path(run.store, recipe.name), run.shared)
    inputs = {
        "source": recipe.source.model_dump(mode="json"),
        "heads": recipe.heads,
        "content": description,
        "corrections": overlay.digest,
    }

    def make(folder: Path) -> None:
        try:
            manifest = read_rows(recipe, folder, description, overlay)
            if (line := refusal(manifest, recipe, folder / REJECTS)) is not None:
                shutil.copyfile(folder / REJECTS, run.folder / REJECTS)
                raise DataError(f"{line}; see {run.folder / REJECTS}" if manifest.counts.rejects else line)
        except AssayError:
            # An incomplete folder must not be mistaken for a snapshot.
            shutil.rmtree(folder)
            raise

    ref = run.once("extract", inputs, make).to(Snapshot)
    current_step().conclude(_summary(Snapshot.load(ref.path).manifest))
    return ref


def _summary(manifest: SnapshotManifest) -> str:
    """Return the counts in a few words; those of documents too, where some of them became no row."""
    counts, corrections = manifest.counts, manifest.corrections
    changed = "" if corrections is None else f", {correction_summary(corrections)}"
    return _counted(counts) + changed


def _counted(counts: Counts) -> str:
    rows = counted(counts.rows, "row") + (f", {counts.rejects:,} rejected" if counts.rejects else "")
    filtered = f", {counts.filtered:,} filtered out" if counts.filtered else ""
    filtered += f" ({counts.no_label:,} without a label)" if counts.no_label else ""
    return rows if counts.rows == counts.documents else f"{rows} of {counted(counts.documents, 'document')}{filtered}"


def read_rows(recipe: Recipe, folder: Path, description: dict[str, Any], overlay: Overlay) -> SnapshotManifest:
    """Read the source into an empty folder, and return the manifest of its rows, of which there may be none.

    Args:
        recipe: the recipe.
        folder: the folder.
        description: the source as the manifest records it.
        overlay: corrections of its rows by people.

    Raises:
        AssayError: the source cannot be read.
    """
    needs = _needs(recipe)
    with SnapshotWriter(folder, recipe.source.fields.slices, description) as writer:
        if overlay.digest is None:
            _read_into(writer, recipe, needs)
            return writer.finish()
        corrections = CorrectedRows(
            overlay,
            recipe.heads,
            LabelValues(recipe.source, renamed=True),
            # Test rows of a published split are not chosen by a model.
            added_split="train" if recipe.split.method == "published" else None,
        )
        _read_into(writer, recipe, needs, corrections.correct)
        for example in corrections.added():
            writer.add([example])
        corrections.save(folder)
        for line in corrections.left_out():
            _logger.warning("corrections: %s", line)
        return writer.finish(corrections.counts())


def _needs(recipe: Recipe) -> dict[str, bool]:
    return {
        "needs_label": "sentence" in recipe.heads,
        "needs_entities": "tokens" in recipe.heads,
        "needs_labels": "labels" in recipe.heads,
    }


def _read_into(
    writer: SnapshotWriter,
    recipe: Recipe,
    needs: dict[str, bool],
    correct: Callable[[DocumentChunk], DocumentChunk] = lambda chunk: chunk,
) -> None:
    for chunk in count(_chunks(recipe, needs), "documents", recipe.source.limit, _documents):
        writer.add_chunk(correct(chunk))


def _chunks(recipe: Recipe, needs: dict[str, bool]) -> Iterator[DocumentChunk]:
    """Yield the documents of the source in chunks; worker processes read a whole collection in parallel.

    A collection with a document per person is read in one process, which sees all documents about a text.
    """
    source = recipe.source
    reader = ChunkReader(source, **needs)
    fields = DocumentReader(source, **needs).field_names()
    if isinstance(source, MongoSource) and source.limit is None and source.format not in BY_PERSON:
        yield from read_chunks(read_encoded(mongo_query(source, fields)), source, **needs)
        return
    documents = open_source(source, fields)
    while chunk := list(itertools.islice(documents, DOCUMENTS_PER_CHUNK)):
        yield reader.read(chunk)


def _documents(chunk: DocumentChunk) -> int:
    return chunk.counts.documents


def refusal(manifest: SnapshotManifest, recipe: Recipe, rejects: Path) -> str | None:
    """Return one line that says why the rows that were read cannot be used, or None.

    Args:
        manifest: manifest of the rows.
        recipe: the recipe.
        rejects: file of the rejected rows, which the line names.
    """
    counts, source = manifest.counts, recipe.source
    name = source_name(source)
    if not counts.documents:
        return f"{name} is empty: it returned no document; {_empty_remedy(source)}"
    share = counts.rejects / max(1, counts.rows + counts.rejects)
    too_many = not counts.rows or share > source.max_reject_share
    if not counts.rows and counts.no_label and not counts.rejects:
        return (
            f"{name} has no rows: {counts.no_label:,} have no label (source.no_label is {source.no_label}); label "
            "some of them, or correct source.no_label"
        )
    if not counts.rejects and too_many:
        return f"{name} has no rows: all {counts.documents} documents are filtered out; {_filter_remedy(source)}"
    suspicious = too_many or _empty_columns(manifest, rejects.parent, source)
    cause = _diagnosis(recipe, columns=not too_many) if suspicious else None
    if not too_many:
        return cause
    refused = f"{counts.rejects:,} of {counted(counts.rows + counts.rejects, 'row')} of {name} were rejected"
    if cause is not None and not counts.rows:
        return f"{cause} ({refused})"
    reasons = "; ".join(
        f"{reason.example} ({reason.count} in all), {reason.remedy}" for reason in frequent_reasons(rejects)
    )
    return (
        f"{f'{cause}; ' if cause else ''}{refused}: {share:.1%}, source.max_reject_share is "
        f"{source.max_reject_share:.1%}; most often: {reasons}"
    )


def _diagnosis(recipe: Recipe, *, columns: bool) -> str | None:
    source = recipe.source
    line_of_names = isinstance(source, FilesSource) and have_line_of_names(find_files(source.paths), source.file)
    documents = sample_documents(source)
    return diagnose(source, documents, **_needs(recipe), columns=columns, line_of_names=line_of_names)


def _empty_columns(manifest: SnapshotManifest, folder: Path, source: Source) -> bool:
    """Return whether a column that the recipe names is empty in every row, such as a group with a typing error."""
    named = [key for key in ("group", "time", "split") if getattr(source.fields, key) is not None]
    columns = named + [SLICE_PREFIX + name for name in manifest.slices]
    filled = dict.fromkeys(columns, 0)
    for part in manifest.parts if columns else ():
        metadata = pq.read_metadata(folder / part.name)
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                if column.path_in_schema in filled:
                    filled[column.path_in_schema] += column.statistics.num_values if column.statistics else 1
    return not all(filled.values())


def _empty_remedy(source: Source) -> str:
    # Documents of files and of the hub are read before they are filtered.
    if not isinstance(source, MongoSource) or not source.filter:
        return "check its name and content"
    return _remedy_of_filter(source)


def _filter_remedy(source: Source) -> str:
    if source.filter and not isinstance(source, MongoSource):
        return _remedy_of_filter(source)
    if source.format == "parse":
        return f"{source.parse.repost!r} is true in all of them, or they hold no sentence; see source.parse"
    return "the annotation tool marks them as rejected or ignored; accept some"


def _remedy_of_filter(source: Source) -> str:
    """Return what is wrong with a filter that no document passes."""
    sample = sample_documents(source.model_copy(update={"filter": {}}))
    if not sample:
        return "check its name: without the filter it is empty, too"
    names = field_names(sample)
    unknown = [key for key in source.filter if not key.startswith("$") and key not in names]
    if not isinstance(source, MongoSource):  # a database does not reach into JSON text
        unknown = [key for key in unknown if not any(any(text_columns(document, [key])) for document in sample)]
    if not unknown:
        return "without source.filter it holds documents; correct the values of the filter"
    return f"source.filter names {unknown[0]!r}, which no document has{nearest(unknown[0], names)}"
