"""The engine: texts in, labels and entities out, from a verified bundle. No torch.

Example:
    >>> from assay.serving.address import open_bundle
    >>> from assay.serving.engine import Engine, Row
    >>> engine = Engine(open_bundle("models:/reviews@champion"))
    >>> engine.predict([Row("Shares of Apple fell after the report.")])
    [Prediction(label='bearish', probabilities=(0.97, 0.03), entities=(), truncated=False)]
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise

from tokenizers import Tokenizer

from assay.corpus.errors import AssayError
from assay.serving.bundle import MODEL, TOKENIZER, Bundle
from assay.serving.cpu import available_threads, cpu_flags, saturates_int8
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText, TextEncoder, pad
from assay.serving.inference_session import ModelSession, open_session
from assay.serving.predictions import LogitsReader, Prediction, ScoredEntity

__all__ = ["Engine", "Prediction", "Row", "ScoredEntity"]

# Each batch runs on one thread: larger ones are slower, since they leave its cache and hold more padding.
BATCH_TOKENS = 512
THREADS_OF_A_BATCH = 1
CHUNK_ROWS = 1024
CHUNK_CHARACTERS = 2_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A text, and for models of pairs the second text."""

    text: str
    text_pair: str | None = None

    @property
    def characters(self) -> int:
        """Of the text, and of the second text where there is one."""
        return len(self.text) + len(self.text_pair or "")


@dataclass(frozen=True, slots=True)
class _Piece:
    """A window, and the place of its row in the portion."""

    row: int
    window: EncodedText


_Read = tuple[_Piece, dict[str, Floats]]


@dataclass(frozen=True)
class _Running:
    """Encoded rows, and the batches of their windows on the way."""

    items: Sequence[EncodedText]
    runs: Sequence[Future[list[_Read]]]


class Engine:
    """Runs one bundle. Safe to share between threads: nothing changes after it was made.

    Each batch runs on one thread, and as many batches at once as there are threads: no thread waits for the others
    at the end of each operator, which measured faster than one batch on all of them (docs/speed.md).
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
    ) -> None:
        """Load graph and tokenizer.

        Args:
            bundle: a bundle that was opened, and so verified.
            threads: batches that run at once; none: as many as this process has CPUs.
            batch_tokens: most tokens of a batch, padding counted.

        Raises:
            AssayError: files changed since the bundle was opened, or the graph is not what the manifest says.
        """
        manifest = bundle.manifest
        self.manifest = manifest
        self.digest = bundle.digest
        self.labels = manifest.labels
        self.tags = manifest.tags
        self._batch_tokens = batch_tokens
        self._reader = LogitsReader(
            manifest.labels, manifest.tags, manifest.crf.transitions() if manifest.crf else None
        )
        self._encoder = TextEncoder(
            Tokenizer.from_buffer(_verified_bytes(bundle, TOKENIZER)),
            manifest.max_length,
            manifest.cleaning,
            windows=manifest.long_texts == "windows",
        )
        self._session: ModelSession = open_session(
            _verified_bytes(bundle, MODEL), manifest, bundle.model_path, THREADS_OF_A_BATCH
        )
        # Threads of the pool start when they are first needed.
        self._pool = ThreadPoolExecutor(threads or available_threads(), thread_name_prefix="assay-engine")
        if manifest.precision == "int8" and not manifest.reduced_range:
            _warn_of_saturation(bundle)

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        """Answer rows, in their order.

        Raises:
            AssayError: a row has no second text where the model needs one (or has one where it takes none), or
                the model's answer to it is not a finite number.
        """
        return list(self.predict_stream(rows))

    def predict_stream(self, rows: Iterable[Row]) -> Iterator[Prediction]:
        """As `predict`, for any number of rows: memory holds two portions of them.

        While one portion runs, the next is read and tokenised.
        """
        first = 0
        running: _Running | None = None
        for chunk in _chunks(rows):
            begun = self._begin(chunk, first)
            first += len(chunk)
            if running is not None:
                yield from self._finish(running)
            running = begun
        if running is not None:
            yield from self._finish(running)

    def encode(self, rows: Sequence[Row]) -> list[EncodedText]:
        """Rows as the graph takes them; `len` of each is the tokens that it costs. Safe in several threads.

        Raises:
            AssayError: a row has no second text where the model needs one, or has one where it takes none.
        """
        return self._encode(rows, 0)

    def predict_batch(self, batch: Sequence[EncodedText]) -> list[Prediction]:
        """Answer encoded rows on the thread of the caller, padded to the longest of them. Safe in several threads.

        Args:
            batch: at least one row; the caller limits rows times longest. Only what is in windows runs in several
                passes, if it is more than the engine's `batch_tokens`.

        Raises:
            AssayError: the model's answer to a row is not a finite number.
        """
        pieces = [_Piece(row, window) for row, item in enumerate(batch) for window in item.windows]
        if len(pieces) == len(batch):
            return self._read(batch, [self._run(pieces, 0)])
        lengths = [len(piece.window.ids) for piece in pieces]
        runs = [[pieces[i] for i in indices] for indices in _batches(lengths, self._batch_tokens)]
        return self._read(batch, [self._run(run, 0) for run in runs])

    def warm(self) -> None:
        """Answer one row and one full batch of each length class: the first pass of a shape is slower than the next.

        Raises:
            AssayError: the model's answer is not a finite number.
        """
        for length in _lengths_up_to(self.manifest.max_length):
            row = Row("a " * length, "a" if self.manifest.pair else None)
            item = replace(self.encode([row])[0], rest=())
            self.predict_batch([item])
            self.predict_batch([item] * max(1, self._batch_tokens // len(item)))

    def logits(self, batch: Sequence[EncodedText]) -> dict[str, Floats]:
        """Run the graph once, on the first window of each row.

        Returns:
            `sentence` (rows x labels) and `tokens` (rows x longest x tags), as far as the model has them.
        """
        return self._session.run(pad(batch, self.manifest.pad_id))

    def answer(self, text: EncodedText, logits: dict[str, Floats], number: int = 0) -> Prediction:
        """Read the logits of a row's first window: `sentence` (labels), `tokens` (length x tags)."""
        return self._reader.of_row(text, [self._reader.of_window(text, logits, number)])

    def _encode(self, rows: Sequence[Row], first: int) -> list[EncodedText]:
        for number, row in enumerate(rows, first):
            _check_row(row, number, self.manifest.pair)
        return self._encoder.encode(
            [row.text for row in rows], [row.text_pair for row in rows], with_words=bool(self.tags)
        )

    def _begin(self, rows: Sequence[Row], first: int) -> "_Running":
        """Encode a portion and hand its batches to the pool."""
        items = self._encode(rows, first)
        pieces = [_Piece(row, window) for row, item in enumerate(items) for window in item.windows]
        batches = _batches([len(piece.window.ids) for piece in pieces], self._batch_tokens)
        # The costly ones first: none is left alone at the end.
        runs = [[pieces[index] for index in batch] for batch in reversed(batches)]
        return _Running(items, [self._pool.submit(self._run, run, first) for run in runs])

    def _finish(self, running: "_Running") -> list[Prediction]:
        return self._read(running.items, [future.result() for future in running.runs])

    def _run(self, pieces: Sequence[_Piece], first: int) -> list[_Read]:
        """One pass of the graph; `first` is the number of the first row, for messages."""
        logits = self.logits([piece.window for piece in pieces])
        return [
            (piece, self._reader.of_window(piece.window, _at(logits, place), first + piece.row))
            for place, piece in enumerate(pieces)
        ]

    def _read(self, items: Sequence[EncodedText], runs: Iterable[list[_Read]]) -> list[Prediction]:
        """The answers to rows whose windows have run, in any order."""
        found = {id(piece.window): own for run in runs for piece, own in run}
        return [self._reader.of_row(item, [found[id(window)] for window in item.windows]) for item in items]


