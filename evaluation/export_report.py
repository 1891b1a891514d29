"""The report of an export, and the choice of the precisions that ship."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.storage.completion_manifest import read_manifest
from assay.models.learning_check import LearningWarning
from assay.recipes.recipe import Gate, Head
from assay.serving.bundle import MeasuredPrecision, Precision

REPORT = "export.json"
BUNDLE = "bundle"  # folder beside the report
# Speeds that differ by less than this share count as equal, so that noise does not cost fidelity.
EQUALLY_FAST = 0.1


class ShippedPrecision(BaseModel):
    """The precisions that a bundle ships, and what they were chosen from.

    `precision` is that of `model.onnx`, which serves on any CPU; with `bf16`, CPUs of the class of the export serve in
    bf16. `measured` is in order of preference.
    """

    model_config = ConfigDict(frozen=True)

    precision: Literal["fp32", "int8"]
    bf16: bool = False
    measured: list[MeasuredPrecision] = []
    why: str


class ExportReport(ShippedPrecision):
    """`export.json`: parity of the exported graph with torch, and its precisions. `size_mb` is the size of its graphs.

    `parity_max_difference` is the largest difference of logits between torch and the float32 graph, and
    `parity_labels_equal` is True if both decode to the same labels and entities. `training_warnings` are the warnings
    of the checkpoint; the gate shows them beside a low score.
    """

    parity_max_difference: float
    parity_labels_equal: bool
    parity_rows: int
    size_mb: float
    training_warnings: list[LearningWarning] = []

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the report of a finished export.

        Raises:
            AssayError: the folder holds no finished export.
        """
        return cls.model_validate_json(read_manifest(folder, REPORT, "a finished export", "run with --from export"))


def choose_shipped(
    gate: Gate, measured: Sequence[MeasuredPrecision], heads: Sequence[Head], order: Sequence[Precision] = ()
) -> ShippedPrecision:
    """Choose the fastest precisions whose F1 falls by no more than the gate allows, for no head.

    A precision that `gate.precision` names ships wherever it holds its F1, with `auto` only where it is faster. float32
    ships if the fall cannot be measured for one of the heads.

    Args:
        gate: requirements of the recipe.
        measured: float32 and the precisions that were tried.
        heads: heads of the model.
        order: order of preference, as of a version that is reproduced; without one, the measured speeds decide.
    """
    if gate.precision == "fp32":
        return ShippedPrecision(precision="fp32", why="gate.precision is fp32")
    if not measured:
        return ShippedPrecision(precision="fp32", why="no validation rows to test other precisions on")
    if unmeasured := [head for head in heads if head not in measured[0].drop]:
        return ShippedPrecision(
            precision="fp32",
            why=f"no labelled validation rows to test precisions on for the head {unmeasured[0]}",
        )
    preferred = _by_preference(measured, gate.precision)
    if order:
        preferred.sort(key=lambda one: order.index(one.precision) if one.precision in order else len(order))
    holding = [one.precision for one in preferred if max(one.drop.values()) <= gate.precision_max_drop]
    on_any = next(precision for precision in holding if precision != "bf16")
    return ShippedPrecision(
        precision=on_any,
        bf16=holding[0] == "bf16",
        measured=preferred,
        why=_describe(preferred, gate.precision_max_drop),
    )


def _by_preference(measured: Sequence[MeasuredPrecision], named: str) -> list[MeasuredPrecision]:
    """Sort by speed; of those about as fast as the fastest, the most faithful one comes first."""
    rest, preferred = list(measured), list[MeasuredPrecision]()
    while rest:
        fastest = max(one.rows_per_second for one in rest)
        near = [one for one in rest if one.rows_per_second >= fastest * (1 - EQUALLY_FAST)]
        first = next((one for one in rest if one.precision == named), min(near, key=lambda one: one.changed))
        preferred.append(first)
        rest.remove(first)
    return preferred


def _describe(measured: Sequence[MeasuredPrecision], limit: float) -> str:
    """Return speed and drop of F1 of each precision but float32."""
    reference = next(one for one in measured if one.precision == "fp32").rows_per_second
    parts = []
    for one in measured:
        if one.precision != "fp32":
            head, drop = max(one.drop.items(), key=lambda item: item[1])
            parts.append(
                f"{one.precision} lowers the F1 of {head} by {drop:.4f} on {one.rows} validation rows, "
                f"at {one.rows_per_second / reference:.1f} times the speed of fp32 in batches "
                f"and {one.row_ms:.3g} ms per single row"
            )
    return f"{'; '.join(parts)} (gate.precision_max_drop is {limit:g})"
