"""`--json`: one valid document of the described model on stdout, for every command that has the option."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.cli.command import GROUPS, THEMES
from assay.cli.json_outputs import JSON_OUTPUTS, json_model
from tests.approvals import World
from tests.cli.calls import call

Capture = pytest.CaptureFixture[str]


def test_json_outputs_describe_every_command_with_the_option(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    with_option = set()
    names = [command.__name__ for commands in THEMES.values() for command in commands]
    names += [f"{group} {command.__name__}" for group, commands in GROUPS.items() for command in commands]
    for name in names:
        assert call(monkeypatch, *name.split(), "-h") == 0
        if "--json" in capsys.readouterr().out:
            with_option.add(name)
    assert with_option == set(JSON_OUTPUTS)


@pytest.mark.parametrize("name", JSON_OUTPUTS)
def test_json_model_has_a_schema(name: str) -> None:
    assert json_model(name).model_json_schema(mode="serialization")["type"] in ("object", "array")


@pytest.fixture
def world(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A registry with a champion, a version that was refused, and one that waits."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return World(store, tmp_path)


def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, store: Path, *words: str, code: int = 0
) -> tuple[Any, str]:
    """Return the document that a command prints with `--json`, checked against its model."""
    assert call(monkeypatch, *words, "--store", store, "--json") == code
    shown = capsys.readouterr().out
    json_model(words[0]).model_validate_json(shown)
    return json.loads(shown), shown


def test_json_of_commands_on_a_registry(
    world: World, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    world.go("second")
    models, _ = printed(monkeypatch, capsys, store, "models")
    assert [(model["name"], model["champion"]) for model in models] == [("toy", "1")]
    assert [(version["number"], version["outcome"]) for version in models[0]["versions"]] == [
        ("2", "pending"),
        ("1", "passed"),
    ]
    summary, _ = printed(monkeypatch, capsys, store, "show", "toy")
    assert (summary["number"], summary["aliases"], summary["outcome"]) == ("1", ["champion"], "passed")
    assert printed(monkeypatch, capsys, store, "show", "models:/toy/2")[0]["outcome"] == "pending"
    changes, _ = printed(monkeypatch, capsys, store, "history", "toy")
    assert [(change["source"], change["target"], change["kind"]) for change in changes] == [(None, "1", "promotion")]
    assert printed(monkeypatch, capsys, store, "gc")[0] == {"removed": False, "folders": []}
    erasure, _ = printed(monkeypatch, capsys, store, "erase", "nobody")
    assert (erasure["erased"], erasure["plan"]["ids"]) == (False, ["nobody"])
    diagnoses, _ = printed(monkeypatch, capsys, store, "doctor")
    assert ["store", True] in [diagnosis[:2] for diagnosis in diagnoses]


def test_json_of_a_failed_command_is_empty(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "show", "nobody", "--store", store, "--json") == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert "there is no model 'nobody' in this registry; see assay models" in shown.err
