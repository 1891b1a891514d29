"""Predictions of a row from the logits of its windows: class, labels, probabilities and entities."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.corpus.errors import AssayError
from assay.serving.calibration import UNCALIBRATED, Calibration
from assay.serving.decision import NO_DECISIONS, Decision
from assay.serving.decoding import Floats, Transitions, sigmoid, softmax, spans
from assay.serving.encoding import EncodedText
from assay.serving.words import Word


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    """An entity in character offsets of the raw text, end exclusive.

    `score` is the probability that span and type are right. In an uncalibrated bundle, it is the mean probability of
    the tags. An entity that is `abstained` is the best guess, left to a person by the decision of the bundle.
    """

    start: int
    end: int
    label: str
    score: float
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class ScoredLabel:
    """A label that applies, with its probability; `abstained` as for an entity."""

    label: str
    score: float
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of one row.

    `label` and `probabilities` (in the order of the engine's `labels`) are None and empty without a sentence head;
    `entities` is empty without a token head. `labels` are those that apply, of which there may be none, and
    `label_probabilities` are in the order of the engine's `row_labels`; both are empty without a labels head. If
    `truncated`, the row was longer than the model reads, and the prediction rests on its beginning. `windows` is the
    number of overlapping windows in which the row was read. If `label_abstained`, the label is the best guess, left to
    a person by the decision of the bundle.
    """

    label: str | None
    probabilities: tuple[float, ...]
    entities: tuple[ScoredEntity, ...]
    truncated: bool
    windows: int = 1
    label_abstained: bool = False
    labels: tuple[ScoredLabel, ...] = ()
    label_probabilities: tuple[float, ...] = ()

    @property
    def abstained(self) -> bool:
        """Return whether the class, a label or an entity is left to a person."""
        parts: tuple[ScoredLabel | ScoredEntity, ...] = (*self.labels, *self.entities)
        return self.label_abstained or any(part.abstained for part in parts)


class LogitsReader:
    """A reader of the logits of one model.

    Args:
        labels: classes of the sentence head.
        tags: BIO tags of the token head.
        transitions: scores of the CRF; None decodes each word by itself.
        calibration: correction of the confidences, which changes no label and no entity.
        decisions: what is left to a person, by head; nothing of a head without a decision.
        row_labels: labels of the labels head.
        thresholds: probability from which each row label applies.
    """

    def __init__(
        self,
        labels: Sequence[str],
        tags: Sequence[str],
        transitions: Transitions | None,
        calibration: Calibration = UNCALIBRATED,
        decisions: Mapping[str, Decision] = NO_DECISIONS,
        row_labels: Sequence[str] = (),
        thresholds: Sequence[float] = (),
    ) -> None:
        self._labels = labels
        self._tags = tags
        self._transitions = transitions
        self._calibration = calibration
        self._decisions = decisions
        self._row_labels = row_labels
        self._thresholds = thresholds

    def window_logits(self, window: EncodedText, logits: Mapping[str, Floats], number: int) -> dict[str, Floats]:
        """Select the logits of a window that the prediction uses.

        Args:
            window: the window.
            logits: `sentence` (labels), `labels` (row labels) and `tokens` (length x tags), as far as the model has
                these heads.
            number: number of the row, for messages.

        Returns:
            `sentence` (labels), `labels` (row labels) and `tokens` (words x tags), as far as the model has these heads.

        Raises:
            AssayError: a logit is not finite.
        """
        selected = {"sentence": logits["sentence"]} if self._labels else {}
        if self._row_labels:
            selected["labels"] = logits["labels"]
        if self._tags:
            selected["tokens"] = logits["tokens"][[word.token for word in window.words]]
        for head, values in selected.items():
            if not np.isfinite(values).all():
                raise AssayError(
                    f"row {number}: the {head} logits are not finite numbers; the model is damaged, train or export "
                    "it again"
                )
        return selected

    def prediction(self, text: EncodedText, windows: Sequence[Mapping[str, Floats]]) -> Prediction:
        """Return the prediction of a row from the `window_logits` of its windows.

        The probabilities of classes and row labels are the weighted mean over the windows. Entities are decoded over
        the words of all windows at once.
        """
        label, probabilities, label_abstained = None, (), False
        if self._labels:
            mean = _mean(text, [softmax(window["sentence"]) for window in windows])
            label = self._labels[int(mean.argmax())]
            probabilities = tuple(self._calibration.probabilities(mean).tolist())
            label_abstained = self._abstains("sentence", label, max(probabilities))
        entities: tuple[ScoredEntity, ...] = ()
        if self._tags:
            words = [word for window in text.windows[: len(windows)] for word in window.words]
            entities = self._entities(words, np.concatenate([window["tokens"] for window in windows]))
        several: tuple[float, ...] = ()
        if self._row_labels:
            mean = _mean(text, [sigmoid(window["labels"]) for window in windows])
            several = tuple(self._calibration.label_probabilities(mean).tolist())
        return Prediction(
            label,
            probabilities,
            entities,
            text.truncated,
            len(windows),
            label_abstained,
            tuple(self._applied(several)),
            several,
        )

    def _applied(self, probabilities: Sequence[float]) -> Iterator[ScoredLabel]:
        """Yield the row labels whose probability reaches their threshold."""
        if probabilities:
            for name, value, threshold in zip(self._row_labels, probabilities, self._thresholds, strict=True):
                if value >= threshold:
                    yield ScoredLabel(name, value, self._abstains("labels", name, value))

    def _entities(self, words: Sequence[Word], logits: Floats) -> tuple[ScoredEntity, ...]:
        """Return the entities from the logits of the words (words x tags)."""
        if not words:
            return ()
        path = logits.argmax(axis=-1) if self._transitions is None else self._transitions.best_path(logits)
        entities = spans([self._tags[tag] for tag in path], words)
        if not entities:
            return ()
        tag_scores = softmax(logits)[np.arange(len(path)), path]
        starts = np.array([word.start for word in words])
        ends = np.array([word.end for word in words])
        means = [tag_scores[(starts >= entity.start) & (ends <= entity.end)].mean() for entity in entities]
        scores = self._calibration.entity_confidence(np.array(means))
        return tuple(
            ScoredEntity(entity.start, entity.end, entity.label, score, self._abstains("tokens", entity.label, score))
            for entity, score in zip(entities, scores.tolist(), strict=True)
        )

    def _abstains(self, head: str, label: str, confidence: float) -> bool:
        return head in self._decisions and self._decisions[head].abstains(label, confidence)


def _mean(text: EncodedText, scores: Sequence[Floats]) -> Floats:
    """Return the mean of the scores of a text's windows, by their weight."""
    if len(scores) == 1:  # nearly all texts, and np.average takes as long as the rest of a prediction
        return scores[0]
    mean: Floats = np.average(scores, axis=0, weights=[window.weight for window in text.windows[: len(scores)]])
    return mean
