"""The report of an export, and the choice of the precision that ships."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.storage.completion_manifest import read_manifest
from assay.recipes.recipe import Gate, Head

REPORT = "export.json"
BUNDLE = "bundle"  # folder beside the report


class Int8Comparison(BaseModel):
    """F1 of each head with float32 and with int8 weights on validation rows, and the drop from one to the other."""

    model_config = ConfigDict(frozen=True)

    f1_fp32: dict[Head, float]
    f1_int8: dict[Head, float]
    drop: dict[Head, float]
    rows: int


class ExportReport(BaseModel):
    """`export.json`: parity of the exported graph with torch, and the reason for its precision.

    `parity_max_difference` is the largest difference of logits between torch and the float32 graph, and
    `parity_labels_equal` is True if both decode to the same labels and entities. `training_warnings` are the warnings
    of the checkpoint; the gate shows them beside a low score.
    """

    model_config = ConfigDict(frozen=True)

    parity_max_difference: float
    parity_labels_equal: bool
    parity_rows: int
    precision: Literal["fp32", "int8"]
    int8: Int8Comparison | None
    size_mb: float
    why: str
    training_warnings: list[str] = []

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the report of a finished export.

        Raises:
            AssayError: the folder holds no finished export.
        """
        return cls.model_validate_json(read_manifest(folder, REPORT, "a finished export", "run with --from export"))


def choose_precision(
    gate: Gate, comparison: Int8Comparison | None, heads: Sequence[Head]
) -> tuple[Literal["fp32", "int8"], str]:
    """Choose int8 if the F1 of no head falls by more than the gate allows.

    float32 ships if the fall cannot be measured for one of the heads.

    Returns:
        The precision and the reason for it.
    """
    if gate.int8 == "off":
        return "fp32", "gate.int8 is off"
    if comparison is None:
        return "fp32", "no validation rows to test int8 on"
    if unmeasured := [head for head in heads if head not in comparison.drop]:
        return "fp32", f"no labelled validation rows to test int8 on for the head {unmeasured[0]}"
    head, drop = max(comparison.drop.items(), key=lambda item: item[1])
    reason = (
        f"int8 lowers the F1 of {head} by {drop:.4f} on {comparison.rows} validation rows "
        f"(gate.int8_max_drop is {gate.int8_max_drop:g})"
    )
    return ("int8", reason) if drop <= gate.int8_max_drop else ("fp32", reason)
