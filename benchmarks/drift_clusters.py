"""False alarms and power of drift by rows per document, on generated rows (part of `make bench-drift`).

Rows of a document share its topic: its centre in the embedding, its own names, its usual length, class, confidence and
errors. The reference and a window without drift are documents of one kind; a window with drift has every second
document of another kind. All signals of `assay monitor` are tested, with the defaults of the recipe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import track

from assay.corpus.entity import Entity
from assay.evaluation.drift.findings import SignalFinding, find_drift
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.statistics import Floats
from assay.recipes.monitoring_section import Monitoring
from assay.serving.engine import ScoredEntity
from benchmarks.results import Row

REPETITIONS = 200
# In the reference and in the window.
ROWS_PER_DOCUMENT = ((1, 1), (4, 4), (8, 8), (16, 16), (1, 20), (16, 1))
REFERENCE, WINDOW = 800, 400
WIDTH = 32
LABELS = ("business", "culture", "science", "sport")
TYPES = ("ORG", "PERSON", "PLACE")
NAMES = np.array([f"name{number}" for number in range(20_000)])  # drawing from a list would copy it each time
COMMON = np.array([f"word{number}" for number in range(400)])
DRIFTED = np.array([f"word{number}" for number in range(300, 700)])
VOCABULARY = frozenset([*COMMON, *NAMES[: len(NAMES) // 2]])
# At most one false alarm in twenty windows.
ALLOWED = 0.05


@dataclass(frozen=True)
class Cell:
    """Windows of one kind, with the findings on each of them."""

    rows_per_document: tuple[int, int]
    drift: bool
    findings: list[list[SignalFinding]]

    @property
    def alarms(self) -> float:
        """Return the share of windows with an alarm."""
        return float(np.mean([any(signal.drifted for signal in window) for window in self.findings]))


def cluster_rows(repetitions: int) -> list[Row]:
    """Simulate every cell, and return the share of its windows with an alarm."""
    cells = [simulate(size, drift, repetitions) for size in ROWS_PER_DOCUMENT for drift in (False, True)]
    return [_row(cell) for cell in cells]


def simulate(sizes: tuple[int, int], drift: bool, repetitions: int) -> Cell:
    """Draw pairs of reference and window, and compare them."""
    rule, findings = Monitoring(), []
    before, now = sizes
    for number in track(range(repetitions), description=f"{_sizes(sizes)} rows per document{', drift' * drift}"):
        draw = np.random.default_rng([before, number] if before == now else [before, now, number])
        reference = Reference(sample(draw, REFERENCE, before), REFERENCE, VOCABULARY)
        findings.append(find_drift(reference, sample(draw, WINDOW, now, 0.5 * drift), rule))
    return Cell(sizes, drift, findings)


def _sizes(sizes: tuple[int, int]) -> str:
    before, now = sizes
    return str(now) if before == now else f"{now} (reference {before})"


def sample(draw: np.random.Generator, rows: int, size: int, drifted: float = 0.0) -> WindowStatistics:
    """Draw rows of documents.

    Args:
        draw: random number generator.
        rows: number of rows.
        size: rows per document.
        drifted: share of the documents that are of another kind.
    """
    predictions, texts, vectors, clusters = [], [], [], []
    for number in range(rows // size):
        document = _Document(draw, drifted_kind=bool(draw.random() < drifted))
        for place in range(size):
            text = document.text()
            predictions.append(document.prediction(f"{number}#{place}", text))
            texts.append(text)
            vectors.append(document.vector())
            clusters.append(f"document:{number}")
    return WindowStatistics(predictions, texts, np.stack(vectors), clusters)


class _Document:
    """A document: the properties that its rows share."""

    def __init__(self, draw: np.random.Generator, *, drifted_kind: bool) -> None:
        self._draw = draw
        self._words = DRIFTED if drifted_kind else COMMON
        self._names = draw.choice(NAMES, 6)
        self._centre = draw.normal(0.8 * drifted_kind, 1, WIDTH)
        self._length = draw.integers(6, 15) + 4 * drifted_kind
        self._label = LABELS[draw.choice(len(LABELS), p=[0.7, 0.1, 0.1, 0.1] if drifted_kind else None)]
        self._type = TYPES[draw.choice(len(TYPES))]
        self._sure = draw.uniform(0.6, 0.9)
        self._right = draw.beta(8, 4 if drifted_kind else 2)

    def text(self) -> str:
        words = self._draw.choice(self._words, self._length + self._draw.integers(-2, 3))
        return " ".join([*words, *self._draw.choice(self._names, 2)])

    def vector(self) -> Floats:
        return self._centre + self._draw.normal(0, 1, WIDTH)

    def prediction(self, name: str, text: str) -> LabelledPrediction:
        draw = self._draw
        label = self._label if draw.random() < 0.8 else str(draw.choice(LABELS))
        gold = label if draw.random() < self._right else str(draw.choice(LABELS))
        kinds = [self._type if draw.random() < 0.8 else str(draw.choice(TYPES)) for _ in range(1 + draw.integers(2))]
        predicted = tuple(
            ScoredEntity(4 * place, 4 * place + 3, kind, draw.random()) for place, kind in enumerate(kinds)
        )
        right = tuple(
            Entity(entity.start, entity.end, entity.label) for entity in predicted if draw.random() < self._right
        )
        sure = min(1.0, max(0.3, self._sure + draw.normal(0, 0.05)))
        return LabelledPrediction(name, gold, label, (sure, 1 - sure), right, predicted, len(text), False, {})


def _row(cell: Cell) -> Row:
    kind = "every second document of another kind" if cell.drift else "no drift"
    return Row(
        measure=f"{_sizes(cell.rows_per_document)} rows per document, {kind}: share of windows with an alarm",
        value=round(cell.alarms, 3),
        better="higher" if cell.drift else "lower",
        required=None if cell.drift else ALLOWED,
        command="make bench-drift",
        note=f"{len(cell.findings)} windows of {WINDOW} rows; {_by_signal(cell.findings)}",
    )


def _by_signal(findings: Sequence[list[SignalFinding]]) -> str:
    """Describe the number of alarms of each signal that raised one."""
    counts = {
        signal.name: sum(window[place].drifted for window in findings) for place, signal in enumerate(findings[0])
    }
    shown = [f"{name} {count}" for name, count in counts.items() if count]
    return f"alarms: {', '.join(shown)}" if shown else "no alarm"
