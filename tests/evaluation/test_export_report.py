import json
import re
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.export_report import REPORT, ExportReport, choose_shipped
from assay.models.learning_check import LearningWarning
from assay.recipes.recipe import Gate
from assay.serving.bundle import MeasuredPrecision, Precision


def _measured(precision: Precision, drop: float, changed: float, speed: float) -> MeasuredPrecision:
    f1 = {"sentence": 0.9, "tokens": 0.9 - drop}
    drops = {"sentence": 0.0, "tokens": drop}
    return MeasuredPrecision(
        precision=precision, f1=f1, drop=drops, changed=changed, rows=50, rows_per_second=speed, row_ms=1.0
    )


FP32 = _measured("fp32", 0.0, 0.0, 100)


@pytest.mark.parametrize(
    ("bf16_drop", "bf16_speed", "int8_drop", "int8_speed", "file", "bf16"),
    [
        pytest.param(0.0, 400, 0.004, 300, "int8", True, id="both hold, bf16 is faster"),
        pytest.param(0.0, 280, 0.004, 300, "int8", True, id="about as fast, bf16 is more faithful"),
        pytest.param(0.0, 200, 0.004, 300, "int8", False, id="int8 is faster"),
        pytest.param(0.0, 400, 0.006, 300, "fp32", True, id="int8 costs too much"),
        pytest.param(0.006, 400, 0.004, 300, "int8", False, id="bf16 costs too much"),
        pytest.param(0.006, 400, 0.006, 300, "fp32", False, id="both cost too much"),
        pytest.param(0.0, 105, 0.0, 90, "fp32", False, id="neither is faster"),
    ],
)
def test_choose_shipped_prefers_the_fastest_that_holds_its_f1(
    bf16_drop: float, bf16_speed: float, int8_drop: float, int8_speed: float, file: str, bf16: bool
) -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6, "tokens": 0.6}})
    measured = [FP32, _measured("bf16", bf16_drop, 0.001, bf16_speed), _measured("int8", int8_drop, 0.02, int8_speed)]
    choice = choose_shipped(gate, measured, ["sentence", "tokens"])
    assert (choice.precision, choice.bf16) == (file, bf16)
    assert f"{int8_drop:.4f} on 50 validation rows" in choice.why


@pytest.mark.parametrize(("drop", "file"), [(0.004, "int8"), (0.006, "fp32")])
def test_choose_shipped_ships_a_named_precision_only_below_the_maximum_drop(drop: float, file: str) -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6}, "precision": "int8"})
    choice = choose_shipped(gate, [FP32, _measured("int8", drop, 0.02, 90)], ["sentence", "tokens"])
    assert (choice.precision, choice.bf16) == (file, False)


@pytest.mark.parametrize(
    ("precision", "heads", "why"),
    [
        ("fp32", ["sentence"], "gate.precision is fp32"),
        ("auto", ["other"], "no labelled validation rows to test precisions on for the head other"),
    ],
)
def test_choose_shipped_keeps_fp32_if_nothing_else_may_ship_or_was_measured(
    precision: str, heads: Any, why: str
) -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6}, "precision": precision})
    choice = choose_shipped(gate, [FP32, _measured("int8", 0.0, 0.0, 300)], heads)
    assert (choice.precision, choice.why) == ("fp32", why)


def test_choose_shipped_keeps_fp32_without_validation_rows() -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6}})
    choice = choose_shipped(gate, [], ["sentence"])
    assert (choice.precision, choice.bf16, choice.measured) == ("fp32", False, [])
    assert choice.why == "no validation rows to test other precisions on"


def test_choose_shipped_orders_what_was_measured_and_says_why() -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6}})
    fast, near = _measured("int8", 0.004, 0.02, 400), _measured("bf16", 0.0, 0.001, 365)
    choice = choose_shipped(gate, [FP32, fast, near], ["sentence", "tokens"])
    # bf16 is within a tenth of the fastest, and more faithful
    assert [one.precision for one in choice.measured] == ["bf16", "int8", "fp32"]
    assert choice.why == (
        "bf16 lowers the F1 of sentence by 0.0000 on 50 validation rows, at 3.6 times the speed of fp32 in batches "
        "and 1 ms per single row; int8 lowers the F1 of tokens by 0.0040 on 50 validation rows, at 4.0 times the "
        f"speed of fp32 in batches and 1 ms per single row (gate.precision_max_drop is {gate.precision_max_drop:g})"
    )


def test_choose_shipped_keeps_the_order_of_a_version_whatever_the_speeds() -> None:
    gate = Gate.model_validate({"min_f1": {"sentence": 0.6}})
    measured = [FP32, _measured("int8", 0.004, 0.02, 400)]
    choice = choose_shipped(gate, measured, ["sentence", "tokens"], order=["fp32", "bf16", "int8"])
    assert choice.precision == "fp32"
    assert [one.precision for one in choice.measured] == ["fp32", "int8"]


def test_export_report_loads_what_an_export_wrote(tmp_path: Path) -> None:
    report = ExportReport(
        precision="int8",
        why="it is faster",
        parity_max_difference=1e-6,
        parity_labels_equal=True,
        parity_rows=8,
        size_mb=1.5,
        training_warnings=[LearningWarning(head=None, text="few rows")],
    )
    (tmp_path / REPORT).write_text(report.model_dump_json())
    assert ExportReport.load(tmp_path) == report
    assert "bf16" in json.loads(report.model_dump_json())


def test_export_report_names_a_folder_without_a_finished_export(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=re.escape("run with --from export")) as error:
        ExportReport.load(tmp_path)
    assert str(tmp_path) in str(error.value)
