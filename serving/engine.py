"""The inference engine: labels and entities of texts from a verified bundle, without torch.

Example:
    >>> from assay.serving.address import open_bundle
    >>> from assay.serving.engine import Engine, Row
    >>> engine = Engine(open_bundle("models:/reviews@champion"))
    >>> engine.predict([Row("Shares of Apple fell after the report.")])
    [Prediction(label='bearish', probabilities=(0.97, 0.03), entities=(), truncated=False)]
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

from tokenizers import Tokenizer

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.serving.bundle import TOKENIZER, Bundle, BundleManifest, GoldenRow, Precision
from assay.serving.cpu import available_threads, cpu_class, cpu_flags, saturates_int8
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText, TextEncoder, pad
from assay.serving.inference_session import ModelSession, open_session
from assay.serving.openvino_provider import is_installed, supports_cpu
from assay.serving.predictions import LogitsReader, Prediction, ScoredEntity, ScoredLabel
from assay.serving.row_texts import row_fault

__all__ = ["Engine", "Prediction", "Row", "ScoredEntity", "ScoredLabel"]

# Each batch runs on one thread. Larger batches hold more padding and exceed the cache of a core, but the units of AMX
# need some size (measured in docs/speed.md).
BATCH_TOKENS: dict[Precision, int] = {"fp32": 512, "int8": 512, "bf16": 2048}
THREADS_PER_BATCH = 1
CHUNK_ROWS = 1024
CHUNK_CHARACTERS = 2_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A text, and the second text for a model of pairs."""

    text: str
    text_pair: str | None = None

    @property
    def characters(self) -> int:
        """Return the number of characters of both texts."""
        return len(self.text) + len(self.text_pair or "")


@dataclass(frozen=True, slots=True)
class _RowWindow:
    """A window, and the index of its row in the chunk."""

    row: int
    window: EncodedText


_WindowLogits = tuple[_RowWindow, dict[str, Floats]]


@dataclass(frozen=True)
class _PendingChunk:
    """The encoded rows of a chunk, and the submitted batches of their windows."""

    rows: Sequence[EncodedText]
    batches: Sequence[Future[list[_WindowLogits]]]


