"""What all commands share: the console, exit codes, options that mean the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

REFUSED = 3  # exit code: the run ended well and the gate said no
DIFFERS = 4  # exit code: a version was made again, and something else came out
PENDING = 5  # exit code: the gate passed, and the model waits for a person's approval

# What is shown quotes texts and labels: brackets and colons in them are no markup.
out = Console(markup=False, emoji=False)

RecipePath = Annotated[str, typer.Argument(metavar="RECIPE", help="Recipe file, or the name of a shipped recipe.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe; may be repeated.")
]
Store = Annotated[
    Path, typer.Option(help="Folder of runs, ledger and, without a server, MLflow.", envvar="ASSAY_STORE")
]


# Counts on the command line: more is a slip of the hand.
MOST = 1_000_000_000


def echo(line: str) -> None:
    """Show one line as it stands: no colours, no breaks at the width of the terminal."""
    out.print(line, highlight=False, soft_wrap=True)


def registry_uri(model: str, store: Path) -> str | None:
    """The MLflow that a models:/ address is looked up in; None for a bundle folder.

    Raises:
        AssayError: the store has no MLflow, and the environment names none.
    """
    if not model.startswith("models:"):
        return None
    from assay.serving.address import existing_tracking_uri

    return existing_tracking_uri(store)