def _verified_bytes(bundle: Bundle, name: str) -> bytes:
    """A file's bytes, checked once more: what is run is what was verified, even if the folder changed since."""
    data = (bundle.folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != bundle.manifest.files[name]:
        raise AssayError(f"{bundle.folder / name} changed while it was loaded; fetch the bundle again")
    return data


def _warn_of_saturation(bundle: Bundle) -> None:
    here = set(cpu_flags())
    if saturates_int8(here) and not saturates_int8(set(bundle.manifest.cpu_flags)):
        _log.warning(
            "%s is int8 with 8-bit weights, measured on a CPU with VNNI; this CPU has none, so its sums can saturate "
            "and its answers differ from those that were judged: export again, or serve it on such a CPU",
            bundle.folder,
        )


def _check_row(row: Row, number: int, pair: bool) -> None:
    if pair and row.text_pair is None:
        raise AssayError(f"row {number}: text_pair is missing, and this model reads pairs; give both texts")
    if not pair and row.text_pair is not None:
        raise AssayError(f"row {number}: text_pair is {row.text_pair[:40]!r}, but this model reads one text; drop it")


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in portions that are limited in number and in characters (but hold one row at least)."""
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
    """Indices in batches of nearly equal length: rows times the longest of them stays within the budget."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    cuts = [0]
    for position, index in enumerate(order):
        if position > cuts[-1] and (position - cuts[-1] + 1) * lengths[index] > budget:
            cuts.append(position)
    return [order[begin:end] for begin, end in pairwise([*cuts, len(order)]) if begin < end]


def _lengths_up_to(longest: int) -> list[int]:
    """16, 32, 64 ... and the longest itself."""
    lengths = [16]
    while lengths[-1] < longest:
        lengths.append(2 * lengths[-1])
    return [*lengths[:-1], longest]


def _at(logits: dict[str, Floats], place: int) -> dict[str, Floats]:
    return {head: values[place] for head, values in logits.items()}
