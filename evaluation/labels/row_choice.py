"""Which unlabelled rows to label next: those that the model is unsure of, unlike each other, and some at random."""

from typing import NamedTuple

import numpy as np

from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.statistics import Floats, Ints

# Rows at random show where the model is wrong without knowing it, and keep the labelled rows like the incoming ones.
RANDOM_SHARE = 0.2
# So many of the most uncertain rows, for each row to choose, stand to choice.
CANDIDATES = 5


class ChosenRow(NamedTuple):
    """Number of a chosen row, and whether it was drawn at random."""

    number: int
    at_random: bool


def choose_rows(
    uncertainty: Floats, vectors: Floats, count: int, random_share: float = RANDOM_SHARE, seed: int = 0
) -> list[ChosenRow]:
    """Choose rows, the first to label first, then those at random.

    One after the other is chosen among the most uncertain rows, for its uncertainty times its distance to the nearest
    row that is already chosen (k-centre greedy, Sener & Savarese 2018, weighted by uncertainty).

    Args:
        uncertainty: 0 to 1 per row.
        vectors: an embedding per row (rows x width).
        count: rows to choose; all are chosen if there are no more.
        random_share: share of them to draw at random.
        seed: seed of the draw.
    """
    rows = len(uncertainty)
    count = min(count, rows)
    at_random = round(random_share * count)
    chosen = _most_different(uncertainty, vectors, count - at_random)
    rest = np.setdiff1d(np.arange(rows), chosen)
    drawn = np.random.default_rng(seed).permutation(rest)[:at_random]
    return [ChosenRow(int(number), False) for number in chosen] + [ChosenRow(int(number), True) for number in drawn]


def _most_different(uncertainty: Floats, vectors: Floats, count: int) -> Ints:
    candidates = np.argsort(-uncertainty, kind="stable")[: CANDIDATES * count]
    if not count:
        return candidates
    norms = np.linalg.norm(vectors[candidates], axis=1, keepdims=True)
    directions = vectors[candidates] / np.maximum(norms, 1e-9)
    weights = np.array(uncertainty[candidates])
    distance = np.full(len(candidates), 2.0)
    chosen: list[int] = []
    for _ in range(count):
        # Rows that the model is sure of still differ from each other.
        place = int(((weights + 1e-6) * distance).argmax())
        chosen.append(place)
        distance = np.minimum(distance, 1.0 - directions @ directions[place])
        distance[chosen] = -1.0
    numbers: Ints = candidates[chosen]
    return numbers


def row_uncertainty(row: HeldOutRow) -> float:
    """Return how unsure a model is of a row, from 0 to 1: of its class, its least certain label or word."""
    found = [0.0]
    if row.prediction.probabilities:
        found.append(margin_uncertainty(np.array([row.prediction.probabilities]))[0])
    if row.prediction.label_probabilities:
        found.append(max(1.0 - abs(2.0 * value - 1.0) for value in row.prediction.label_probabilities))
    if row.tag_probabilities.size:
        found.append(float(margin_uncertainty(row.tag_probabilities.astype(np.float64)).max()))
    return float(max(found))


def margin_uncertainty(probabilities: Floats) -> Floats:
    """Return one minus the distance of the two most probable classes of each row."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities))
    best: Floats = np.sort(probabilities, axis=1)[:, -2:]
    return 1.0 - (best[:, 1] - best[:, 0])
