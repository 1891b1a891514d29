"""What an export measured, and which precision ships."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.storage.completion_manifest import read_manifest
from assay.evaluation.parity import Int8Comparison
from assay.recipes.recipe import Gate, Head

REPORT = "export.json"
BUNDLE = "bundle"  # the folder beside it


class ExportReport(BaseModel):
    """`export.json`: what was exported, how near it is to torch, and why it has the precision it has.

    `parity_max_difference` is the largest difference of logits between torch and the float32 graph;
    `parity_labels_equal` says that both also decode to the same labels and entities. `training_warnings` are those of
    the checkpoint: a training that learned nothing is named beside the score.
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
        """Open the report of a finished export.

        Raises:
            AssayError: there is none.
        """
        return cls.model_validate_json(read_manifest(folder, REPORT, "a finished export", "run with --from export"))


def choose_precision(
    gate: Gate, comparison: Int8Comparison | None, heads: Sequence[Head]
) -> tuple[Literal["fp32", "int8"], str]:
    """The precision that ships, and why: int8 where the F1 of no head falls by more than the gate allows.

    What cannot be measured for one of the heads is not risked.
    """
    if gate.int8 == "off":
        return "fp32", "gate.int8 is off"
    if comparison is None:
        return "fp32", "no validation rows to judge int8 by"
    if unmeasured := [head for head in heads if head not in comparison.drop]:
        return "fp32", f"no labelled validation rows to judge int8 by for the head {unmeasured[0]}"
    head, drop = max(comparison.drop.items(), key=lambda item: item[1])
    what = (
        f"int8 lowers the F1 of {head} by {drop:.4f} on {comparison.rows} validation rows "
        f"(gate.int8_max_drop is {gate.int8_max_drop:g})"
    )
    return ("int8", what) if drop <= gate.int8_max_drop else ("fp32", what)
