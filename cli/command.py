"""The `assay` command as a whole: which commands there are, and what becomes of an error."""

import sys
from pathlib import Path

import typer

from cli import data, keeping, monitoring, operations, prediction, registry, serving, training
from corpus.disk import user_line

app = typer.Typer(
    help="Train, assay, promote and serve NLP models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# In the order in which the help shows them; a command is called as its function is.
COMMANDS = (
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
    keeping.copy,
    keeping.clean,
    keeping.forget,
    operations.api,
    operations.up,
    operations.down,
    operations.deploy,
    operations.doctor,
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Entry point: an error that a person can mend is one line on stderr and exit code 1."""
    try:
        app()
    except ModuleNotFoundError as error:
        # Ours are always there, so that one is missing is a defect; any other belongs to an extra.
        if error.name is None or (Path(__file__).parents[1] / error.name.partition(".")[0]).exists():
            raise
        sys.exit(complain(f"{error.name} is not installed; this command needs pip install 'assay[train]'"))
    except Exception as error:
        if (line := user_line(error)) is None:
            raise
        sys.exit(complain(line))


def complain(line: str) -> int:
    """Say what is wrong on stderr; gives the exit code."""
    sys.stderr.write(f"assay: {line}\n")
    return 1
