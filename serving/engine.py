"""The engine: texts in, labels and entities out, from a verified bundle. No torch.

Example:
    >>> from serving.address import open_bundle
    >>> from serving.engine import Engine, Row
    >>> engine = Engine(open_bundle("models:/reviews@champion"))
    >>> engine.predict([Row("Shares of Apple fell after the report.")])
    [Prediction(label='bearish', probabilities=(0.97, 0.03), entities=(), truncated=False)]
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from corpus.errors import AssayError
from serving.bundle import MODEL, TOKENIZER, Bundle
from serving.cpu import available_threads, cpu_flags, saturates_int8
from serving.decoding import Floats, softmax, spans
from serving.encoding import EncodedText, TextEncoder, pad
from serving.session import Session, open_session

BATCH_TOKENS = 2048
WINDOW_ROWS = 1024
WINDOW_CHARACTERS = 2_000_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """A text, and for models of pairs the second text."""

    text: str
    text_pair: str | None = None


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    """An entity in character offsets of the raw text, end exclusive; `score` is the mean probability of its tags."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one row.

    `label` and `probabilities` (in the order of the engine's `labels`) are None and empty without a sentence
    head, `entities` is empty without a token head. `truncated`: the row was longer than the model reads, and
    the answer rests on its beginning. `windows`: in how many parts the row was read.
    """

    label: str | None
    probabilities: tuple[float, ...]
    entities: tuple[ScoredEntity, ...]
    truncated: bool
    windows: int = 1


class Engine:
    """Runs one bundle. Safe to share between threads: nothing changes after it was made."""

    def __init__(self, bundle: Bundle, threads: int | None = None, batch_tokens: int = BATCH_TOKENS) -> None:
        """Load graph and tokenizer.

        Args:
            bundle: a bundle that was opened, and so verified.
            threads: of the matrix products; none: all CPUs that this process may use.
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
        self._transitions = manifest.crf.transitions() if manifest.crf else None
        self._encoder = TextEncoder(
            Tokenizer.from_buffer(_verified_bytes(bundle, TOKENIZER)), manifest.max_length, manifest.cleaning
        )
        self._session: Session = open_session(
            _verified_bytes(bundle, MODEL), manifest, bundle.model_path, threads or available_threads()
        )
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
        """As `predict`, for any number of rows: memory holds one window of them."""
        first = 0
        for window in _windows(rows):
            yield from self._predict_window(window, first)
            first += len(window)

    def encode(self, rows: Sequence[Row]) -> list[EncodedText]:
        """Rows as the graph takes them; `len` of each is the tokens that it costs. Safe in several threads.

        Raises:
            AssayError: a row has no second text where the model needs one, or has one where it takes none.
        """
        return self._encode(rows, 0)

    def answer_batch(self, batch: Sequence[EncodedText]) -> list[Prediction]:
        """Answer encoded rows in one pass, padded to the longest of them. Safe in several threads.

        Args:
            batch: at least one row; the caller limits rows times longest.

        Raises:
            AssayError: the model's answer to a row is not a finite number.
        """
        return self._answer_batch(batch, range(len(batch)))

    def warm(self) -> None:
        """Answer one row and one full batch of each length class: the first pass of a shape is slower than the next.

        Raises:
            AssayError: the model's answer is not a finite number.
        """
        for length in _lengths_up_to(self.manifest.max_length):
            row = Row("a " * length, "a" if self.manifest.pair else None)
            (item,) = self.encode([row])
            self.answer_batch([item])
            self.answer_batch([item] * max(1, self._batch_tokens // len(item)))

    def _encode(self, rows: Sequence[Row], first: int) -> list[EncodedText]:
        for number, row in enumerate(rows, first):
            _check_row(row, number, self.manifest.pair)
        return self._encoder.encode(
            [row.text for row in rows], [row.text_pair for row in rows], with_units=bool(self.tags)
        )

    def logits(self, batch: Sequence[EncodedText]) -> dict[str, Floats]:
        """Run the graph once.

        Returns:
            `sentence` (rows x labels) and `tokens` (rows x longest x tags), as far as the model has them.
        """
        return self._session.run(pad(batch, self.manifest.pad_id))

    def _predict_window(self, rows: Sequence[Row], first: int) -> list[Prediction]:
        encoded = self._encode(rows, first)
        answers: dict[int, Prediction] = {}
        for batch in _batches([len(item) for item in encoded], self._batch_tokens):
            numbers = [first + index for index in batch]
            answers |= zip(batch, self._answer_batch([encoded[index] for index in batch], numbers), strict=True)
        return [answers[index] for index in range(len(rows))]

    def _answer_batch(self, batch: Sequence[EncodedText], numbers: Sequence[int]) -> list[Prediction]:
        """As `answer_batch`; `numbers` of the rows are for messages."""
        logits = self.logits(batch)
        return [
            self.answer(item, {head: values[place] for head, values in logits.items()}, number)
            for place, (item, number) in enumerate(zip(batch, numbers, strict=True))
        ]

    def answer(self, text: EncodedText, logits: dict[str, Floats], number: int = 0) -> Prediction:
        """Read the logits of one row: `sentence` (labels), `tokens` (length x tags). `number` is for messages."""
        label, probabilities = None, ()
        if self.labels:
            scores = softmax(_finite(logits["sentence"], "sentence", number))
            label, probabilities = self.labels[int(scores.argmax())], tuple(scores.tolist())
        entities: tuple[ScoredEntity, ...] = ()
        if self.tags and text.units:
            units = logits["tokens"][[unit.token for unit in text.units]]
            entities = self._entities(text, _finite(units, "tokens", number))
        return Prediction(label, probabilities, entities, text.truncated)

    def _entities(self, text: EncodedText, logits: Floats) -> tuple[ScoredEntity, ...]:
        """Entities from the logits of the units (units x tags)."""
        path = logits.argmax(axis=-1) if self._transitions is None else self._transitions.best_path(logits)
        found = spans([self.tags[tag] for tag in path], text.units)
        if not found:
            return ()
        chosen = softmax(logits)[np.arange(len(path)), path]
        starts = np.array([unit.start for unit in text.units])
        ends = np.array([unit.end for unit in text.units])
        return tuple(
            ScoredEntity(e.start, e.end, e.label, float(chosen[(starts >= e.start) & (ends <= e.end)].mean()))
            for e in found
        )


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


def _windows(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in portions that are limited in number and in characters (but hold one row at least)."""
    window: list[Row] = []
    characters = 0
    for row in rows:
        size = len(row.text) + len(row.text_pair or "")
        if window and (len(window) == WINDOW_ROWS or characters + size > WINDOW_CHARACTERS):
            yield window
            window, characters = [], 0
        window.append(row)
        characters += size
    if window:
        yield window


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


def _finite(values: npt.NDArray[np.float32], head: str, number: int) -> Floats:
    if not np.isfinite(values).all():
        raise AssayError(
            f"row {number}: the {head} logits are not finite numbers; the model is damaged, train or export it again"
        )
    return values
