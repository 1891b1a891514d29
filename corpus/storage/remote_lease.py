"""Leases in the shared store, based only on writes that fail if the object exists.

The holder of lease 7 has created the object `7.json` in the folder of the resource. The next holder creates `8.json`
after lease 7 was released or has expired: of several candidates, only one succeeds.
"""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.storage.object_store import SharedStore

POLL_SECONDS = 0.5
DIGITS = 9  # so that names sort like numbers


class LeaseRecord(BaseModel):
    """Content of the object of a lease; `owner` is None after its release."""

    owner: str | None
    expires: float


class SharedLease:
    """A lease as its holder sees it; `fencing` is its number."""

    def __init__(self, shared: SharedStore, folder: str, fencing: int, owner: str, seconds: float) -> None:
        self.fencing = fencing
        self._shared = shared
        self._folder = folder
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Verify that the lease is still held and extend it; call before each write.

        Raises:
            AssayError: the lease expired and another owner holds the next one.
        """
        self._write(LeaseRecord(owner=self._owner, expires=time.time() + self._seconds))
        newest = _newest(self._shared, self._folder)
        if newest != self.fencing:
            raise AssayError(
                f"{self._shared.address}/{self._folder}: lease {self.fencing} of {self._owner} has expired, "
                f"number {newest} was granted since; run the command again"
            )

    def release(self) -> None:
        """Release the lease and remove the records of earlier ones."""
        self._write(LeaseRecord(owner=None, expires=0))
        for name in self._shared.names(self._folder, "*.json"):
            if name < _name(self._folder, self.fencing):
                self._shared.remove(name)

    def _write(self, record: LeaseRecord) -> None:
        self._shared.write(_name(self._folder, self.fencing), record.model_dump_json().encode())


def new_owner() -> str:
    """Return a name for the owner of a lease: host, process and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@contextmanager
def hold_shared(
    shared: SharedStore, folder: str, *, wait: float, seconds: float, at_least: int = 0
) -> Iterator[SharedLease]:
    """Hold a lease for the duration of the block.

    Args:
        shared: the store of the lease.
        folder: folder of the resource in the store.
        wait: seconds to wait for the current holder.
        seconds: duration of the lease until `renew`; a dead holder blocks no longer than that.
        at_least: lower bound; the number of the lease is greater.

    Raises:
        AssayError: the lease was not released in time, or the store is not responding.
    """
    owner = new_owner()
    deadline = time.monotonic() + wait
    while (lease := _acquire(shared, folder, owner, seconds, at_least)) is None:
        if time.monotonic() > deadline:
            raise AssayError(f"{shared.address}/{folder} is held by another run; wait until it ends, then start again")
        time.sleep(POLL_SECONDS)
    try:
        yield lease
    finally:
        lease.release()


def _acquire(shared: SharedStore, folder: str, owner: str, seconds: float, at_least: int) -> SharedLease | None:
    newest = _newest(shared, folder)
    content = shared.read(_name(folder, newest)) if newest else None
    if content is not None:
        record = LeaseRecord.model_validate_json(content)
        if record.owner is not None and record.expires > time.time():
            return None
    number = max(newest, at_least) + 1
    record = LeaseRecord(owner=owner, expires=time.time() + seconds)
    if not shared.create(_name(folder, number), record.model_dump_json().encode()):
        return None
    return SharedLease(shared, folder, number, owner, seconds)


def _newest(shared: SharedStore, folder: str) -> int:
    names = shared.names(folder, "*.json")
    return int(names[-1].rpartition("/")[2].removesuffix(".json")) if names else 0


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:0{DIGITS}}.json"
