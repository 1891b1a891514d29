"""Documents of a database, decoded and converted by several processes, in order and in constant memory.

Python converts one document at a time in one process, so a source of millions uses one worker process per
core. A worker runs this module as a command: batches go in and chunks come out, each after its length in 8 bytes. It
is not a `multiprocessing` process, which would import the main module of the calling process again.

Documents per second with two workers / with `concurrent.futures.ProcessPoolExecutor` (spawn): 6,100 / 6,700, a ratio
of 0.9 (30,000 generated documents, the first third in this process; two busy cores, medians of three interleaved
rounds). The reason for workers is thus the main module, not speed.
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

# Starting workers takes half a second: the time to read this many batches without them.
BATCHES_ALONE = 10
PENDING_PER_WORKER = 2
LENGTH = struct.Struct("<q")


def read_chunks(
    batches: Iterable[bytes],
    document_format: DocumentFormat,
    *,
    needs_label: bool,
    needs_entities: bool,
    needs_labels: bool = False,
    workers: int | None = None,
) -> Iterator[DocumentChunk]:
    """Yield the chunks of encoded batches, in order.

    Args:
        batches: encoded batches of `assay.corpus.sources.mongo.read_encoded`.
        document_format: format of the documents.
        needs_label: as in `assay.corpus.documents.document_reader.DocumentReader`.
        needs_entities: as in `assay.corpus.documents.document_reader.DocumentReader`.
        needs_labels: as in `assay.corpus.documents.document_reader.DocumentReader`.
        workers: number of processes; None uses one per core, and none on a single core.

    Raises:
        AssayError: a worker died.
    """
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    needs = {"needs_label": needs_label, "needs_entities": needs_entities, "needs_labels": needs_labels}
    reader = ChunkReader(document_format, **needs)
    batches = iter(batches)
    for batch in batches if workers < 2 else islice(batches, BATCHES_ALONE):
        yield reader.read(decode(batch))
    if (first := next(batches, None)) is not None:
        settings = {
            "format": {
                name: value
                for name, value in document_format.model_dump(mode="json").items()
                if name in DocumentFormat.model_fields
            },
            **needs,
        }
        yield from _read_together(chain([first], batches), settings, workers)


def _read_together(batches: Iterable[bytes], settings: dict[str, object], workers: int) -> Iterator[DocumentChunk]:
    free: SimpleQueue[_Worker] = SimpleQueue()

    def convert(batch: bytes) -> bytes:
        worker = free.get()
        try:
            return worker.convert(batch)
        finally:
            free.put(worker)

    with ExitStack() as stack:
        for _ in range(workers):
            free.put(stack.enter_context(_Worker(settings)))
        pool = stack.enter_context(ThreadPoolExecutor(workers, thread_name_prefix="reader"))
        pending: deque[Future[bytes]] = deque()
        for batch in batches:
            pending.append(pool.submit(convert, batch))
            if len(pending) > PENDING_PER_WORKER * workers:
                yield DocumentChunk.from_bytes(pending.popleft().result())
        while pending:
            yield DocumentChunk.from_bytes(pending.popleft().result())


class _Worker:
    """A process that converts batches; it ends with its block, or when this process does."""

    def __init__(self, settings: dict[str, object]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # this very module
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
        )
        self._settings = json.dumps(settings).encode()

    def __enter__(self) -> "_Worker":
        self._send(self._settings)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def convert(self, batch: bytes) -> bytes:
        """Return the chunk of a batch."""
        self._send(batch)
        assert self._process.stdout  # noqa: S101  # narrows the type
        if (chunk := _receive(self._process.stdout)) is None:
            raise self._died()
        return chunk

    def _send(self, content: bytes) -> None:
        assert self._process.stdin  # noqa: S101  # narrows the type
        try:
            _send(self._process.stdin, content)
        except BrokenPipeError:
            raise self._died() from None

    def _died(self) -> AssayError:
        code = self._process.wait()
        return AssayError(f"a process that reads documents ended with exit code {code}; free memory, and start again")


def _send(stream: IO[bytes], content: bytes) -> None:
    stream.write(LENGTH.pack(len(content)))
    stream.write(content)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes | None:
    """Return the next message; None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    content = stream.read(length)
    return content if len(content) == length else None


def main() -> None:
    """Run a worker: receive the settings, then send one chunk per batch until the input ends."""
    # Documents hold no cycles, and a search for cycles takes as long as decoding them.
    gc.disable()
    settings = json.loads(_receive(sys.stdin.buffer) or b"{}")
    document_format = DocumentFormat.model_validate(settings.pop("format"))
    reader = ChunkReader(document_format, **settings)
    while (batch := _receive(sys.stdin.buffer)) is not None:
        _send(sys.stdout.buffer, reader.read(decode(batch)).to_bytes())


if __name__ == "__main__":
    main()
