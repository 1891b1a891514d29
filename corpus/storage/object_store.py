"""A store at an fsspec address such as `s3://bucket/prefix`, beside the folder that every machine works in.

Files lie under the digest of their content (`files/`), so that nothing is ever overwritten, a snapshot of several runs
lies there once, and two machines cannot mix their results. What names them (`step.json`) is created last, by a
write that fails where somebody has been first.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec

from assay.corpus.errors import AssayError, first_line
from assay.corpus.storage.digest import digest_file

VARIABLE = "ASSAY_SHARED_STORE"


class SharedStore:
    """Small objects by name, and files by their digest.

    Raises:
        AssayError: from the constructor and every method: the address is wrong, needs a package, or does not answer.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with self._answering():
            self._fs: Any
            self._fs, self._root = fsspec.url_to_fs(address, use_listings_cache=False)

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None where there is none."""
        with self._answering():
            try:
                content: bytes = self._fs.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write an object, over any of that name."""
        with self._answering():
            self._fs.pipe_file(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Write an object where there is none; whether this was the first to do so."""
        with self._answering():
            try:
                self._fs.pipe_file(self._path(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def names(self, folder: str, pattern: str) -> list[str]:
        """Names below a folder that match `*`, sorted."""
        with self._answering():
            found: list[str] = self._fs.glob(self._path(f"{folder}/{pattern}"))
        return sorted(path[len(self._root) + 1 :] for path in found)

    def remove(self, name: str) -> None:
        """Remove an object, or all below a folder, if it is there."""
        with self._answering():
            if self._fs.exists(self._path(name)):
                self._fs.rm(self._path(name), recursive=True)

    def upload(self, files: Mapping[str, Path]) -> None:
        """Write files under their names, several at a time."""
        with self._answering():
            self._fs.put([str(path) for path in files.values()], [self._path(name) for name in files])

    def keep(self, folder: Path, files: Mapping[str, str]) -> None:
        """Write files of a folder, given as digest by name, under their digests; what is there already stays."""
        paths = {_by_digest(digest): folder / name for name, digest in files.items()}
        with self._answering():
            missing = {name: path for name, path in paths.items() if not self._fs.exists(self._path(name))}
        if missing:
            self.upload(missing)

    def fetch(self, files: Mapping[str, str], folder: Path) -> None:
        """Get files, given as digest by name, into a folder.

        Raises:
            AssayError: one is missing, or is not what was written.
        """
        self.download({folder / name: _by_digest(digest) for name, digest in files.items()})
        for name, digest in files.items():
            if digest_file(folder / name) != digest:
                raise AssayError(
                    f"{self.address}/{_by_digest(digest)} is not the file that was written; remove it and what names "
                    "it, or do the step again (--from STEP)"
                )

    def download(self, files: Mapping[Path, str]) -> None:
        """Get files, given as name by path, several at a time."""
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._answering():
            self._fs.get([self._path(name) for name in files.values()], [str(path) for path in files])

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each driver has kinds of errors of its own
            raise AssayError(
                f"{VARIABLE}={self.address} does not do its part ({type(error).__name__}: {first_line(error)}); check "
                "the address and the credentials; s3:// needs pip install 'assay[s3]'"
            ) from error


def shared_store() -> SharedStore | None:
    """The shared store of this machine, or None where none is named.

    Raises:
        AssayError: its address is wrong or needs a package.
    """
    address = os.environ.get(VARIABLE)
    return SharedStore(address.rstrip("/")) if address else None


def _by_digest(digest: str) -> str:
    return f"files/{digest[:2]}/{digest}"
