"""Documents of a recipe's source: the reader of its kind, and the address of its database."""

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

from assay.corpus.documents.annotators.several_people import joined
from assay.corpus.documents.document_diagnosis import SAMPLE
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.extended_json import to_extended
from assay.corpus.sources.files import find_files, read_files
from assay.corpus.sources.hub import read_hub
from assay.corpus.sources.mongo import read_mongo
from assay.corpus.sources.mongo_connection import MongoQuery
from assay.corpus.sources.recognition import describe_file
from assay.corpus.storage.digest import digest_file, digest_folder, digest_json
from assay.corpus.storage.remote_files import address_of
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import FilesSource, HubSource, MongoSource, Source

MOST_FILES = 5  # of one description, which a report names one by one


def open_source(source: Source, fields: list[str], *, check_format: bool = True) -> Iterator[Document | InvalidRow]:
    """Yield the documents of a source, up to its limit, which counts a text of several people once.

    Args:
        source: section of the recipe.
        fields: top-level fields that a database has to send.
        check_format: whether to refuse files that the document format of the source cannot read, and to join what
            several people have annotated of one text; else documents come as they stand.
    """
    read = _reader(source, fields, check_format=check_format)
    documents = joined(read, source.format, source.fields) if check_format else iter(read())
    return _limited(documents, source.limit)


def _reader(source: Source, fields: list[str], *, check_format: bool) -> Callable[[], Iterable[Document | InvalidRow]]:
    if isinstance(source, MongoSource):
        return partial(read_mongo, mongo_query(source, fields))
    if isinstance(source, HubSource):
        return partial(
            read_hub, source.path, source.revision, source.config, source.splits, source.files, filter_=source.filter
        )
    document_format = source.format if check_format else None
    files = find_files(source.paths)
    return partial(read_files, files, source.file, source.filter, document_format, source.annotations)


def sample_documents(source: Source, count: int = SAMPLE) -> list[Mapping[str, Any]]:
    """Return the first documents of a source with all their fields."""
    if isinstance(source, MongoSource):
        source = source.model_copy(update={"batch_size": min(source.batch_size, count)})
    documents = itertools.islice(open_source(source, [], check_format=False), count)
    return [document.values for document in documents if isinstance(document, Document)]


def describe_source(source: Source) -> dict[str, Any]:
    """Return the source as the manifest of a snapshot records it: without secrets, and local files with digests."""
    if isinstance(source, MongoSource):
        keys = {"kind", "uri", "database", "collection", "filter", "limit"}
        return source.model_dump(mode="json", include=keys)
    if isinstance(source, HubSource):
        keys = {"kind", "path", "revision", "config", "splits", "files", "filter", "limit"}
        description = source.model_dump(mode="json", include=keys)
        folder = Path(source.path).expanduser()
        return description | ({"sha256": digest_json(digest_folder(folder))} if folder.is_dir() else {})
    files = {address_of(path): _digest(path) for path in find_files(source.paths)}
    return {"kind": source.kind, "files": files, **source.model_dump(mode="json", include={"file", "filter", "limit"})}


def _digest(path: Path) -> str:
    return digest_json(digest_folder(path)) if path.is_dir() else digest_file(path)


def _limited(documents: Iterator[Document | InvalidRow], limit: int | None) -> Iterator[Document | InvalidRow]:
    """Yield documents until as many as the limit have passed the filter."""
    passed = 0
    for document in documents:
        yield document
        passed += isinstance(document, InvalidRow) or not document.filtered
        if passed == limit:
            return


def source_name(source: Source) -> str:
    """Return the source as an error names it."""
    if isinstance(source, MongoSource):
        query = f" with filter {to_extended(source.filter)}" if source.filter else ""
        return f"the MongoDB collection {source.database}.{source.collection}{query}"
    if isinstance(source, HubSource):
        return f"the data set {source.path}"
    assert isinstance(source, FilesSource)  # noqa: S101  # narrows the type
    return f"the files {', '.join(source.paths)}"


def source_lines(source: Source) -> list[str]:
    """Return what a source was taken for, a line for each file, or for many files of one description."""
    if isinstance(source, FilesSource):
        try:
            files = find_files(source.paths)
            alike: dict[str, list[str]] = {}
            for path in files:
                alike.setdefault(str(describe_file(path, source.file)), []).append(address_of(path))
            return [f"{name}: {description}" for description, names in alike.items() for name in _shortened(names)]
        except AssayError:  # reading the source reports it
            return [source_name(source)]
    revision = f" at {source.revision}" if isinstance(source, HubSource) and source.revision else ""
    return [source_name(source) + revision]


def _shortened(names: list[str]) -> list[str]:
    """Return the names of files, or the first of many and the number of the others."""
    return names if len(names) <= MOST_FILES else [f"{names[0]} and {len(names) - 1:,} more files"]


def reading_of(recipe: Recipe) -> str:
    """Return how the documents of a recipe become rows: the format, and the fields that are read."""
    source, fields, parse = recipe.source, recipe.source.fields, recipe.source.parse
    names: dict[str, str | None]
    if source.format not in ("rows", "tokens", "parse"):
        return source.format
    if source.format == "parse":
        names = {"sentences": parse.sentences, "text": parse.text}
        names |= {"label": parse.label if "sentence" in recipe.heads else None}
        names |= {"labels": parse.labels if "labels" in recipe.heads else None}
        names |= {"entities": parse.entities if "tokens" in recipe.heads else None}
    else:
        names = {"tokens": fields.tokens} if source.format == "tokens" else {"text": fields.text}
        names |= {"text_pair": fields.text_pair, "label": fields.label if "sentence" in recipe.heads else None}
        if "labels" in recipe.heads:
            several = fields.labels
            names["labels"] = several if isinstance(several, str) or several is None else ", ".join(several)
        entities = {"tags": fields.tags} if source.format == "tokens" else {"entities": fields.entities}
        names |= entities if "tokens" in recipe.heads else {}
    read = ", ".join(f"{part} from {name!r}" for part, name in names.items() if name)
    return f"{source.format}: {read}"


def mongo_query(source: MongoSource, fields: list[str]) -> MongoQuery:
    """Return the query of the recipe's section, with the resolved address."""
    return MongoQuery(
        uri=resolve_address(source.uri),
        database=source.database,
        collection=source.collection,
        filter=source.filter,
        fields=fields,
        batch_size=source.batch_size,
        timeout_s=source.timeout_s,
    )


def resolve_address(uri: str, key: str = "source.uri") -> str:
    """Resolve an address of the form `env:VARIABLE` or `block:NAME`; return any other unchanged.

    Args:
        uri: the address.
        key: setting that holds it, for errors.

    Raises:
        AssayError: the variable is not set, or there is no such Prefect Secret block.
    """
    kind, _, name = uri.partition(":")
    if kind == "env":
        if not (address := os.environ.get(name, "").strip()):
            example = "mongodb://HOST:27017" if key == "source.uri" else "..."
            raise AssayError(f"{key} is {uri}, but {name} is not set; export {name}={example}")
        return address
    return _secret_block(name, key) if kind == "block" else uri


def _secret_block(name: str, key: str) -> str:
    from prefect.blocks.system import Secret

    try:
        block = cast(Secret[str], Secret.load(name))
    except ValueError as error:
        raise AssayError(
            f"{key} is block:{name}, but Prefect has no Secret block of that name; "
            "create it in the Prefect UI under Blocks, or use env:VARIABLE"
        ) from error
    return str(block.get())
