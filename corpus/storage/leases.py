"""Leases: one holder at a time, in a file or in the shared store.

A lease is no plain file lock: a holder that hangs, or a file system that keeps the lock of a dead machine, must not
block the others forever. Each holder gets the next fencing number and a time to renew within. A holder that no longer
has the newest number stops before its next write.

In the shared store, holder 7 has created the object `7.json` in the folder of the lease. The next one creates `8.json`
after 7 is released or has expired. Creation fails where the object exists, so that only one of several succeeds. A
holder removes the objects of earlier ones; who listed the folder before that and creates a removed object again finds
a newer one and gives up.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.object_store import SharedStore

LEASE_SECONDS = 60.0
WAIT_SECONDS = 180.0
FILE_POLL_SECONDS = 0.05
SHARED_POLL_SECONDS = 0.5
# The file lock is held only while the lease is read and written.
FILE_LOCK_SECONDS = 30.0
DIGITS = 9  # so that the names sort as the numbers do


class Lease(Protocol):
    """A lease as its holder sees it."""

    fencing: int

    def renew(self) -> None:
        """Check that the lease is still ours and restart its time; call it before each write.

        Raises:
            AssayError: the lease expired and another holder has taken it.
        """

    def release(self) -> None:
        """Free the lease for the next holder; a lease that another holder has taken stays theirs."""


class FileLeaseRecord(BaseModel):
    """Content of a lease file. `fencing` only ever grows; `owner` is None while the lease is free."""

    fencing: int = 0
    owner: str | None = None
    expires: float = 0.0


class SharedLeaseRecord(BaseModel):
    """Content of the object of one holder; `owner` is None after the release."""

    owner: str | None
    expires: float


@contextmanager
def hold_lease(
    path: Path,
    shared: SharedStore | None = None,
    *,
    at_least: int = 0,
    wait: float = WAIT_SECONDS,
    seconds: float = LEASE_SECONDS,
) -> Iterator[Lease]:
    """Hold a lease for the length of the block.

    Args:
        path: the lease file; all who use it take turns.
        shared: where the lease lies instead, under the name of the file.
        at_least: the fencing number is greater than this (for a lease file that was lost).
        wait: seconds to wait for the present holder.
        seconds: time that a holder has until `renew`; a dead holder blocks for no longer.

    Raises:
        AssayError: the lease was not free in time, its folder is not writable, or the store does not respond.
    """
    if shared is not None:
        with hold_shared_lease(shared, f"locks/{path.stem}", wait=wait, seconds=seconds, at_least=at_least) as lease:
            yield lease
        return
    file_lease = _take_file(path, _new_owner(), at_least, time.monotonic() + wait, seconds)
    try:
        yield file_lease
    finally:
        file_lease.release()


@contextmanager
def hold_shared_lease(
    shared: SharedStore, folder: str, *, wait: float, seconds: float, at_least: int = 0
) -> Iterator[Lease]:
    """Hold a lease of the shared store for the length of the block.

    Args:
        shared: the store that keeps the lease.
        folder: name of the folder of the lease.
        wait: seconds to wait for the present holder.
        seconds: time that a holder has until `renew`; a dead holder blocks for no longer.
        at_least: the fencing number is greater than this.

    Raises:
        AssayError: the lease was not free in time, or the store does not respond.
    """
    owner = _new_owner()
    deadline = time.monotonic() + wait
    while (lease := _take_shared(shared, folder, owner, seconds, at_least)) is None:
        if time.monotonic() > deadline:
            raise AssayError(f"{shared.address}/{folder} is held by another run; wait for it, then start again")
        time.sleep(SHARED_POLL_SECONDS)
    try:
        yield lease
    finally:
        lease.release()


class FileLease:
    """A lease in a file."""

    def __init__(self, path: Path, owner: str, fencing: int, seconds: float) -> None:
        self.fencing = fencing
        self._path = path
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Check that the lease is still ours and restart its time; call it before each write.

        Raises:
            AssayError: the lease expired and another holder has taken it.
        """
        with _exclusive(self._path):
            record = _read(self._path)
            if (record.owner, record.fencing) != (self._owner, self.fencing):
                raise AssayError(_expired(str(self._path), self.fencing, self._owner, record.fencing))
            _write(self._path, record.model_copy(update={"expires": time.time() + self._seconds}))

    def release(self) -> None:
        """Free the lease for the next holder; a lease that another holder has taken stays theirs."""
        with _exclusive(self._path):
            record = _read(self._path)
            if (record.owner, record.fencing) == (self._owner, self.fencing):
                _write(self._path, FileLeaseRecord(fencing=self.fencing))


