"""Rows of a Hugging Face data set from the hub, at a pinned revision, or from a local folder.

Tables stay on disk, mapped into memory; scripts of a data set never run. `datasets` is imported
on use.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.arrow_values import python_values
from assay.corpus.sources.class_names import renamers, with_names
from assay.corpus.sources.row_filter import RowFilter
from assay.corpus.sources.saved_dataset import is_saved
from assay.corpus.storage.digest import digest_folder, digest_json

ROWS_PER_BATCH = 1_000
BUILDERS = {".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


def read_hub(
    path: str,
    revision: str | None = None,
    config: str | None = None,
    splits: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    filter_: Mapping[str, Any] | None = None,
) -> Iterator[Document | InvalidRow]:
    """Yield the rows of published splits in the given order; the position of a row is `SPLIT:NUMBER`.

    A row that Python cannot hold, such as a time after the year 9999, comes as an `InvalidRow`. ClassLabel columns,
    also inside lists and objects, give names instead of numbers.

    Args:
        path: `owner/name`, or a folder of data files or one written by `save_to_disk`.
        revision: commit of the hub data set.
        config: its configuration.
        splits: published split -> split; `all` leaves its rows unassigned. None reads every published split as `all`.
        files: name -> file of the data set, read as splits of those names instead of the published ones.
        filter_: filter on rows; a document that it leaves out is marked as filtered.

    Raises:
        AssayError: the data set could not be downloaded, or has no such configuration, split or file.
    """
    tables = _load(path, revision, config, files)
    splits = splits or dict.fromkeys(tables, "all")
    for name in splits:
        if name not in tables:
            raise AssayError(
                f"source.splits names {name!r}, but {path} does not have it; name one of {', '.join(sorted(tables))}"
            )
    row_filter = RowFilter(filter_ or {})
    for name, split_name in splits.items():
        part = None if split_name == "all" else split_name
        for index, row in enumerate(_rows(tables[name], name)):
            if isinstance(row, InvalidRow):
                yield row
            else:
                document = Document(f"{name}:{index}", row, part)
                yield row_filter.marked(document) if filter_ else document


def _load(path: str, revision: str | None, config: str | None, files: Mapping[str, str] | None) -> Mapping[str, Any]:
    """Return all splits of the data set, by name."""
    import datasets
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    folder = Path(path).expanduser()
    local = folder.exists()
    try:
        if is_saved(folder):
            loaded = datasets.load_from_disk(str(folder))
        elif files:
            root = str(folder.resolve()) if local else f"hf://datasets/{path}@{revision}"
            loaded = datasets.load_dataset(
                _builder(files),
                data_files={name: f"{root}/{file}" for name, file in files.items()},
                cache_dir=_cache(folder),
            )
        else:
            loaded = datasets.load_dataset(
                str(folder.resolve()) if local else path, name=config, revision=revision, cache_dir=_cache(folder)
            )
    except (ConnectionError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        raise AssayError(
            f"the hub data set {path} at {revision} could not be downloaded ({_brief(error)}); check the name, "
            "the revision and the network, or put it into a local folder and name that in source.path"
        ) from error
    except (OSError, RuntimeError, ValueError, datasets.exceptions.DatasetsError) as error:
        # A RuntimeError means that the data set requires a script of its own.
        raise AssayError(
            f"source.path {path} cannot be loaded: {_brief(error)}; check its files, or name them in source.files"
        ) from error
    return loaded if isinstance(loaded, Mapping) else {str(loaded.split or "all"): loaded}


def _cache(folder: Path) -> str | None:
    """Return the cache folder of a local folder, named after its content; None for a name on the hub.

    `datasets` identifies a file by path and time, and would return the old rows of a file that was replaced.
    """
    import datasets

    if not folder.exists():
        return None
    return f"{datasets.config.HF_DATASETS_CACHE}/{digest_json(digest_folder(folder))[:16]}"


def _builder(files: Mapping[str, str]) -> str:
    """Return the builder for files of their kind, which must be the same for all of them.

    Raises:
        AssayError: the files are of several kinds or of an unknown kind.
    """
    kinds = {_kind(file) for file in files.values()}
    kind = kinds.pop()
    if kinds or kind is None:
        names = ", ".join(files.values())
        raise AssayError(f"source.files names {names}; they must all end with one of {', '.join(BUILDERS)}")
    return kind


def _kind(file: str) -> str | None:
    return next((BUILDERS[suffix] for suffix in Path(file).suffixes if suffix in BUILDERS), None)


def _rows(table: Any, name: str) -> Iterator[dict[str, Any] | InvalidRow]:
    names = renamers(table.features.to_dict())
    done = 0
    for batch in table.with_format("arrow").iter(batch_size=ROWS_PER_BATCH):
        yield from with_names(python_values(batch, partial(_position, name, done)), names)
        done += len(batch)


def _position(name: str, before: int, index: int) -> str:
    return f"{name}:{before + index}"


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def published_names(path: str, revision: str | None = None, config: str | None = None) -> list[str]:
    """Return the names of the published splits of a data set.

    Raises:
        AssayError: the data set could not be downloaded, or has no such configuration.
    """
    return list(_load(path, revision, config, None))


def newest_commit(path: str) -> str:
    """Return the commit that the main branch of a hub data set is at.

    Raises:
        AssayError: the hub cannot be reached, or has no such data set.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        commit = HfApi().dataset_info(path, timeout=30).sha
    except (ConnectionError, HfHubHTTPError, OSError) as error:
        raise AssayError(
            f"{path} is not a local file or folder, and the hub data set could not be opened ({_brief(error)}); "
            "check the path or name and the network"
        ) from error
    return str(commit)
