"""The group of all commands: help by themes, names that nearly exist, and errors in one line."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from assay.cli.command_help import summary_of
from assay.corpus.choice import nearest

# A summary fits beside the longest name in a terminal of 80 columns.
LONGEST_SUMMARY = 65


class CommandGroup(TyperGroup):
    """The commands, with a help that lists them by theme, or under one heading where there are no themes."""

    themes: Mapping[str, Sequence[str]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section per theme, with the whole summary of each command."""
        for theme, names in (self.themes or {"Commands": self.list_commands(ctx)}).items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name, summary_of(command.help or "")) for name, command in commands if command is not None]
            with formatter.section(theme):
                formatter.write_dl(rows)

    def get_short_help_str(self, limit: int = 0) -> str:  # of typer, which cuts it off
        """Return the summary, whole."""
        return summary_of(self.help or "")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command; an unknown one is an error that names the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            remedy = nearest(args[0], self.list_commands(ctx)) or f"; see {ctx.command_path} --help"
            raise typer.BadParameter(f"there is no command {args[0]!r}{remedy}", ctx=ctx)
        return super().resolve_command(ctx, args)


def error_line(error: typer.TyperException) -> str:
    """Return one line about a wrong use of the command line, with the remedy."""
    command = getattr(getattr(error, "ctx", None), "command_path", "assay")
    option, cause = getattr(error, "param", None), error.__cause__
    if option is not None and isinstance(cause, ValidationError):
        # typer quotes pydantic here, and names neither the value nor the range of the option
        return f"{option.opts[0]} is {cause.errors()[0]['input']}; {_accepted(option, cause)}"
    message = getattr(error, "format_message", error.__str__)()
    line = " ".join(str(message).removeprefix("Invalid value: ").split()).removesuffix(".")
    return line if "did you mean" in line or "see assay" in line else f"{line}; see {command} --help"


def _accepted(option: Any, cause: ValidationError) -> str:
    """Return what an option accepts."""
    least, most = getattr(option, "min", None), getattr(option, "max", None)
    if least is not None and most is not None:
        return f"it takes a number from {least} to {most}"
    kinds = {"int": "a whole number", "float": "a number", "bool": "true or false"}
    kind = kinds.get(cause.errors()[0]["type"].partition("_")[0])
    return f"it takes {kind}" if kind else "it does not take this value"
