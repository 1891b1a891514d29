"""The Dockerfiles: a linter, and rules that the linter does not have."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import ROOT, serving

DOCKERFILES = sorted((ROOT / "deployments").glob("Dockerfile.*"))
SERVE = ROOT / "deployments" / "Dockerfile.serve"


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the name and argument of each instruction, with continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", "")
    return [(name, rest.strip()) for name, rest in re.findall(r"^([A-Z]+) (.*)$", whole, re.MULTILINE)]


def last_stage(path: Path) -> list[tuple[str, str]]:
    all_stages = instructions(path)
    return all_stages[max(number for number, (name, _) in enumerate(all_stages) if name == "FROM") :]


def test_images_are_serve_and_train() -> None:
    assert [path.name for path in DOCKERFILES] == ["Dockerfile.serve", "Dockerfile.train"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_pass_hadolint(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed; there is no wheel of it for this machine")
    result = subprocess.run(
        [hadolint, "--failure-threshold", "style", path], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_have_a_pinned_base_a_user_and_a_health_check(path: Path) -> None:
    [(_, base)] = [(name, rest) for name, rest in instructions(path) if name == "ARG" and rest.startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=3\.11-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    final = dict(last_stage(path))
    assert final["FROM"] == "python:${PYTHON}"
    user, group = final["USER"].split(":")
    assert int(user) > 0 < int(group)  # numeric: Kubernetes cannot check whether a name is root
    assert "HEALTHCHECK" in final


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_install_pinned_versions_and_nothing_in_the_last_stage(path: Path) -> None:
    installs = [rest for name, rest in instructions(path) if name == "RUN" and "pip install" in rest]
    assert installs
    for command in " && ".join(installs).split("&&"):
        assert "pip install" not in command or "--constraint constraints.txt" in command
    assert [rest for name, rest in last_stage(path) if name == "RUN" and re.search("pip|apt|gcc", rest)] == []


def test_images_copy_files_that_exist_and_are_not_ignored() -> None:
    ignore_rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in DOCKERFILES:
        for name, rest in instructions(path):
            for source in shlex.split(rest)[:-1] if name == "COPY" and "--from" not in rest else []:
                assert (ROOT / source).exists(), f"{path.name}: {source}"
                assert source == "." or f"!{source}" in ignore_rules, f"{path.name}: {source}"


def test_serving_image_contains_the_imports_of_serving_only() -> None:
    copied = {shlex.split(rest)[0] for name, rest in instructions(SERVE) if name == "COPY" and "--from" not in rest}
    assert copied >= {"assay", "serving", "corpus", "recipes", "cli"}
    assert copied.isdisjoint(
        {"models", "evaluation", "runs", "registry", "tasks", "flows", "expectations", "demo", "deployments", "."}
    )
    assert "[train]" not in SERVE.read_text(encoding="utf-8")


@pytest.mark.slow  # a server as a process
def test_serving_image_health_check_detects_a_missing_server(toy: Path, tmp_path: Path) -> None:
    [check] = [rest.partition("CMD ")[2] for name, rest in instructions(SERVE) if name == "HEALTHCHECK"]
    command = [sys.executable if word == "python" else word for word in json.loads(check)]
    with serving(toy, tmp_path / "log") as server:
        port = {"AIP_HTTP_PORT": str(server.port)}
        assert subprocess.run(command, env=port, check=False).returncode == 0
    assert subprocess.run(command, env=port, check=False, stderr=subprocess.DEVNULL).returncode != 0
