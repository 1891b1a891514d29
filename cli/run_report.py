"""The end of `assay run` on a terminal: the outcome, the decisive scores, the checks, and the next commands."""

import os
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from rich.table import Table
from rich.text import Text

from assay.cli.console import echo, out
from assay.cli.run_summary import RunSummary
from assay.evaluation.decisive_scores import DecisiveScore
from assay.evaluation.verdict import Check

WIDTH = 10  # of the names in front of texts and commands
NO_BREAK = "\N{NO-BREAK SPACE}"  # between an option and its value
HELP = '"Refused: what now?" in the documentation'
# Checks of one group share the part of their name before the colon.
GROUPS = {
    "slice": ("slice", "slices"),
    "counterfactual": ("set of swaps", "sets of swaps"),
    "class": ("class without test rows", "classes without test rows"),
    "entity type": ("entity type without test rows", "entity types without test rows"),
}


def show_summary(summary: RunSummary, store: Path) -> None:
    """Print the summary of a run; it fits 80 columns, and longer texts wrap at words."""
    out.print()
    out.print(Text(summary.headline, style="bold green" if summary.outcome in ("promoted", "passed") else "bold red"))
    out.print()
    out.print(_score_table(summary))
    for attempt in summary.attempts[1:]:
        out.print(Text(str(attempt)))
    out.print()
    _show_rows(
        ("passed", text) for text in [_grouped(check for check in summary.checks if check.passed and check.tested)]
    )
    _show_rows(("not tested", text) for text in _untested(summary.checks))
    for check in summary.failed:
        _show_failed(check)
    out.print()
    for name, command in next_commands(summary, store):
        _show_command(name, command)


def next_commands(summary: RunSummary, store: Path) -> Iterator[tuple[str, str]]:
    """Yield what one can do next: a word, and a command or a path."""
    place = "" if store == Path(".assay") else f" --store {shlex.quote(str(store))}"
    if summary.outcome == "pending":
        yield "approve", f"assay approve {summary.model} --version {summary.version} --approver YOUR_NAME{place}"
    if summary.address is not None:
        yield "predict", f"assay predict --model {summary.address} --input ROWS.csv --output OUT.csv{place}"
    if summary.outcome == "promoted":
        yield "serve", f"assay serve --model {summary.address}{place}"
    yield "MLflow", f"assay ui{place}"
    yield "card", _short_path(summary.card)
    if summary.failed:
        yield "help", HELP


def _short_path(path: str) -> str:
    """Return a path as relative to the working directory where that is shorter."""
    return min(path, os.path.relpath(path), key=len)


def _show_command(name: str, command: str) -> None:
    """Print a command or a path so that it can be copied: on a terminal, a long command continues on the next line."""
    indent = " " * (WIDTH + 2)
    if not out.is_terminal or len(indent) + len(command) <= out.width:
        echo(f"{name:{WIDTH}}  {command}")
    elif " --" not in command:
        echo(f"{name}\n  {command}")
    else:
        lines = textwrap.wrap(command.replace(" --", "\n--").replace(" ", NO_BREAK).replace("\n", " "), out.width - 16)
        echo(f"{name:{WIDTH}}  " + f" \\\n{indent}  ".join(lines).replace(NO_BREAK, " "))


def _score_table(summary: RunSummary) -> Table:
    columns = ["F1 on test rows", "F1", "95 % interval", "threshold"]
    baselines, champions = (any(values) for values in zip(*map(_compared, summary.scores), strict=True))
    columns += ["baseline"] if baselines else []
    columns += [f"version {summary.compared_with}"] if champions else []
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for score in summary.scores:
        interval = "" if score.low is None else f"{score.low:.3f}-{score.high:.3f}"
        cells = [score.head, _number(score.f1), interval, f"{score.threshold:g}"]
        cells += [_number(score.baseline)] if baselines else []
        cells += [_number(score.champion)] if champions else []
        table.add_row(*cells)
    return table


def _compared(score: DecisiveScore) -> tuple[bool, bool]:
    return score.baseline is not None, score.champion is not None


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _show_rows(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and texts; on a terminal, a text wraps at words, behind its name."""
    if not out.is_terminal:
        for name, text in rows:
            echo(f"{name:{WIDTH}}  {text}")
        return
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    grid.add_column(width=WIDTH)
    grid.add_column()
    for name, text in rows:
        grid.add_row(Text(name), Text(text))
    if grid.row_count:
        out.print(grid)


def _group(check: Check) -> str:
    return check.name.partition(":")[0]


def _grouped(checks: Iterable[Check]) -> str:
    """Return the groups of checks as text: the number of slices, the name of any other group."""
    words = []
    for group, members in groupby(sorted(checks, key=_group), key=_group):
        count = len(list(members))
        one, many = GROUPS.get(group, (group, group))
        words.append(f"{count} {one if count == 1 else many}" if group in GROUPS else group)
    return ", ".join(words)


def _untested(checks: Sequence[Check]) -> Iterator[str]:
    """Yield a line per group of checks that passed without a test; a few of them with the reason of each."""
    untested = [check for check in checks if check.passed and not check.tested]
    for group, members in groupby(sorted(untested, key=_group), key=_group):
        names = list(members)
        yield _grouped(names) if group in GROUPS else f"{names[0].name}: {names[0].why}"


def _show_failed(check: Check) -> None:
    """Print a failed check in full."""
    out.print()
    out.print(Text(f"failed: {check.name}", style="bold red"))
    _show_rows([("  measured", check.measured), ("  required", check.required), ("  why", check.why)])
