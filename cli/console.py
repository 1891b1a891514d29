"""Shared parts of the commands: the console, exit codes, and common options."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from pydantic import BaseModel

# The output quotes texts and labels: their brackets and colons must not be read as markup.
out = Console(markup=False, emoji=False)
err = Console(markup=False, emoji=False, stderr=True)

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe file, or the name of a shipped recipe.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the registered model.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; can be repeated.")
]
Store = Annotated[
    Path, typer.Option(help="Folder of runs, split ledger and, without a server, MLflow.", envvar="ASSAY_STORE")
]

Separator = Annotated[
    str | None, typer.Option(help="Separator of the cells of a table, a character or tab. [default: recognised]")
]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of text files, such as windows-1252. [default: UTF-8, or recognised]")
]

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document instead; its schema is in the documentation.")
]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the outcome in one line, and nothing else.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also print the log of Prefect, MLflow and Assay.")]

# A larger count on the command line is a typing error.
MOST = 1_000_000_000


def echo(line: str) -> None:
    """Print one line as it is, without colours and without wrapping at the width of the terminal."""
    out.print(line, highlight=False, soft_wrap=True)


def echo_error(line: str) -> None:
    """Print one line on stderr, as `echo` does: stdout may hold the result."""
    err.print(line, highlight=False, soft_wrap=True)


def print_json(result: "BaseModel") -> None:
    """Print a result as one JSON document, for scripts."""
    sys.stdout.write(result.model_dump_json(indent=2) + "\n")


def registry_uri(model: str, store: Path) -> str | None:
    """Return the MLflow address for resolving a models:/ address; None for a bundle folder.

    Raises:
        AssayError: the store has no MLflow database, and the environment names no server.
    """
    if not model.startswith("models:"):
        return None
    from assay.serving.address import existing_tracking_uri

    return existing_tracking_uri(store)
