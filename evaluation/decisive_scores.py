"""The decisive score of each head: its F1 on test rows against the threshold, the baselines and the champion."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from assay.evaluation.gate_checks import baseline, champion
from assay.evaluation.metrics import HEAD_F1
from assay.evaluation.statistics import Interval
from assay.evaluation.verdict import Verdict
from assay.recipes.recipe import Gate, Head


class DecisiveScore(BaseModel):
    """The F1 of one head on the test rows, and what it was compared with."""

    model_config = ConfigDict(frozen=True)

    head: Head
    metric: str = Field(description="Name of the F1, such as sentence.macro_f1")
    f1: float | None = Field(description="None if no test row has a label of the head")
    low: float | None = Field(description="Lower end of the 95 % interval")
    high: float | None = Field(description="Upper end of the 95 % interval")
    threshold: float = Field(description="gate.min_f1 of the recipe")
    baseline: float | None = Field(description="F1 of the best baseline; None if there is none")
    champion: float | None = Field(description="F1 of the champion on the same rows; None if it was not compared")


def decisive_scores(intervals: Mapping[Head, Interval], verdict: Verdict, gate: Gate) -> list[DecisiveScore]:
    """Return the decisive score of each head that has a threshold.

    Args:
        intervals: F1 of each head on the test rows, with its interval.
        verdict: verdict of the gate.
        gate: section `gate` of the recipe.
    """
    return [_score(head, intervals.get(head), verdict.metrics, gate) for head in gate.min_f1]


def _score(head: Head, interval: Interval | None, metrics: Mapping[str, float], gate: Gate) -> DecisiveScore:
    prefix = f"{baseline.METRIC}_{head}"
    baselines = [value for name, value in metrics.items() if name == prefix or name.startswith(f"{prefix}_")]
    return DecisiveScore(
        head=head,
        metric=HEAD_F1[head],
        f1=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        threshold=gate.min_f1[head],
        baseline=max(baselines, default=None),
        champion=metrics.get(f"{champion.METRIC}_{head}"),
    )
