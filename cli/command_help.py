"""The help of a command in words: `--rows NUMBER` and `DATA` instead of the types of Python."""

from typing import Any

from typer.core import TyperCommand

_WORDS = {"int": "NUMBER", "float": "NUMBER", "str": "TEXT"}


def summary_of(help_text: str) -> str:
    """Return the first line of a command's help without its full stop."""
    return help_text.strip().partition("\n")[0].removesuffix(".")


class PlainCommand(TyperCommand):
    """A command whose usage and help name values in words."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters; an option that takes a value without a name of its own names it by its kind."""
        params: list[Any] = super().get_params(ctx)
        for param in params:
            takes_value = param.param_type_name == "option" and not param.is_flag
            if takes_value and param.metavar is None:
                param.metavar = _word(param.display_type(ctx), is_choice=param.type_descriptor.is_choice)
        return params

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return `[OPTIONS]` and the arguments: plain if required, in brackets if not."""
        pieces = [self.options_metavar] if self.options_metavar else []
        arguments = (param for param in self.get_params(ctx) if param.param_type_name == "argument")
        return pieces + [_usage(argument) for argument in arguments]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options; an argument is its name alone."""
        for kind, title in (("argument", "Arguments"), ("option", "Options")):
            params = [param for param in self.get_params(ctx) if param.param_type_name == kind]
            records = [(param, record) for param in params if (record := param.get_help_record(ctx)) is not None]
            if records:
                with formatter.section(title):
                    formatter.write_dl([(_name(param, name), text) for param, (name, text) in records])

    def get_short_help_str(self, limit: int = 0) -> str:  # of typer, which cuts it off
        """Return the summary, whole."""
        return summary_of(self.help or "")


def _word(kind: str, *, is_choice: bool) -> str:
    """Return the word for a type as typer shows it, such as `<int range>` or `<list[str]>`; choices as they are."""
    name = kind.strip("<>").removeprefix("list[").removesuffix("]").removesuffix(" range")
    return name if is_choice else _WORDS.get(name, name.upper())


def _usage(argument: Any) -> str:
    name = f"{argument.display_name_raw}" if argument.required else f"[{argument.display_name_raw}]"
    return name + ("..." if argument.nargs != 1 else "")


def _name(param: Any, name: str) -> str:
    return param.display_name_raw if param.param_type_name == "argument" else name
