"""Which results of other runs count as the same."""

import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from tasks import reusing
from tasks.reusing import package_versions
from tests.tasks.test_run import CONTENT, Work, make_run

NAMES = (
    "accelerate",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxruntime",
    "onnxscript",
    "peft",
    "safetensors",
    "scikit-learn",
    "tokenizers",
    "torch",
    "transformers",
)


def test_package_versions_are_those_that_are_installed() -> None:
    assert package_versions() == {"python": platform.python_version(), **{name: version(name) for name in NAMES}}


@pytest.mark.parametrize("changed", ["python", *NAMES])
def test_run_takes_no_result_that_other_versions_made(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    make_run(tmp_path).once("train", {}, work, content=CONTENT)
    if changed == "python":
        monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    else:
        monkeypatch.setattr(reusing, "version", lambda name: "99" if name == changed else version(name))
    make_run(tmp_path, key="two").once("train", {}, work, content=CONTENT)
    assert work.times == 2
