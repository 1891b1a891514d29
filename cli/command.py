"""The `assay` application: its commands, and the output of errors."""

import sys
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from assay.cli import data, init, monitoring, operations, prediction, registry, retention, serving, training
from assay.corpus.storage.disk_errors import user_line

BAD_USE = 2  # exit code: an invalid option or value


class _OneLineGroup(TyperGroup):
    """A group of commands that prints an invalid value of an option in one line, like any other error."""

    def invoke(self, ctx: Any) -> Any:  # typer.Context is not the class that typer's own code expects
        """Call the command that the user named."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            print_error(_line(error))
            raise typer.Exit(BAD_USE) from error


def _line(error: typer.BadParameter) -> str:
    """Return one line with option, value and, for a number, its range: typer omits some of them."""
    option, cause = error.param, error.__cause__
    least, most = getattr(option, "min", None), getattr(option, "max", None)
    if option is None or not isinstance(cause, ValidationError) or least is None or most is None:
        return " ".join(error.format_message().split())
    return f"{option.opts[0]} is {cause.errors()[0]['input']}; it takes a number from {least} to {most}"


app = typer.Typer(
    cls=_OneLineGroup,
    help="Train, assay, promote and serve NLP models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# In the order of the help; the name of a function is the name of its command.
COMMANDS = (
    init.init,
    training.run,
    training.seeds,
    data.validate,
    data.bio,
    prediction.predict,
    serving.serve,
    monitoring.monitor,
    registry.history,
    registry.approve,
    registry.rollback,
    registry.reproduce,
    registry.diff,
    retention.copy,
    retention.gc,
    retention.erase,
    operations.api,
    operations.up,
    operations.down,
    operations.deploy,
    operations.doctor,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the application: an error that a user can fix is one line on stderr, with exit code 1."""
    try:
        app()
    except ModuleNotFoundError as error:
        # A missing module of this package is a defect; any other belongs to an extra.
        if error.name is None or _is_installed(error.name):
            raise
        sys.exit(print_error(f"{error.name} is not installed; this command needs pip install 'assay[train]'"))
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
    return 1
