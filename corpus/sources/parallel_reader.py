"""Documents of a database decoded and read by several processes, in order, with flat memory.

Python reads one document at a time in one process, so a source of millions is read by as many helpers as there are
cores. A helper is this module as a command: batches go in and portions come out, each behind its length in 8 bytes. It
is no `multiprocessing` process, which would import the caller's main module again.
"""

import gc
import json
import os
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain, islice
from queue import SimpleQueue
from typing import IO

from assay.corpus.child_process import child_environment
from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo import decode

# Starting helpers takes half a second: as long as reading so many batches without them.
BATCHES_ALONE = 10
WAITING_A_HELPER = 2
LENGTH = struct.Struct("<q")


def read_chunks(
    batches: Iterable[bytes],
    document_format: DocumentFormat,
    *,
    needs_label: bool,
    needs_entities: bool,
    helpers: int | None = None,
) -> Iterator[DocumentChunk]:
    """Portions of encoded batches, in order.

    Args:
        batches: as `assay.corpus.sources.mongo.read_encoded` gives them.
        document_format: of the documents.
        needs_label: as `assay.corpus.documents.document_reader.DocumentReader`.
        needs_entities: as `assay.corpus.documents.document_reader.DocumentReader`.
        helpers: how many processes; none: one a core, and none at all on a single core.

    Raises:
        AssayError: a helper died.
    """
    helpers = len(os.sched_getaffinity(0)) if helpers is None else helpers
    reader = ChunkReader(document_format, needs_label=needs_label, needs_entities=needs_entities)
    batches = iter(batches)
    for batch in batches if helpers < 2 else islice(batches, BATCHES_ALONE):
        yield reader.read(decode(batch))
    if (first := next(batches, None)) is not None:
        settings = {
            "format": {
                name: value
                for name, value in document_format.model_dump(mode="json").items()
                if name in DocumentFormat.model_fields
            },
            "needs_label": needs_label,
            "needs_entities": needs_entities,
        }
        yield from _read_together(chain([first], batches), settings, helpers)


def _read_together(batches: Iterable[bytes], settings: dict[str, object], helpers: int) -> Iterator[DocumentChunk]:
    free: SimpleQueue[_Helper] = SimpleQueue()

    def ask(batch: bytes) -> bytes:
        helper = free.get()
        try:
            return helper.ask(batch)
        finally:
            free.put(helper)

    with ExitStack() as stack:
        for _ in range(helpers):
            free.put(stack.enter_context(_Helper(settings)))
        pool = stack.enter_context(ThreadPoolExecutor(helpers, thread_name_prefix="reader"))
        waiting: deque[Future[bytes]] = deque()
        for batch in batches:
            waiting.append(pool.submit(ask, batch))
            if len(waiting) > WAITING_A_HELPER * helpers:
                yield DocumentChunk.from_bytes(waiting.popleft().result())
        while waiting:
            yield DocumentChunk.from_bytes(waiting.popleft().result())


class _Helper:
    """One process that reads batches; it ends with its block, or when this process does."""

    def __init__(self, settings: dict[str, object]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # this very module
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
        )
        self._settings = json.dumps(settings).encode()

    def __enter__(self) -> "_Helper":
        self._send(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, batch: bytes) -> bytes:
        """The portion of a batch."""
        self._send(batch)
        assert self._process.stdout  # noqa: S101  # narrows the type
        if (answer := _receive(self._process.stdout)) is None:
            raise self._died()
        return answer

    def _send(self, content: bytes) -> None:
        assert self._process.stdin  # noqa: S101  # narrows the type
        try:
            _send(self._process.stdin, content)
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> AssayError:
        code = self._process.wait()
        return AssayError(f"a process that reads documents ended with code {code}; free memory, and start again")


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """What comes next; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


def main() -> None:
    """A helper: settings first, then a portion for each batch until the input ends."""
    # Documents hold no cycles, and looking for some takes as long as decoding them.
    gc.disable()
    settings = json.loads(_receive(sys.stdin.buffer) or b"{}")
    document_format = DocumentFormat.model_validate(settings.pop("format"))
    reader = ChunkReader(document_format, **settings)
    while (batch := _receive(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, reader.read(decode(batch)).to_bytes())


if __name__ == "__main__":
    main()
