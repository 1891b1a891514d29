"""The folders that mongodump writes: a folder per database, in it each collection with a file of metadata."""

from pathlib import Path

from assay.corpus.errors import AssayError

ENDS = (".bson", ".bson.gz")
METADATA = (".metadata.json", ".metadata.json.gz")
# Files beside the databases in a dump of a whole server.
OF_SERVER = ("oplog.bson", "prelude.json")
SYSTEM = "system."  # collections that MongoDB keeps for itself
MOST_SHOWN = 10


def dumped_collection(folder: Path) -> Path | None:
    """Return the file of the only collection in a dump of a database or of a server; None if the folder is no dump.

    Raises:
        AssayError: the dump holds several collections.
    """
    found = _of_server(folder) or _of_database(folder)
    if len(found) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in found[:MOST_SHOWN])
        more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
        raise AssayError(
            f"{folder} holds several collections: {names}{more}; name one of them in source.paths, such as {found[0]}"
        )
    return found[0] if found else None


def check_rows(path: Path) -> None:
    """Refuse the file that describes a dumped collection and holds none of its documents.

    Raises:
        AssayError: it is such a file.
    """
    stem = next((path.name.removesuffix(end) for end in METADATA if path.name.endswith(end)), None)
    for end in ENDS if stem is not None else ():
        collection = path.with_name(f"{stem}{end}")
        if collection.is_file():
            raise AssayError(f"{path} holds no rows, but the indexes of a collection of mongodump; name {collection}")


def _of_database(folder: Path) -> list[Path]:
    """Return the collections whose files are in a folder, unless it holds others than mongodump writes there."""
    if not _is_database(folder):
        return []
    return [path for path in _visible(folder) if path.name.endswith(ENDS) and not path.name.startswith(SYSTEM)]


def _of_server(folder: Path) -> list[Path]:
    """Return the collections in the folders of a folder, unless there are files that mongodump does not write."""
    databases = [path for path in _visible(folder) if path.is_dir()]
    others = [path for path in _visible(folder) if path.is_file() and not path.name.startswith(OF_SERVER)]
    if others or not all(map(_is_database, databases)):
        return []
    return [collection for database in databases for collection in _of_database(database)]


def _is_database(folder: Path) -> bool:
    """Return whether a folder holds nothing but collections and what describes them."""
    return all(path.is_file() and path.name.endswith((*ENDS, *METADATA, *OF_SERVER)) for path in _visible(folder))


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
