"""Check that every number on the command line has bounds."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from assay.cli.command import app
from tests.cli.calls import call

# `assay.serving.http.listening.check_port` says what these take.
PORTS = [
    ("assay serve", "--port"),
    ("assay ui", "--port"),
    ("assay up", "--prefect-port"),
    ("assay up", "--mlflow-port"),
    ("assay api", "--port"),
]


def numbers(command: Any, path: str = "assay") -> Iterator[tuple[str, str, object, object]]:
    """Yield command, option, minimum and maximum of each number."""
    for name, child in getattr(command, "commands", {}).items():
        yield from numbers(child, f"{path} {name}")
    for option in getattr(command, "params", []):
        if option.type_descriptor.annotation in (int, float):
            yield path, option.opts[0], getattr(option, "min", None), getattr(option, "max", None)


def test_commands_bound_every_number() -> None:
    numbers_of_app = list(numbers(typer.main.get_command(app)))
    assert len(numbers_of_app) >= 18
    without = [(command, option) for command, option, least, most in numbers_of_app if least is None or most is None]
    assert without == PORTS


@pytest.mark.parametrize(
    ("option", "value"),
    [("--threads", "0"), ("--max-rows", "10000001"), ("--deadline", "nan"), ("--drain", "inf"), ("--max-body", "x")],
)
def test_command_reports_a_number_out_of_bounds_first(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "serve", "--model", "nowhere", option, value) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"assay: {option} is {value}; it takes a number from [\d.]+ to \d+", line)


def test_command_reports_a_missing_option_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "serve") == 2
    assert capsys.readouterr().err == "assay: Missing option '--model'; see assay serve --help\n"


@pytest.mark.parametrize(("command", "option"), PORTS)
@pytest.mark.parametrize("value", ["80000", "-1", "65536", "99999999999"])
def test_command_reports_a_port_out_of_bounds_first(
    command: str, option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = ["--model", "nowhere"] if command == "assay serve" else []
    assert call(monkeypatch, command.split()[1], *needed, option, value) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"assay: {option} is {value}; ports are 1 to 65535")
