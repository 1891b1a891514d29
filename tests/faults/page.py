"""Write the counts of `make faults` to the table of docs/reliability.md: `python -m tests.faults.page`."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assay.corpus.storage.atomic import atomic_path
from tests.faults.counts import COUNTS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- counts: written by make faults -->\n", "<!-- end of counts -->\n"
HEAD = "| fault | tried | what was counted | lost, doubled or wrong | day |\n|---|---|---|---|---|\n"


def summed(lines: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return one row per fault, with the sum of its parts."""
    rows: dict[str, dict[str, Any]] = {}
    for line in lines:
        one = json.loads(line)
        row = rows.setdefault(one["fault"], {**one, "tried": 0, "wrong": 0})
        row["tried"] += one["tried"]
        row["wrong"] += one["wrong"]
    return rows


def written(page: str, rows: dict[str, dict[str, Any]], day: str) -> str:
    """Return the page with these rows in its table; rows without a new count do not change."""
    head, _, rest = page.partition(BEGIN)
    table, _, tail = rest.partition(END)
    old = {match[1]: match[0] for match in re.finditer(r"^\| (.*?) \|.*\n", table, re.MULTILINE) if match[1] != "fault"}
    new = {
        fault: f"| {fault} | {row['tried']:,} | {row['what']} | {row['wrong']} | {day} |\n"
        for fault, row in rows.items()
    }
    return head + BEGIN + HEAD + "".join((old | new).values()) + END + tail


def main() -> None:
    """Read the counts and write the page."""
    assert COUNTS
    rows = summed(Path(COUNTS).read_text(encoding="utf-8").splitlines())
    page = written(PAGE.read_text(encoding="utf-8"), rows, f"{datetime.now(UTC):%Y-%m-%d}")
    with atomic_path(PAGE) as partial:
        partial.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
