"""The shared store at an fsspec address such as `s3://bucket/prefix`, beside the local store of every machine.

Files lie under the digest of their content (`files/`), so that nothing is ever overwritten, several runs share one
copy of a snapshot, and two machines cannot mix their results. The manifest that names the files of a step
(`step.json`) is created last, by a write that fails where the object exists.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.corpus.storage.digest import digest_file

VARIABLE = "ASSAY_SHARED_STORE"


class SharedStore:
    """Small objects by name, and files by their digest.

    Raises:
        AssayError: by the constructor and every method: the address is wrong, needs a package, or does not respond.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with self._store_errors():
            self._fs: Any
            self._fs, self._root = fsspec.url_to_fs(address, use_listings_cache=False)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, or None if it does not exist."""
        with self._store_errors():
            try:
                content: bytes = self._fs.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object and replace an existing one."""
        with self._store_errors():
            self._fs.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object unless it exists.

        Returns:
            True if this call created the object.
        """
        with self._store_errors():
            try:
                self._fs.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def names(self, folder: str, pattern: str) -> list[str]:
        """Return the sorted names below a folder that match a glob pattern."""
        with self._store_errors():
            paths: list[str] = self._fs.glob(self._path(f"{folder}/{pattern}"))
        return sorted(path[len(self._root) + 1 :] for path in paths)

    def remove(self, name: str) -> None:
        """Remove an object, or all objects below a folder, if there are any."""
        # Another machine may remove the same object at the same moment.
        with self._store_errors(), suppress(FileNotFoundError):
            self._fs.rm(self._path(name), recursive=True)

    def upload(self, files: Mapping[str, Path]) -> None:
        """Upload files, given as path by object name, several at a time."""
        with self._store_errors():
            self._fs.put([str(path) for path in files.values()], [self._path(name) for name in files])

    def upload_by_digest(self, folder: Path, files: Mapping[str, str]) -> None:
        """Upload files of a folder, given as digest by name, unless the store has them already."""
        paths = {_by_digest(digest): folder / name for name, digest in files.items()}
        with self._store_errors():
            missing = {name: path for name, path in paths.items() if not self._fs.exists(self._path(name))}
        if missing:
            self.upload(missing)

    def fetch(self, files: Mapping[str, str], folder: Path) -> None:
        """Download files, given as digest by name, into a folder.

        Raises:
            AssayError: a file is missing, or differs from the file that was written.
        """
        self.download({folder / name: _by_digest(digest) for name, digest in files.items()})
        for name, digest in files.items():
            if digest_file(folder / name) != digest:
                raise AssayError(
                    f"{self.address}/{_by_digest(digest)} has changed since it was written; remove it and the "
                    "manifest that names it, or run the step again (--from STEP)"
                )

    def download(self, files: Mapping[Path, str]) -> None:
        """Download files, given as object name by path, several at a time."""
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._store_errors():
            self._fs.get([self._path(name) for name in files.values()], [str(path) for path in files])

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each driver has kinds of errors of its own
            raise AssayError(
                f"{VARIABLE}={self.address} is not responding correctly ({type(error).__name__}: {first_line(error)}); "
                f"check the address and the credentials; for s3:// run {install_command('s3')}"
            ) from error


def shared_store() -> SharedStore | None:
    """Return the shared store that the environment names, or None.

    A run or a command calls this once where it begins and passes the store on.

    Raises:
        AssayError: its address is wrong or needs a package.
    """
    address = os.environ.get(VARIABLE)
    return SharedStore(address.rstrip("/")) if address else None


def _by_digest(digest: str) -> str:
    return f"files/{digest[:2]}/{digest}"
