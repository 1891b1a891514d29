"""Rows of results: each benchmark writes its own file, and `make results` writes the page."""

import json
import platform
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from assay.corpus.storage.atomic import atomic_path
from assay.serving.cpu import available_threads, cpu_flags, cpu_name

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "transformers", "onnxruntime")


class Row(BaseModel):
    """One result beside its requirement."""

    measure: str
    value: float
    better: Literal["higher", "lower"]
    required: float | None = None
    aim: float | None = None
    spread: tuple[float, float] | None = None
    command: str
    note: str = ""

    @property
    def reached(self) -> bool:
        """Return whether the requirement is met; a row without one only reports."""
        if self.required is None:
            return True
        return self.value >= self.required if self.better == "higher" else self.value <= self.required


def ratio_row(
    measure: str,
    ours: Sequence[float],
    reference: Sequence[float],
    *,
    command: str,
    required: float | None = None,
    aim: float | None = None,
    note: str = "",
) -> Row:
    """Return the row of the median ratio of values measured in turns, with the lowest and the highest one."""
    ratios = [own / other for own, other in zip(ours, reference, strict=True)]
    return Row(
        measure=measure,
        value=round(statistics.median(ratios), 3),  # a share just below its requirement must not be rounded up
        better="higher",
        required=required,
        aim=aim,
        spread=(round(min(ratios), 3), round(max(ratios), 3)),
        command=command,
        note=note,
    )


def write_rows(name: str, rows: Sequence[Row]) -> None:
    """Write rows to `benchmarks/results/NAME.jsonl`, replacing earlier rows of the same measure, and print them."""
    path = RESULTS / f"{name}.jsonl"
    fresh = {row.measure: json.dumps({**row.model_dump(), "context": context()}) for row in rows}
    earlier = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    recorded = {json.loads(line)["measure"]: line for line in earlier}
    with atomic_path(path) as partial:
        partial.write_text("\n".join((recorded | fresh).values()) + "\n", encoding="utf-8")
    show(rows)


def show(rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    table = Table("measure", "value", "required", "aim", "")
    for row in rows:
        verdict = "" if row.required is None else "reached" if row.reached else "SHORT"
        table.add_row(row.measure, f"{row.value:g}", _text(row.required), _text(row.aim), verdict)
    Console().print(table)


def context() -> dict[str, str]:
    """Return the date, machine and versions of a measurement."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "python": platform.python_version(),
        "cpu": f"{cpu_name()}, {available_threads()} cores, {' '.join(cpu_flags())}",
        **{name: version(name) for name in PACKAGES},
    }


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
