"""Write `docs/results.md` from the recorded rows of the benchmarks (`make results`)."""

import json
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, Row

PAGE = Path(__file__).parent.parent / "docs" / "results.md"
HEAD = """# Results

Every result was measured by the command beside it and written here by `make results`. Speeds are ratios measured in one
run, interleaved, with medians: absolute times depend on the load of the machine, ratios much less. A row below its
requirement stays, with the reason.
"""


def main() -> None:
    """Write one table per benchmark."""
    sections = [HEAD]
    for path in sorted(RESULTS.glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        sections.append(section(path.stem, lines))
    PAGE.write_text("\n".join(sections), encoding="utf-8")


def section(name: str, lines: list[dict[str, Any]]) -> str:
    """Return the section of one benchmark: its rows, then the machines of the measurements."""
    head = f"## {name}\n\n| measure | value | required | aim | spread | command |\n|---|---|---|---|---|---|"
    rows = [Row.model_validate({key: value for key, value in line.items() if key != "context"}) for line in lines]
    contexts = dict.fromkeys("; ".join(f"{key} {value}" for key, value in line["context"].items()) for line in lines)
    notes = [f"- {row.measure}: {row.note}" for row in rows if row.note]
    parts = [head, *map(_line, rows), "", *notes, *([""] if notes else []), *(f"Measured with {c}." for c in contexts)]
    return "\n".join(parts) + "\n"


def _line(row: Row) -> str:
    value = f"{row.value:g}" if row.reached else f"**{row.value:g} (short)**"
    spread = f"{row.spread[0]:g} to {row.spread[1]:g}" if row.spread else ""
    required, aim = (("" if metric is None else f"{metric:g}") for metric in (row.required, row.aim))
    return f"| {row.measure} | {value} | {required} | {aim} | {spread} | `{row.command}` |"


if __name__ == "__main__":
    main()
