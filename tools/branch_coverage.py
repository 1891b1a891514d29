"""Share of the branches that the tests take: `python -m tools.branch_coverage REPORT` fails below the floor.

The floor of coverage itself (`fail_under`) counts lines and branches together.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FLOOR = 95.0
SHOWN = 20


def main(report: Path) -> int:
    """Print the share, and below the floor the files with the most branches that no test takes.

    Args:
        report: what `coverage json` or `pytest --cov-report=json:FILE` writes.

    Returns:
        The exit code: 1 below the floor.
    """
    measured = json.loads(report.read_text(encoding="utf-8"))
    totals = measured["totals"]
    share = 100 * totals["covered_branches"] / totals["num_branches"]
    print(f"branches taken by tests: {share:.1f} % of {totals['num_branches']}, at least {FLOOR:g} %")  # noqa: T201
    if share >= FLOOR:
        return 0
    for name, missing in most_missing(measured["files"]):
        print(f"{missing:5} not taken in {name}")  # noqa: T201
    return 1


def most_missing(files: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Return the files with the most branches that no test takes, and their number."""
    missing = {name: file["summary"]["missing_branches"] for name, file in files.items()}
    return sorted(((name, count) for name, count in missing.items() if count), key=lambda item: -item[1])[:SHOWN]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
