"""Terminal tables for comparisons of versions and for reproductions."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from assay.cli.terminal_layout import plain_table
from assay.corpus.plural import counted
from assay.registry.lineage.change import ABSENT, Change
from assay.registry.lineage.correction_effect import CorrectionEffect
from assay.registry.lineage.version_diff import VersionDiff

if TYPE_CHECKING:
    from assay.tasks.reproduce import Reproduction  # imports torch, which a diff does not need

ROWS_SHOWN = 5


def diff_tables(diff: VersionDiff) -> Iterator[Table]:
    """Yield a table for each part that differs."""
    parts = {"recipe": diff.recipe, "data": diff.data, "metrics": diff.metrics, "environment": diff.environment}
    for part, lines in parts.items():
        if lines:
            yield _changes(f"{diff.name}: {part}", lines, f"version {diff.before}", f"version {diff.after}")
    if diff.rows:
        yield _rows(diff)
    if diff.corrections is not None:
        yield _corrections(diff, diff.corrections)


def reproduction_tables(reproduction: "Reproduction") -> Iterator[Table]:
    """Yield a table of the compared results, and one of the differences in the environment."""
    table = plain_table(
        "result", "then", "now", "", title=f"{reproduction.model}, trained again: {counted(reproduction.steps, 'step')}"
    )
    for match in reproduction.matches:
        table.add_row(*match.cells)
    yield table
    if reproduction.environment:
        yield _changes("differences in the environment", reproduction.environment, "then", "now")


def _changes(title: str, lines: Sequence[Change], before: str, after: str) -> Table:
    table = plain_table("", before, after, title=title)
    for line in lines:
        table.add_row(*line.cells)
    return table


def _corrections(diff: VersionDiff, effect: CorrectionEffect) -> Table:
    """Return a table of the F1 of each version on its test rows with the labels of both."""
    counts = ", ".join(f"{count:,} {name or 'without a split'}" for name, count in effect.rows.items())
    table = plain_table(
        "F1 on test rows",
        "corrected rows",
        f"labels of {diff.before}",
        f"labels of {diff.after}",
        title=f"{diff.name}: corrected labels alone ({counts})",
    )
    for score in effect.scores:
        table.add_row(*score.cells)
    return table


def _rows(diff: VersionDiff) -> Table:
    """Return a table with the number of rows per change of split, and the first few of them."""
    table = plain_table(
        f"version {diff.before}", f"version {diff.after}", "rows", "examples", title=f"{diff.name}: splits of rows"
    )
    for (before, after), count in diff.rows_by_change.most_common():
        ids = [row.id for row in diff.rows if (row.before, row.after) == (before, after)]
        table.add_row(before or ABSENT, after or ABSENT, f"{count:,}", ", ".join(ids[:ROWS_SHOWN]))
    return table
