"""Comparisons of versions and reproductions as tables for the terminal."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from assay.registry.lineage.change import ABSENT, Change
from assay.registry.lineage.version_diff import VersionDiff

if TYPE_CHECKING:
    from assay.tasks.reproduce import Reproduction  # brings torch along, which a diff does not need

ROWS_SHOWN = 5


def diff_tables(diff: VersionDiff) -> Iterator[Table]:
    """One table for each part that differs."""
    parts = {"recipe": diff.recipe, "data": diff.data, "figures": diff.metrics, "surroundings": diff.surroundings}
    for part, lines in parts.items():
        if lines:
            yield _changes(f"{diff.name}: {part}", lines, f"version {diff.before}", f"version {diff.after}")
    if diff.rows:
        yield _rows(diff)


def reproduction_tables(reproduction: "Reproduction") -> Iterator[Table]:
    """What was compared, and what differs around it."""
    table = Table(
        "result", "then", "now", "", title=f"{reproduction.model}, trained again: {reproduction.steps:,} steps"
    )
    for match in reproduction.matches:
        table.add_row(*match.cells)
    yield table
    if reproduction.surroundings:
        yield _changes("surroundings that differ", reproduction.surroundings, "then", "now")


def _changes(title: str, lines: Sequence[Change], before: str, after: str) -> Table:
    table = Table("", before, after, title=title)
    for line in lines:
        table.add_row(*line.cells)
    return table


def _rows(diff: VersionDiff) -> Table:
    """How many rows went where, and the first few of them."""
    table = Table(
        f"version {diff.before}", f"version {diff.after}", "rows", "such as", title=f"{diff.name}: sides of rows"
    )
    for (before, after), count in diff.rows_by_change.most_common():
        ids = [row.id for row in diff.rows if (row.before, row.after) == (before, after)]
        table.add_row(before or ABSENT, after or ABSENT, f"{count:,}", ", ".join(ids[:ROWS_SHOWN]))
    return table
