"""`assay validate` and `assay bio`: check and export the rows of a recipe."""

import logging
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import AsJson, Overrides, RecipePath, Store, echo, print_json
from assay.cli.data_report_view import print_report
from assay.cli.exit_codes import ExitCode
from assay.corpus.plural import counted


def validate(
    ctx: typer.Context,
    recipe: RecipePath,
    overrides: Overrides = None,
    store: Store = Path(".assay"),
    recipe_only: Annotated[bool, typer.Option("--recipe-only", help="Check only the recipe, not the data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a recipe and its data, without training.

    The last line says that the recipe is ready, with the command that runs it, or what to fix first (exit code 1).
    """
    if recipe_only and as_json:
        raise typer.BadParameter("--json is the report on the data; leave out --recipe-only")
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or [])
    if not as_json:
        echo(f"recipe {loaded.name}: every key is known and agrees with the others")
    if recipe_only:
        return

    from assay.cli.stages import Stages
    from assay.flows.data_check import check_data

    with _without_logs(), Stages():
        report = check_data(loaded, store)
    report = report.model_copy(update={"command": shlex.join(["assay", "run", *_arguments(ctx)])})
    if as_json:
        print_json(report)
    else:
        print_report(report)
    if not report.ready:
        raise typer.Exit(ExitCode.ERROR)


@contextmanager
def _without_logs() -> Iterator[None]:
    """Silence the steps: the report holds what they log."""
    logger = logging.getLogger("assay")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _arguments(ctx: typer.Context) -> list[str]:
    """Return recipe, overrides and store as the user typed them."""
    values = ctx.params
    arguments = [values["recipe"]]
    for override in values["overrides"] or ():
        arguments += ["--set", override]
    source = ctx.get_parameter_source("store")
    if source is not None and source.name == "COMMANDLINE":
        arguments += ["--store", str(values["store"])]
    return arguments


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
    echo(f"{counted(rows, 'row')} in {output}")
