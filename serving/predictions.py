"""From the logits of a row, or of its windows, to the answer: class, probabilities, entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.corpus.errors import AssayError
from assay.serving.decoding import Floats, Transitions, softmax, spans
from assay.serving.encoding import EncodedText
from assay.serving.words import Word


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
    the answer rests on its beginning. `windows`: in how many overlapping parts the row was read.
    """

    label: str | None
    probabilities: tuple[float, ...]
    entities: tuple[ScoredEntity, ...]
    truncated: bool
    windows: int = 1


class LogitsReader:
    """Reads the logits of one model.

    Args:
        labels: classes of the sentence head.
        tags: BIO tags of the token head.
        transitions: scores of the CRF, if any.
    """

    def __init__(self, labels: Sequence[str], tags: Sequence[str], transitions: Transitions | None) -> None:
        self._labels = labels
        self._tags = tags
        self._transitions = transitions

    def of_window(self, window: EncodedText, logits: Mapping[str, Floats], number: int) -> dict[str, Floats]:
        """What counts of a window's logits: `sentence` (labels), and of `tokens` those of its units (units x tags).

        Raises:
            AssayError: one of them is no finite number; `number` of the row is for the message.
        """
        own = {"sentence": logits["sentence"]} if self._labels else {}
        if self._tags:
            own["tokens"] = logits["tokens"][[unit.token for unit in window.units]]
        for head, values in own.items():
            if not np.isfinite(values).all():
                raise AssayError(
                    f"row {number}: the {head} logits are not finite numbers; the model is damaged, train or export "
                    "it again"
                )
        return own

    def of_row(self, text: EncodedText, windows: Sequence[Mapping[str, Floats]]) -> Prediction:
        """The answer to a row from what `of_window` gave for its windows.

        The probabilities of a sentence are the mean over the windows, each with its weight; entities are decoded
        over the units of all windows at once.
        """
        label, probabilities = None, ()
        if self._labels:
            scores = [softmax(window["sentence"]) for window in windows]
            mean = np.average(scores, axis=0, weights=[one.weight for one in text.windows[: len(scores)]])
            label, probabilities = self._labels[int(mean.argmax())], tuple(mean.tolist())
        entities: tuple[ScoredEntity, ...] = ()
        if self._tags:
            units = [unit for window in text.windows[: len(windows)] for unit in window.units]
            entities = self._entities(units, np.concatenate([window["tokens"] for window in windows]))
        return Prediction(label, probabilities, entities, text.truncated, len(windows))

    def _entities(self, units: Sequence[Word], logits: Floats) -> tuple[ScoredEntity, ...]:
        """Entities from the logits of the units (units x tags)."""
        if not units:
            return ()
        path = logits.argmax(axis=-1) if self._transitions is None else self._transitions.best_path(logits)
        found = spans([self._tags[tag] for tag in path], units)
        if not found:
            return ()
        chosen = softmax(logits)[np.arange(len(path)), path]
        starts = np.array([unit.start for unit in units])
        ends = np.array([unit.end for unit in units])
        return tuple(
            ScoredEntity(e.start, e.end, e.label, float(chosen[(starts >= e.start) & (ends <= e.end)].mean()))
            for e in found
        )
