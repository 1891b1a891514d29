"""Taking turns over the shared store, by nothing but writes that fail where somebody has been first.

The holder of turn 7 has created the object `7.json` in the folder of what is held. The next one creates `8.json`, once
turn 7 is over or its time has run out: of several, one can.
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
DIGITS = 9  # so that the names sort as the numbers do


class LeaseRecord(BaseModel):
    """What the object of a turn holds; `owner` is None when the turn is over."""

    owner: str | None
    expires: float


class SharedLease:
    """A turn as its holder sees it; `fencing` is its number."""

    def __init__(self, shared: SharedStore, folder: str, fencing: int, owner: str, seconds: float) -> None:
        self.fencing = fencing
        self._shared = shared
        self._folder = folder
        self._owner = owner
        self._seconds = seconds

    def renew(self) -> None:
        """Make sure that it is still our turn, and start its time anew: call before each write.

        Raises:
            AssayError: the time had run out, and somebody else has the next turn.
        """
        self._write(LeaseRecord(owner=self._owner, expires=time.time() + self._seconds))
        newest = _newest(self._shared, self._folder)
        if newest != self.fencing:
            raise AssayError(
                f"{self._shared.address}/{self._folder}: turn {self.fencing} of {self._owner} has run out, "
                f"number {newest} was given out since; run the command again"
            )

    def release(self) -> None:
        """Let the next one in."""
        self._write(LeaseRecord(owner=None, expires=0))
        for name in self._shared.names(self._folder, "*.json"):
            if name < _name(self._folder, self.fencing):
                self._shared.remove(name)

    def _write(self, turn: LeaseRecord) -> None:
        self._shared.write(_name(self._folder, self.fencing), turn.model_dump_json().encode())


def new_owner() -> str:
    """A name for whoever takes a turn: the machine, the process, and which of its turns."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@contextmanager
def hold_shared(
    shared: SharedStore, folder: str, *, wait: float, seconds: float, at_least: int = 0
) -> Iterator[SharedLease]:
    """Have the turn for the length of the block.

    Args:
        shared: where it is kept.
        folder: of what takes turns.
        wait: seconds to wait for the present holder.
        seconds: time that a holder has until `renew`; a dead one blocks for no longer.
        at_least: the number of the turn will be greater.

    Raises:
        AssayError: nobody let us in in time, or the store does not answer.
    """
    owner = new_owner()
    deadline = time.monotonic() + wait
    while (lease := _take(shared, folder, owner, seconds, at_least)) is None:
        if time.monotonic() > deadline:
            raise AssayError(f"{shared.address}/{folder} is held by another run; wait for it, then start again")
        time.sleep(POLL_SECONDS)
    try:
        yield lease
    finally:
        lease.release()


def _take(shared: SharedStore, folder: str, owner: str, seconds: float, at_least: int) -> SharedLease | None:
    newest = _newest(shared, folder)
    content = shared.read(_name(folder, newest)) if newest else None
    if content is not None:
        turn = LeaseRecord.model_validate_json(content)
        if turn.owner is not None and turn.expires > time.time():
            return None
    number = max(newest, at_least) + 1
    turn = LeaseRecord(owner=owner, expires=time.time() + seconds)
    if not shared.create(_name(folder, number), turn.model_dump_json().encode()):
        return None
    return SharedLease(shared, folder, number, owner, seconds)


def _newest(shared: SharedStore, folder: str) -> int:
    names = shared.names(folder, "*.json")
    return int(names[-1].rpartition("/")[2].removesuffix(".json")) if names else 0


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:0{DIGITS}}.json"
