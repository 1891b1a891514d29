"""CI runs the same targets as developers, on any machine."""

import subprocess

import yaml

from tests.servers import ROOT


def test_ci_run_and_workflow_have_the_same_steps() -> None:
    [workflow] = (ROOT / ".github" / "workflows").glob("*.y*ml")
    [job] = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps == [".ci/packages", "make PYTHON=python check", "make PYTHON=python test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.index(".ci/packages") < script.index("check test")


def test_ci_packages_skips_packages_that_cannot_be_installed() -> None:
    # Given a machine without apt, sudo and the packages,
    bare = {"PATH": "/nowhere"}
    # when the script runs, then it reports the skipped packages and succeeds.
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "packages"], env=bare, capture_output=True, text=True, check=True
    )
    assert "are skipped" in done.stdout
