"""The folders that mongodump writes: a folder per database, in it each collection with a file of metadata."""

from pathlib import Path

from assay.corpus.errors import AssayError

ENDS = (".bson", ".bson.gz")
METADATA = ".metadata.json"
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
    name = path.name.removesuffix(".gz")
    for end in ENDS if name.endswith(METADATA) else ():
        collection = path.with_name(name.removesuffix(METADATA) + end)
        if collection.is_file():
            raise AssayError(f"{path} holds no rows, but the indexes of a collection of mongodump; name {collection}")


def _of_database(folder: Path) -> list[Path]:
    """Return the collections whose files are in a folder."""
    files = sorted(path for path in folder.iterdir() if path.name.endswith(ENDS) and path.is_file())
    return [path for path in files if not path.name.startswith(SYSTEM)]


def _of_server(folder: Path) -> list[Path]:
    """Return the collections in the folders of a folder, unless it holds files that mongodump does not write there."""
    visible = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    if any(path.is_file() and not path.name.startswith(OF_SERVER) for path in visible):
        return []
    return [collection for path in visible if path.is_dir() for collection in _of_database(path)]