class SharedLease:
    """A lease in the shared store."""

    def __init__(self, shared: SharedStore, folder: str, owner: str, fencing: int, seconds: float) -> None:
        self.fencing = fencing
        self._shared = shared
        self._folder = folder
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Check that the lease is still ours and restart its time; call it before each write.

        Raises:
            AssayError: the lease expired and another holder has taken it.
        """
        # A holder that takes the lease at this moment has read the old time: write first, then look for a newer number.
        is_own = self._is_own()
        if is_own:
            self._write(SharedLeaseRecord(owner=self._owner, expires=time.time() + self._seconds))
        newest = _newest_number(self._shared, self._folder)
        if not is_own or newest != self.fencing:
            raise AssayError(_expired(f"{self._shared.address}/{self._folder}", self.fencing, self._owner, newest))

    def is_newest(self) -> bool:
        """Return whether the object is ours, and no newer one exists."""
        return self._is_own() and _newest_number(self._shared, self._folder) == self.fencing

    def release(self) -> None:
        """Free the lease for the next holder, and remove the objects of earlier holders."""
        if self._is_own():
            self._write(SharedLeaseRecord(owner=None, expires=0))
        for name in self._shared.names(self._folder, "*.json"):
            if name < _object_name(self._folder, self.fencing):
                self._shared.remove(name)

    def _is_own(self) -> bool:
        record = _read_shared(self._shared, self._folder, self.fencing)
        return record is not None and record.owner == self._owner

    def _write(self, record: SharedLeaseRecord) -> None:
        self._shared.write(_object_name(self._folder, self.fencing), record.model_dump_json().encode())


def _new_owner() -> str:
    """Return a name for one holder: machine, process, and a random number."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def _expired(where: str, fencing: int, owner: str, newest: int) -> str:
    return f"{where}: lease {fencing} of {owner} has expired, and lease {newest} was given out; run the command again"


def _take_file(path: Path, owner: str, at_least: int, deadline: float, seconds: float) -> FileLease:
    while True:
        with _exclusive(path):
            record = _read(path)
            if record.owner is None or record.expires < time.time():
                fencing = max(record.fencing, at_least) + 1
                _write(path, FileLeaseRecord(fencing=fencing, owner=owner, expires=time.time() + seconds))
                return FileLease(path, owner, fencing, seconds)
        if time.monotonic() > deadline:
            raise AssayError(f"{path} is held by {record.owner}; wait for it to end and run the command again")
        time.sleep(FILE_POLL_SECONDS)


def _take_shared(shared: SharedStore, folder: str, owner: str, seconds: float, at_least: int) -> SharedLease | None:
    newest = _newest_number(shared, folder)
    held = _read_shared(shared, folder, newest)
    if held is not None and held.owner is not None and held.expires > time.time():
        return None
    fencing = max(newest, at_least) + 1
    record = SharedLeaseRecord(owner=owner, expires=time.time() + seconds)
    if not shared.create(_object_name(folder, fencing), record.model_dump_json().encode()):
        return None
    lease = SharedLease(shared, folder, owner, fencing, seconds)
    return lease if lease.is_newest() else None


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.guard", timeout=FILE_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise AssayError(f"{path}.guard stays locked; end the process that holds it") from error
    except OSError as error:
        raise AssayError(f"{path} cannot be locked ({error.strerror}); make its folder writable") from error


def _read(path: Path) -> FileLeaseRecord:
    if not path.is_file():
        return FileLeaseRecord()
    return FileLeaseRecord.model_validate_json(path.read_bytes())


def _write(path: Path, record: FileLeaseRecord) -> None:
    with atomic_path(path) as partial:
        partial.write_text(record.model_dump_json(), encoding="utf-8")


def _read_shared(shared: SharedStore, folder: str, number: int) -> SharedLeaseRecord | None:
    content = shared.read(_object_name(folder, number))
    return None if content is None else SharedLeaseRecord.model_validate_json(content)


def _newest_number(shared: SharedStore, folder: str) -> int:
    names = shared.names(folder, "*.json")
    return int(names[-1].rpartition("/")[2].removesuffix(".json")) if names else 0


def _object_name(folder: str, number: int) -> str:
    return f"{folder}/{number:0{DIGITS}}.json"
