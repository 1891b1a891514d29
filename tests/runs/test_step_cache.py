"""Which results of other runs count as the same."""

import errno
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.runs import software
from assay.runs.software import package_versions
from assay.runs.step_result import STEP_MANIFEST
from tests.runs.test_run import CONTENT, Work, make_run

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
def test_step_cache_takes_no_result_of_other_package_versions(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    make_run(tmp_path).once("train", {}, work, content=CONTENT)
    if changed == "python":
        monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    else:
        monkeypatch.setattr(software, "version", lambda name: "99" if name == changed else version(name))
    make_run(tmp_path, key="two").once("train", {}, work, content=CONTENT)
    assert work.times == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "7", "{}", '{"content": "x"}', '{"files": 3}', "\xff"])
@pytest.mark.parametrize("whose", ["another run", "the run"])
def test_step_cache_makes_a_result_again_whose_manifest_is_damaged(content: str, whose: str, tmp_path: Path) -> None:
    work = Work()
    first = make_run(tmp_path).once("train", {}, work, content=CONTENT)
    (first.path / STEP_MANIFEST).write_bytes(content.encode("latin-1"))
    make_run(tmp_path, key="two" if whose == "another run" else "one").once("train", {}, work, content=CONTENT)
    assert work.times == 2


def test_step_cache_skips_unusable_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given results of the same content, all but the last of them unreadable, removed meanwhile, or a folder
    work = Work()
    last = make_run(tmp_path, key="z").once("train", {}, work, content=CONTENT).path
    for key in ("denied", "folder", "removed"):
        shutil.copytree(last, tmp_path / "runs" / key / last.name)
    folder = tmp_path / "runs" / "folder" / last.name / STEP_MANIFEST
    folder.unlink()
    folder.mkdir()
    link, read = os.link, Path.read_bytes

    def linked(source: Path, target: Path) -> None:
        if "removed" in source.parts:
            shutil.rmtree(source.parent, ignore_errors=True)
        link(source, target)

    def denied(path: Path) -> bytes:
        if "denied" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(Path, "read_bytes", denied)
    taken = make_run(tmp_path, key="a").once("train", {}, work, content=CONTENT)
    # then that one is taken, and nothing is left of the others
    assert work.times == 1
    assert (taken.path / "result.txt").samefile(last / "result.txt")
    assert [path.name for path in (tmp_path / "runs" / "a").iterdir()] == [taken.path.name]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("function", ["mkdir", "copy"])
def test_link_result_does_not_hide_a_full_disk(
    number: int, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(folder: Path) -> None:
        (folder / "below").mkdir()
        (folder / "below" / "result.txt").write_text("x")

    def full(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    run = make_run(tmp_path)
    run.once("train", {}, write, content=CONTENT)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
    if function == "copy":
        monkeypatch.setattr(shutil, "copyfile", full)
    else:
        make = os.mkdir
        monkeypatch.setattr(os, "mkdir", lambda path, *rest: full() if "below" in str(path) else make(path, *rest))
    with pytest.raises(AssayError, match="free some space"):
        make_run(tmp_path, key="two").once("train", {}, Work(), content=CONTENT)
