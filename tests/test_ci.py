"""CI runs what people run, and may be started anywhere."""

import subprocess

import yaml

from tests.servers import ROOT


def test_ci_and_the_workflow_take_the_same_steps() -> None:
    [workflow] = (ROOT / ".github" / "workflows").glob("*.y*ml")
    [job] = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert steps == [".ci/packages", "make check", "make test"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.index(".ci/packages") < script.index("check test")


def test_packages_that_cannot_be_had_stop_nothing() -> None:
    # Given a machine that has no apt, no sudo and none of what is wanted,
    bare = {"PATH": "/nowhere"}
    # when they are asked for, then what is left out is said, and that is all.
    done = subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "packages"], env=bare, capture_output=True, text=True, check=True
    )
    assert "are skipped" in done.stdout
