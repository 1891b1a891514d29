"""Finished steps in the shared store, under the names they have in the local one."""

import json
from pathlib import Path

from assay.corpus.storage.atomic import PARTIAL, atomic_folder
from assay.corpus.storage.object_store import SharedStore


def publish_step(shared: SharedStore, store: Path, folder: Path, marker: str) -> bool:
    """Write a finished step; False where another machine has finished it first, whose result counts."""
    content = (folder / marker).read_bytes()
    shared.keep(folder, json.loads(content)["files"])
    created = shared.create(local_name(store, folder / marker), content)
    shared.remove(local_name(store, folder.with_name(folder.name + PARTIAL)))
    return created


def is_published(shared: SharedStore, store: Path, folder: Path, marker: str) -> bool:
    """Whether the finished step that lies in `folder` is the one that the shared store has."""
    return shared.read(local_name(store, folder / marker)) == (folder / marker).read_bytes()


def fetch_step(shared: SharedStore, store: Path, folder: Path, marker: str) -> bool:
    """Get a finished step, if there is one, in the place of what lies in `folder`.

    Raises:
        AssayError: a file is missing, or is not what was written.
    """
    content = shared.read(local_name(store, folder / marker))
    if content is None:
        return False
    with atomic_folder(folder) as partial:
        shared.fetch(json.loads(content)["files"], partial)
        (partial / marker).write_bytes(content)
    return True


def forget_step(shared: SharedStore, store: Path, folder: Path) -> None:
    """Take a finished step back, since it is done again."""
    shared.remove(local_name(store, folder))


def local_name(store: Path, path: Path) -> str:
    """The name of what lies at `path` in the local store."""
    return path.relative_to(store).as_posix()
