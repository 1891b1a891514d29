"""compose.yaml: by the schema of the Compose Specification, and what must not be missing in it."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT

FOLDER = ROOT / "deployments"
COMPOSE = FOLDER / "compose.yaml"
OURS = ("serve", "mlflow", "prefect", "worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def test_it_is_what_the_specification_says() -> None:
    # The schema lies in the package: nothing is fetched.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_all_parts_are_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"nginx", "serve", "mlflow", "mongo", "prefect", "worker"}
    assert compose["services"]["serve"]["deploy"]["replicas"] >= 2


def test_no_part_may_gain_rights_and_ours_cannot_write_to_their_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
        assert service.get("read_only") or name == "mongo", name
        assert "privileged" not in service


def test_images_are_tagged_and_doors_lead_to_this_machine_alone(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert name in OURS or re.search(r":[\d.]+", service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_passwords_are_asked_for_and_never_written_down(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+):\?", text))
    assert asked == {"ASSAY_MODEL", "MONGO_PASSWORD", "PREFECT_PASSWORD"}
    assert set(re.findall(r"\$\{(\w+)", text)) == asked
    example = dict(line.split("=") for line in (FOLDER / "env.example").read_text().splitlines() if "=" in line)
    assert set(example) == asked
    assert [value for name, value in example.items() if name.endswith("PASSWORD")] == ["", ""]


def test_networks_volumes_and_files_are_those_that_there_are(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (FOLDER / source).exists(), f"{name}: {source}"
        if build := service.get("build"):
            assert (FOLDER / build["context"] / build["dockerfile"]).exists()
        assert set(service.get("depends_on", [])) <= set(compose["services"])


@cache
def help_of(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    return done.stdout


@pytest.mark.slow  # each command imports its package
@pytest.mark.parametrize(
    ("service", "words"), [("serve", 0), ("mlflow", 2), ("prefect", 3), ("worker", 3)], ids=lambda one: str(one)
)
def test_commands_take_the_options_that_they_are_given(compose: dict[str, Any], service: str, words: int) -> None:
    command = compose["services"][service]["command"]
    shown = help_of(*(command[:words] or ["assay.cli", "serve"]))
    for option in (word.split("=")[0] for word in command if word.startswith("--")):
        assert option in shown, f"{service}: {option}"


def test_the_workflows_are_what_their_schema_says() -> None:
    workflows = [str(path) for path in Path(ROOT / ".github" / "workflows").glob("*.y*ml")]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
