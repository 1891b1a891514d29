"""Every number on the command line has bounds."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.command import app
from tests.cli.calls import call


def numbers(command: Any, path: str = "assay") -> Iterator[tuple[str, str, object, object]]:
    """Command, option, least and largest value of each number."""
    for name, child in getattr(command, "commands", {}).items():
        yield from numbers(child, f"{path} {name}")
    for option in getattr(command, "params", []):
        if option.type_descriptor.annotation in (int, float):
            yield path, option.opts[0], getattr(option, "min", None), getattr(option, "max", None)


def test_no_number_of_a_command_is_without_bounds() -> None:
    found = list(numbers(typer.main.get_command(app)))
    assert len(found) >= 18
    assert [(command, option) for command, option, least, most in found if least is None or most is None] == []


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "80000"), ("--port", "-1"), ("--deadline", "nan"), ("--drain", "inf")]
)
def test_a_number_out_of_bounds_ends_the_command_before_it_does_anything(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "serve", "--model", "nowhere", option, value) == 2
    assert f"'{option}'" in capsys.readouterr().err
