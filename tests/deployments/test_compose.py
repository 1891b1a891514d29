"""compose.yaml: the schema of the Compose Specification, hardening, and references."""

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
OWN_SERVICES = ("serve", "mlflow", "prefect", "worker")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return loaded


def test_compose_matches_the_specification() -> None:
    # The package contains the schema: nothing is downloaded.
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_has_all_services(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"nginx", "serve", "mlflow", "mongo", "prefect", "worker"}
    assert compose["services"]["serve"]["deploy"]["replicas"] >= 2


def test_compose_services_drop_privileges_and_have_a_read_only_root(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
        assert service.get("read_only") or name == "mongo", name
        assert "privileged" not in service


def test_compose_pins_images_and_publishes_ports_on_the_loopback_only(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert name in OWN_SERVICES or re.search(r":[\d.]+", service["image"]), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name}: {port}"


def test_compose_requires_passwords_and_contains_none(compose: dict[str, Any]) -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required == {"ASSAY_MODEL", "MONGO_PASSWORD", "PREFECT_PASSWORD"}
    assert set(re.findall(r"\$\{(\w+)", text)) == required
    example = dict(line.split("=") for line in (FOLDER / "env.example").read_text().splitlines() if "=" in line)
    assert set(example) == required
    assert [value for name, value in example.items() if name.endswith("PASSWORD")] == ["", ""]


def test_compose_refers_to_existing_networks_volumes_and_files(compose: dict[str, Any]) -> None:
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
    result = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    return result.stdout


@pytest.mark.slow  # each command imports its package
@pytest.mark.parametrize(("service", "words"), [("serve", 0), ("mlflow", 2), ("prefect", 3), ("worker", 3)], ids=str)
def test_compose_commands_have_their_options(compose: dict[str, Any], service: str, words: int) -> None:
    command = compose["services"][service]["command"]
    help_text = help_of(*(command[:words] or ["assay.cli", "serve"]))
    for option in (word.split("=")[0] for word in command if word.startswith("--")):
        assert option in help_text, f"{service}: {option}"


def test_workflows_match_their_schema() -> None:
    workflows = [str(path) for path in Path(ROOT / ".github" / "workflows").glob("*.y*ml")]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
