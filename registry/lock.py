"""A lease on a name: one holder at a time, numbered, so that a holder who was too slow finds out.

MLflow has no compare-and-set on an alias, so promotions take turns here. A lease and not a plain file
lock: a holder that hangs, or a file system that keeps the lock of a dead machine, must not block
promotion for ever. Each holder gets the next fencing number; whoever no longer has the current one
stops before the next write.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.object_store import shared_store
from assay.corpus.storage.remote_lease import hold_shared, new_owner

LEASE_SECONDS = 60.0
WAIT_SECONDS = 180.0
POLL_SECONDS = 0.05
# The file lock is held only while the lease is read and written.
FILE_LOCK_SECONDS = 30.0


class LeaseState(BaseModel):
    """What the lease file holds. `fencing` only ever grows; `owner` is None when the lease is free."""

    fencing: int = 0
    owner: str | None = None
    expires: float = 0.0


class Lease(Protocol):
    """The lease as its holder sees it, in a folder or in the shared store."""

    fencing: int

    def renew(self) -> None:
        """Make sure that the lease is still ours, and start its time anew: call before each write.

        Raises:
            AssayError: somebody else has taken it, since its time had run out.
        """

    def release(self) -> None:
        """Let the next one in. A lease that is no longer ours is left alone."""


class FileLease:
    """A lease that a file holds."""

    def __init__(self, path: Path, owner: str, fencing: int, seconds: float) -> None:
        self._path = path
        self._owner = owner
        self._seconds = seconds
        self.fencing = fencing

    def renew(self) -> None:
        """Make sure that the lease is still ours, and start its time anew: call before each write.

        Raises:
            AssayError: somebody else has taken it, since its time had run out.
        """
        with _exclusive(self._path):
            state = _read(self._path)
            if (state.owner, state.fencing) != (self._owner, self.fencing):
                raise AssayError(
                    f"{self._path}: lease {self.fencing} of {self._owner} has run out, "
                    f"number {state.fencing} was given out since; run the command again"
                )
            _write(self._path, state.model_copy(update={"expires": time.time() + self._seconds}))

    def release(self) -> None:
        """Let the next one in. A lease that is no longer ours is left alone."""
        with _exclusive(self._path):
            state = _read(self._path)
            if (state.owner, state.fencing) == (self._owner, self.fencing):
                _write(self._path, LeaseState(fencing=self.fencing))


@contextmanager
def hold(
    path: Path, *, at_least: int = 0, wait: float = WAIT_SECONDS, seconds: float = LEASE_SECONDS
) -> Iterator[Lease]:
    """Hold the lease for the length of the block.

    Args:
        path: the lease file; whoever shares it takes turns. With a shared store, it lies there instead.
        at_least: the fencing number will be greater than this (for a lease file that was lost).
        wait: seconds to wait for the present holder.
        seconds: time that a holder has until `renew`; a dead one blocks for no longer.

    Raises:
        AssayError: the lease was not free in time, or its folder cannot be written.
    """
    if (shared := shared_store()) is not None:
        folder = f"locks/{path.stem}"
        with hold_shared(shared, folder, wait=wait, seconds=seconds, at_least=at_least) as turn:
            yield turn
        return
    lease = _take(path, new_owner(), at_least, time.monotonic() + wait, seconds)
    try:
        yield lease
    finally:
        lease.release()


def _take(path: Path, owner: str, at_least: int, deadline: float, seconds: float) -> FileLease:
    while True:
        with _exclusive(path):
            state = _read(path)
            if state.owner is None or state.expires < time.time():
                fencing = max(state.fencing, at_least) + 1
                _write(path, LeaseState(fencing=fencing, owner=owner, expires=time.time() + seconds))
                return FileLease(path, owner, fencing, seconds)
        if time.monotonic() > deadline:
            raise AssayError(f"{path} is held by {state.owner}; wait for it to end and run the command again")
        time.sleep(POLL_SECONDS)


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


def _read(path: Path) -> LeaseState:
    if not path.is_file():
        return LeaseState()
    return LeaseState.model_validate_json(path.read_bytes())


def _write(path: Path, state: LeaseState) -> None:
    with atomic_path(path) as partial:
        partial.write_text(state.model_dump_json(), encoding="utf-8")