class Engine:
    """An inference engine of one bundle. Threads and forked processes can share it.

    Each batch runs on one thread, and as many batches run at once as there are threads. No thread waits for others at
    the end of an operator, which is faster than one batch on all threads (measured in docs/speed.md).
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        batch_tokens: int | None = None,
        precision: Precision | None = None,
    ) -> None:
        """Load the graph and the tokenizer.

        Args:
            bundle: an opened, and therefore verified, bundle.
            threads: number of batches that run at once; None uses the CPUs available to this process.
            batch_tokens: maximum number of tokens per batch, padding included; None uses what is fastest.
            precision: a precision to measure; None uses the one that the bundle allows on this CPU.

        Raises:
            AssayError: files changed since the bundle was opened, or the graph does not match the manifest.
        """
        manifest = bundle.manifest
        self.precision: Precision = precision or serving_precision(manifest)
        self.manifest = manifest
        self.digest = bundle.digest
        self.labels = manifest.labels
        self.tags = manifest.tags
        self.row_labels = manifest.row_labels
        self.batch_tokens = batch_tokens or BATCH_TOKENS[self.precision]
        self.calibration = manifest.calibration_of(self.precision)
        self.decisions = manifest.decisions_of(self.precision)
        self.label_thresholds = manifest.label_thresholds_of(self.precision)
        self._reader = LogitsReader(
            manifest.labels,
            manifest.tags,
            manifest.crf.transitions() if manifest.crf else None,
            self.calibration,
            self.decisions,
            manifest.row_labels,
            self.label_thresholds,
        )
        self._encoder = TextEncoder(
            Tokenizer.from_buffer(_verified_bytes(bundle, TOKENIZER)),
            manifest.max_length,
            manifest.cleaning,
            windows=manifest.long_texts == "windows",
        )
        graph = bundle.graph_name(self.precision)
        self._session: ModelSession = open_session(
            _verified_bytes(bundle, graph), manifest, bundle.folder / graph, THREADS_PER_BATCH, self.precision
        )
        self._threads = threads or available_threads()
        self._closed = False
        self._open_pool()
        if self.precision == "int8" and not manifest.reduced_range:
            _warn_of_saturation(bundle)

    @property
    def golden(self) -> list[GoldenRow]:
        """Golden rows with their predictions in the precision of this engine."""
        return self.manifest.golden_bf16 if self.precision == "bf16" else self.manifest.golden

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the engine."""
        self.close()

    def close(self) -> None:
        """Finish the running batches and end the threads; the engine predicts nothing after that."""
        self._closed = True
        if self._pool_process == os.getpid():
            self._pool.shutdown()

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Predict rows, in their order.

        Raises:
            AssayError: a text is blank, missing or too long, a row has a second text but the model reads single texts,
                or its logits are not finite; or the engine is closed.
        """
        return list(self.predict_stream(rows))

    def predict_stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """Predict any number of rows, as `predict` does. Memory holds two chunks of rows.

        While one chunk runs, the next one is read and tokenised.
        """
        first = 0
        previous: _PendingChunk | None = None
        for chunk in _chunks(self._checked(rows)):
            pending = self._submit(chunk, first)
            first += len(chunk)
            if previous is not None:
                yield from self._collect(previous)
            previous = pending
        if previous is not None:
            yield from self._collect(previous)

    def encode(self, rows: Sequence[Row]) -> list[EncodedText]:
        """Encode rows for `predict_batch`. The `len` of an encoded row is its number of tokens. Thread-safe.

        Raises:
            AssayError: a text is blank, missing or too long, or a row has a second text but the model reads single
                texts.
        """
        return self._encode(list(self._checked(rows)))

    def predict_batch(self, batch: Sequence[EncodedText]) -> list[Prediction]:
        """Predict encoded rows on the calling thread, padded to the longest of them. Thread-safe.

        Args:
            batch: at least one row; the caller limits rows times the longest row. Only rows in several windows are
                split into several passes, of at most the engine's `batch_tokens` each.

        Raises:
            AssayError: the logits of a row are not finite.
        """
        windows = [_RowWindow(index, window) for index, row in enumerate(batch) for window in row.windows]
        if len(windows) == len(batch):
            return self._predictions(batch, [self._run(windows, 0)])
        lengths = [len(row_window.window.ids) for row_window in windows]
        batches = [[windows[i] for i in indices] for indices in _batches(lengths, self.batch_tokens)]
        return self._predictions(batch, [self._run(row_windows, 0) for row_windows in batches])

    def warm_up(self) -> None:
        """Predict one row and one full batch per length class, since the first pass of each shape is slow.

        Raises:
            AssayError: the logits are not finite.
        """
        for length in _lengths_up_to(self.manifest.max_length):
            row = Row("a " * length, "a" if self.manifest.pair else None)
            encoded = replace(self.encode([row])[0], rest=())
            self.predict_batch([encoded])
            self.predict_batch([encoded] * max(1, self.batch_tokens // len(encoded)))

    def logits(self, batch: Sequence[EncodedText]) -> dict[str, Floats]:
        """Run the graph once, on the first window of each row.

        Returns:
            `sentence` (rows x labels), `labels` (rows x row labels) and `tokens` (rows x longest x tags), as far as the
            model has these heads.
        """
        return self._session.run(pad(batch, self.manifest.pad_id))

    def predict_from_logits(self, text: EncodedText, logits: dict[str, Floats], number: int = 0) -> Prediction:
        """Return the prediction from the logits of a row's first window, without the batch axis."""
        return self._reader.prediction(text, [self._reader.window_logits(text, logits, number)])

    def labels_at_threshold(self, probabilities: Sequence[float], tolerance: float) -> set[str]:
        """Return the row labels whose probability is so close to their threshold that rounding may decide.

        Args:
            probabilities: probability of each row label; empty without a labels head.
            tolerance: largest distance.
        """
        triples = zip(self.row_labels, probabilities, self.label_thresholds, strict=True)
        return {name for name, value, threshold in triples if abs(value - threshold) <= tolerance}

    def _checked(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            AssayError: the model cannot read a row; the message names it.
        """
        for number, row in enumerate(rows):
            if fault := row_fault(row.text, row.text_pair, pair=self.manifest.pair):
                raise AssayError(f"row {number}: {fault}")
            yield row

    def _encode(self, rows: Sequence[Row]) -> list[EncodedText]:
        return self._encoder.encode(
            [row.text for row in rows], [row.text_pair for row in rows], with_words=bool(self.tags)
        )

    def _open_pool(self) -> None:
        # The pool starts its threads when they are first needed.
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="assay-engine")
        self._pool_process = os.getpid()

    def _submit(self, rows: Sequence[Row], first: int) -> "_PendingChunk":
        """Encode a chunk of rows and submit its batches to the pool."""
        if self._closed:
            raise AssayError("the engine is closed; open the model again")
        # A forked process has none of the threads of its parent: gunicorn --preload, Celery, multiprocessing.
        if self._pool_process != os.getpid():
            self._open_pool()
        encoded = self._encode(rows)
        windows = [_RowWindow(index, window) for index, row in enumerate(encoded) for window in row.windows]
        batches = _batches([len(row_window.window.ids) for row_window in windows], self.batch_tokens)
        # The costliest batches run first, so that none of them runs alone at the end.
        batch_windows = [[windows[index] for index in batch] for batch in reversed(batches)]
        return _PendingChunk(encoded, [self._pool.submit(self._run, batch, first) for batch in batch_windows])

    def _collect(self, chunk: "_PendingChunk") -> list[Prediction]:
        return self._predictions(chunk.rows, [future.result() for future in chunk.batches])

    def _run(self, windows: Sequence[_RowWindow], first: int) -> list[_WindowLogits]:
        """Run the graph once on a batch of windows; `first` is the number of the first row, for messages."""
        logits = self.logits([row_window.window for row_window in windows])
        return [
            (row_window, self._reader.window_logits(row_window.window, _at(logits, index), first + row_window.row))
            for index, row_window in enumerate(windows)
        ]

    def _predictions(self, rows: Sequence[EncodedText], batches: Iterable[list[_WindowLogits]]) -> list[Prediction]:
        """Return the predictions of rows from the logits of their windows, which come in any order."""
        logits_of = {id(row_window.window): logits for batch in batches for row_window, logits in batch}
        return [self._reader.prediction(row, [logits_of[id(window)] for window in row.windows]) for row in rows]


def serving_precision(manifest: BundleManifest) -> Precision:
    """Return the precision that serves on this CPU: bf16 only where it was measured, on CPUs of the same class."""
    if not (manifest.bf16 and supports_cpu() and cpu_class(cpu_flags()) == cpu_class(manifest.cpu_flags)):
        return manifest.precision
    if is_installed():
        return "bf16"
    _log.info("this CPU would predict faster in bf16: run %s", install_command("openvino"))
    return manifest.precision


def _verified_bytes(bundle: Bundle, name: str) -> bytes:
    """Return the bytes of a file, verified again, since the folder may have changed after the bundle was opened."""
    data = (bundle.folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != bundle.manifest.files[name]:
        raise AssayError(f"{bundle.folder / name} changed while it was loaded; fetch the bundle again")
    return data


def _warn_of_saturation(bundle: Bundle) -> None:
    flags = set(cpu_flags())
    if saturates_int8(flags) and not saturates_int8(set(bundle.manifest.cpu_flags)):
        _log.warning(
            "%s is int8 with 8-bit weights, tested on a CPU with VNNI; this CPU has none, so its sums can saturate and "
            "its predictions can differ: export the model again here, or serve it on a CPU with VNNI",
            bundle.folder,
        )


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield chunks of rows with limited numbers of rows and characters, but at least one row each."""
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        size = row.characters
        if chunk and (len(chunk) == CHUNK_ROWS or characters + size > CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(row)
        characters += size
    if chunk:
        yield chunk


def _batches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Group indices into batches of similar lengths, whose rows times the longest stays within the budget."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    cuts = [0]
    for position, index in enumerate(order):
        if position > cuts[-1] and (position - cuts[-1] + 1) * lengths[index] > budget:
            cuts.append(position)
    return [order[begin:end] for begin, end in pairwise([*cuts, len(order)]) if begin < end]


def _lengths_up_to(longest: int) -> list[int]:
    """Return 16, 32, 64 ... and the longest itself."""
    lengths = [16]
    while lengths[-1] < longest:
        lengths.append(2 * lengths[-1])
    return [*lengths[:-1], longest]


def _at(logits: dict[str, Floats], index: int) -> dict[str, Floats]:
    return {head: values[index] for head, values in logits.items()}
