"""Decisions of the gate, simulated: its own paired test on test sets drawn from real row results."""

from collections.abc import Sequence

import numpy as np

from assay.evaluation.paired_test import p_value
from assay.evaluation.statistics import Floats, Ints, Outcomes
from benchmarks.gate_population import make_population
from benchmarks.gate_rows import RowResults

LEVEL = 0.05
REPLICAS = 599  # the gate draws 2,000; fewer give a valid, slightly less precise p-value
CHALLENGERS = 20
ATTEMPTS = 3  # the first training, one after a low score, one after a biased slice


def promoted(
    task: RowResults,
    rows: int,
    disagreement: float,
    *,
    gain: float,
    threshold: float,
    runs: int,
    unlike: float = 0.0,
    replicas: int = REPLICAS,
) -> float:
    """Return the share of test sets on which the candidate passes; NaN if there is no such population."""
    population = make_population(task, disagreement, gain, unlike)
    if population is None:
        return float("nan")
    samples = population.samples(rows, runs, seed=rows + round(1000 * disagreement))  # other draws in each cell
    passed = [p_value(*pair, threshold=threshold, replicas=replicas) <= LEVEL for pair in samples]
    return float(np.mean(passed))


def with_retriggers(task: RowResults, rows: int, runs: int) -> float:
    """Simulate the whole decision for equal models: a low validation score trains again, test rows decide once."""
    random = np.random.default_rng(2)
    least = float(np.mean([model.f1() for model in task.models]))  # about every second attempt falls below
    passed = 0
    for _ in range(runs):
        scores = [model.f1() for model in equal_models(task, rows, ATTEMPTS, random)]
        enough = next((number for number, score in enumerate(scores) if score >= least), ATTEMPTS - 1)
        chosen = int(np.argmax(scores[: enough + 1]))
        champion, *attempts = equal_models(task, rows, ATTEMPTS + 1, random)
        passed += p_value(attempts[chosen], champion, replicas=REPLICAS) <= LEVEL
    return passed / runs


def equal_models(task: RowResults, rows: int, count: int, random: np.random.Generator) -> list[Outcomes]:
    """Draw outcomes of equal models on random rows: on each row, each model predicts as one of the seeds does."""
    codes = np.stack([model.codes for model in task.models])
    drawn = random.integers(codes.shape[1], size=rows)
    seeds: Ints = random.integers(len(codes), size=(count, rows))
    return [Outcomes(codes[seed, drawn], task.models[0].classes) for seed in seeds]


def chances_of_challengers(task: RowResults, rows: int, runs: int) -> dict[str, Floats]:
    """Return the chance that at least one of the first k equal challengers is promoted on the same test rows."""
    random = np.random.default_rng(3)
    p_values, gains = np.empty((runs, CHALLENGERS)), np.empty((runs, CHALLENGERS))
    for run in range(runs):
        champion, *challengers = equal_models(task, rows, CHALLENGERS + 1, random)
        p_values[run] = [fine_p_value(challenger, champion) for challenger in challengers]
        gains[run] = [challenger.f1() - champion.f1() for challenger in challengers]
    count = np.arange(1, CHALLENGERS + 1)
    levels: dict[str, float | Floats] = {
        "confidence 0.95": LEVEL,
        "confidence 0.99": 0.01,
        "corrected": LEVEL / (count * (count + 1)),
    }
    chances: dict[str, Floats] = {
        name: np.maximum.accumulate(p_values <= level, axis=1).mean(axis=0) for name, level in levels.items()
    }
    chances["gain"] = gains[p_values <= LEVEL].mean(keepdims=True)
    return chances


def fine_p_value(challenger: Outcomes, champion: Outcomes) -> float:
    """Return the p-value, with more draws if it is small."""
    rough = p_value(challenger, champion, replicas=REPLICAS)
    return rough if rough > 0.02 else p_value(challenger, champion, replicas=50_000)


def grid(
    task: RowResults,
    cells: Sequence[tuple[int, float]],
    *,
    gain: float,
    threshold: float,
    runs: int,
    unlike: float = 0.0,
) -> list[float]:
    """Return the share promoted in each possible cell (rows, disagreement)."""
    shares = [
        promoted(task, rows, disagreement, gain=gain, threshold=threshold, runs=runs, unlike=unlike)
        for rows, disagreement in cells
    ]
    return [share for share in shares if not np.isnan(share)]
