"""Finished steps in the shared store, under the names that they have in the local store."""

import json
from pathlib import Path

from assay.corpus.storage.atomic import PARTIAL, atomic_folder
from assay.corpus.storage.object_store import SharedStore
from assay.runs.step_result import STEP_MANIFEST


class RemoteStepCache:
    """The finished steps of all machines.

    Args:
        shared: the shared store.
        store: the local store, to which names are relative.
    """

    def __init__(self, shared: SharedStore, store: Path) -> None:
        self._shared = shared
        self._store = store

    def publish(self, folder: Path) -> bool:
        """Write a finished step.

        Returns:
            False if another machine has finished the step first; its result counts.
        """
        manifest = (folder / STEP_MANIFEST).read_bytes()
        self._shared.upload_by_digest(folder, json.loads(manifest)["files"])
        created = self._shared.create(self._manifest_name(folder), manifest)
        self._shared.remove(local_name(self._store, folder.with_name(folder.name + PARTIAL)))
        return created

    def has(self, folder: Path) -> bool:
        """Return whether the store has the very result that lies in `folder`."""
        return self._shared.read(self._manifest_name(folder)) == (folder / STEP_MANIFEST).read_bytes()

    def fetch(self, folder: Path) -> bool:
        """Download a finished step and replace what lies in `folder`.

        Returns:
            Whether the store has the step.

        Raises:
            AssayError: a file is missing, or differs from the file that was written.
        """
        manifest = self._shared.read(self._manifest_name(folder))
        if manifest is None:
            return False
        with atomic_folder(folder) as partial:
            self._shared.fetch(json.loads(manifest)["files"], partial)
            (partial / STEP_MANIFEST).write_bytes(manifest)
        return True

    def remove(self, folder: Path) -> None:
        """Remove a finished step that was done again."""
        self._shared.remove(local_name(self._store, folder))

    def _manifest_name(self, folder: Path) -> str:
        return local_name(self._store, folder / STEP_MANIFEST)


def local_name(store: Path, path: Path) -> str:
    """Return the object name of a path in the local store."""
    return path.relative_to(store).as_posix()
