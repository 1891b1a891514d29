"""The `assay` application: its commands, and the output of errors."""

import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from assay.cli import (
    browser,
    data,
    exporting,
    init,
    labels,
    model_list,
    monitoring,
    operations,
    prediction,
    registry,
    retention,
    serving,
    training,
)
from assay.cli.command_group import CommandGroup, error_line
from assay.cli.command_help import PlainCommand
from assay.cli.exit_codes import ExitCode
from assay.corpus.extras import install_command
from assay.corpus.storage.disk_errors import user_line

# The name of a function is the name of its command; help lists the themes in this order.
THEMES: dict[str, tuple[Callable[..., None], ...]] = {
    "Start": (init.init, data.validate, training.run, serving.serve),
    "Predict": (prediction.predict, monitoring.monitor, exporting.export),
    "Models": (
        model_list.models,
        model_list.show,
        registry.history,
        registry.diff,
        registry.approve,
        registry.rollback,
        registry.reproduce,
    ),
    "Train": (training.seeds, data.bio),
    "Keep and erase": (retention.copy, retention.gc, retention.erase),
    "Services": (browser.ui, operations.doctor, operations.up, operations.down, operations.deploy, operations.api),
}
# A group of commands stands in the help by its name: `assay labels issues`.
GROUPS: dict[str, tuple[Callable[..., None], ...]] = {"labels": (labels.issues, labels.suggest, labels.apply)}
GROUP_HELP = {"labels": "Find wrong labels and rows to label, and apply corrections."}
GROUP_THEMES = {"Labels": ["labels"]}

LOOK: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class MainGroup(CommandGroup):
    """All commands by theme, then the groups."""

    themes = {theme: [command.__name__ for command in commands] for theme, commands in THEMES.items()} | GROUP_THEMES


app = typer.Typer(cls=MainGroup, invoke_without_command=True, **LOOK)
for command in (command for commands in THEMES.values() for command in commands):
    app.command(cls=PlainCommand)(command)
for name, commands in GROUPS.items():
    group = typer.Typer(cls=CommandGroup, help=GROUP_HELP[name], no_args_is_help=True, **LOOK)
    for command in commands:
        group.command(cls=PlainCommand)(command)
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"assay {version('assay')}")
        raise typer.Exit


@app.callback()
def assay(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train, assay, promote and serve NLP models.

    The first three commands: assay init DATA, assay run RECIPE, assay serve --model models:/NAME@champion.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the application: an error that a user can fix is one line on stderr, with exit code 1."""
    try:
        sys.exit(app(standalone_mode=False))
    except typer.TyperException as error:
        print_error(error_line(error))
        sys.exit(ExitCode.BAD_USE)
    except ModuleNotFoundError as error:
        # A missing module of this package is a defect; any other belongs to an extra.
        if error.name is None or _is_installed(error.name):
            raise
        sys.exit(print_error(f"{error.name} is not installed; run {install_command('train')}"))
    except Exception as error:
        if (line := user_line(error)) is None:
            raise
        sys.exit(print_error(line))


def _is_installed(module: str) -> bool:
    """Return whether a module belongs to an installed part of this package; the serving image leaves some out."""
    package, _, rest = module.partition(".")
    return package == __name__.partition(".")[0] and (Path(__file__).parents[1] / rest.partition(".")[0]).exists()


def print_error(line: str) -> int:
    """Print an error line on stderr and return the exit code."""
    sys.stderr.write(f"assay: {line}\n")
    return ExitCode.ERROR
