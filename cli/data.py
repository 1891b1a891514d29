"""`assay validate` and `assay bio`: check and export the rows of a recipe."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from assay.cli.console import Overrides, RecipePath, Store, echo, out


def validate(
    recipe: RecipePath,
    overrides: Overrides = None,
    store: Store = Path(".assay"),
    recipe_only: Annotated[bool, typer.Option("--recipe-only", help="Check only the recipe, not the data.")] = False,
) -> None:
    """Check a recipe and its data, without training."""
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    echo(f"recipe {loaded.name}: every key is known and agrees with the others")
    if recipe_only:
        return

    from assay.flows.data_check import check_data

    validation, rows, warnings = check_data(loaded, store)
    table = Table("check", "severity", "passed", "result", title=f"{rows:,} rows")
    for check in validation.checks:
        table.add_row(check.name, check.severity, "yes" if check.passed else "NO", check.why)
    out.print(table)
    for warning in warnings:
        echo(f"warning: {warning}")


def bio(
    recipe: RecipePath,
    output: Annotated[
        Path, typer.Option(help=".jsonl: one object per row; any other extension: lines of word, tab and tag.")
    ],
    overrides: Overrides = None,
    split_name: Annotated[
        str | None, typer.Option("--split", help="Only the rows of train, validation or test. [default: all rows]")
    ] = None,
    store: Store = Path(".assay"),
) -> None:
    """Write the rows of a recipe as words with BIO tags.

    The rows are those of its newest run.
    """
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])

    from assay.flows.bio import dump_bio, parse_split

    rows = dump_bio(loaded, store, output, parse_split(split_name))
    echo(f"{rows:,} rows in {output}")
