"""A barrier between native code and forks.

onnxruntime and tokenizers hold locks while they compute. A process that another thread forks in that moment gets these
locks as they are, and no thread that releases them: its first prediction would wait forever. So a fork waits until no
thread is inside native code, which takes as long as the running batches, and no thread enters until it is done.
"""

import os
import threading
from types import TracebackType


class ForkBarrier:
    """A context around a call of native code, during which the process is not forked; any number of threads enter."""

    def __init__(self) -> None:
        """Watch the forks of the process."""
        self._reset()
        os.register_at_fork(before=self._close, after_in_parent=self._open, after_in_child=self._reset)

    def __enter__(self) -> None:
        """Enter native code, after a fork that is waiting."""
        with self._changed:
            while self._forking:
                self._changed.wait()
            self._inside += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave native code."""
        with self._changed:
            self._inside -= 1
            if not self._inside:
                self._changed.notify_all()

    def _close(self) -> None:
        self._changed.acquire()
        self._forking = True
        while self._inside:
            self._changed.wait()

    def _open(self) -> None:
        self._forking = False
        self._changed.notify_all()
        self._changed.release()

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._forking = False
        self._inside = 0


fork_barrier = ForkBarrier()
