"""The Dockerfiles: linted, and the rules that a linter does not know."""

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
    """Name and argument of each instruction, with continued lines joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", "")
    return [(name, rest.strip()) for name, rest in re.findall(r"^([A-Z]+) (.*)$", whole, re.MULTILINE)]


def last_stage(path: Path) -> list[tuple[str, str]]:
    found = instructions(path)
    return found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]


def test_there_are_two() -> None:
    assert [path.name for path in DOCKERFILES] == ["Dockerfile.serve", "Dockerfile.train"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed; there is no wheel of it for this machine")
    done = subprocess.run([hadolint, "--failure-threshold", "style", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_have_a_pinned_base_a_user_of_their_own_and_a_check(path: Path) -> None:
    [(_, base)] = [found for found in instructions(path) if found[0] == "ARG" and found[1].startswith("PYTHON=")]
    assert re.fullmatch(r"PYTHON=3\.11-slim-\w+(@sha256:[0-9a-f]{64})?", base)
    final = dict(last_stage(path))
    assert final["FROM"] == "python:${PYTHON}"
    user, group = final["USER"].split(":")
    assert int(user) > 0 < int(group)  # numbers: Kubernetes cannot tell whether a name is root
    assert "HEALTHCHECK" in final


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_install_the_tested_versions_and_nothing_in_the_last_stage(path: Path) -> None:
    installs = [rest for name, rest in instructions(path) if name == "RUN" and "pip install" in rest]
    assert installs
    for command in " && ".join(installs).split("&&"):
        assert "pip install" not in command or "--constraint constraints.txt" in command
    assert [rest for name, rest in last_stage(path) if name == "RUN" and re.search("pip|apt|gcc", rest)] == []


def test_what_is_copied_is_there_and_not_kept_from_the_builder() -> None:
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in DOCKERFILES:
        for name, rest in instructions(path):
            for source in shlex.split(rest)[:-1] if name == "COPY" and "--from" not in rest else []:
                assert (ROOT / source).exists(), f"{path.name}: {source}"
                assert source == "." or f"!{source}" in kept, f"{path.name}: {source}"


def test_the_serving_image_holds_what_serving_may_import_and_no_more() -> None:
    copied = {shlex.split(rest)[0] for name, rest in instructions(SERVE) if name == "COPY" and "--from" not in rest}
    assert copied >= {"assay", "serving", "corpus", "recipes", "cli"}
    assert copied.isdisjoint(
        {"models", "evaluation", "runs", "registry", "tasks", "flows", "expectations", "demo", "deployments", "."}
    )
    assert "[train]" not in SERVE.read_text(encoding="utf-8")


@pytest.mark.slow  # a server as a process
def test_the_check_of_the_serving_image_knows_a_server_from_none(toy: Path, tmp_path: Path) -> None:
    [check] = [rest.partition("CMD ")[2] for name, rest in instructions(SERVE) if name == "HEALTHCHECK"]
    command = [sys.executable if word == "python" else word for word in json.loads(check)]
    with serving(toy, tmp_path / "log") as server:
        port = {"AIP_HTTP_PORT": str(server.port)}
        assert subprocess.run(command, env=port, check=False).returncode == 0
    assert subprocess.run(command, env=port, check=False, stderr=subprocess.DEVNULL).returncode != 0
