"""Layout of results in a terminal: dates, ids and digests are never cut, and long texts wrap at words."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from assay.cli.console import echo, out

INDENT = "  "


def print_block(head: str, lines: Sequence[str]) -> None:
    """Print a head line as it is, and below it further lines, indented and wrapped at the width of the terminal."""
    echo(head)
    for line in lines:
        echo(wrapped(line, INDENT))


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names with their values in two columns; a long value wraps at words below its beginning."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        echo(f"{name.ljust(width)}  {wrapped(value, ' ' * (width + 2)).lstrip()}")


def wrapped(text: str, indent: str) -> str:
    """Return a text wrapped at words; a word that is longer than a line stays whole."""
    return textwrap.fill(
        text,
        max(out.width, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_plain(console: Console, table: Table, width: int) -> None:
    """Print a table without the blanks that fill up its last column, so that it can be copied and compared."""
    with console.capture() as captured:
        console.print(table, width=width)
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def plain_table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table that wraps at words, and never cuts a value."""
    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
