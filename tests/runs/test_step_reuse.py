import errno
import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from assay.corpus.storage.atomic import PARTIAL
from assay.corpus.storage.digest import digest_file
from assay.runs import step_reuse
from assay.runs.step_result import STEP_MANIFEST, verified_files
from assay.runs.step_reuse import link_result

CONTENT = "c" * 64


def finished(runs: Path, run: str = "one", step: str = "train-1234", content: str = CONTENT) -> Path:
    folder = runs / run / step
    (folder / "deep").mkdir(parents=True)
    (folder / "model").write_text("weights")
    (folder / "deep" / "log").write_text("lines")
    files = {name: digest_file(folder / name) for name in ("model", "deep/log")}
    (folder / STEP_MANIFEST).write_text(json.dumps({"content": content, "files": files}))
    return folder


def test_link_result_links_every_file_of_another_run(tmp_path: Path) -> None:
    source, target = finished(tmp_path), tmp_path / "two" / "train-9999"
    assert link_result(target, CONTENT)
    assert verified_files(target) == verified_files(source)
    assert (target / "model").samefile(source / "model")
    assert [path.name for path in (tmp_path / "two").iterdir()] == ["train-9999"]


@pytest.mark.parametrize(
    ("run", "step", "content"),
    [
        ("two", "train-1234", CONTENT),  # of the run itself
        ("one", "train-1234", "d" * 64),
        ("one", "export-1234", CONTENT),
        ("one", f".train-1234{PARTIAL}", CONTENT),
    ],
)
def test_link_result_takes_nothing_else(tmp_path: Path, run: str, step: str, content: str) -> None:
    finished(tmp_path, run, step, content)
    assert not link_result(tmp_path / "two" / "train-9999", CONTENT)
    assert not (tmp_path / "two" / "train-9999").exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "manifest"])
def test_link_result_passes_over_a_damaged_result(tmp_path: Path, damage: str) -> None:
    broken = finished(tmp_path, "a")
    if damage == "changed":
        (broken / "model").write_text("other")
    elif damage == "missing":
        (broken / "deep" / "log").unlink()
    else:
        (broken / STEP_MANIFEST).write_text("{")
    assert not link_result(tmp_path / "two" / "train-9999", CONTENT)
    whole = finished(tmp_path, "b")
    assert link_result(tmp_path / "two" / "train-9999", CONTENT)
    assert (tmp_path / "two" / "train-9999" / "model").samefile(whole / "model")


def test_link_result_copies_where_the_file_system_has_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    source, target = finished(tmp_path), tmp_path / "two" / "train-9999"
    monkeypatch.setattr(os, "link", no_links)
    assert link_result(target, CONTENT)
    assert verified_files(target) == verified_files(source)
    assert not (target / "model").samefile(source / "model")


def test_link_result_passes_over_a_result_that_is_removed_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = finished(tmp_path)

    def verified_then_removed(folder: Path) -> dict[str, str] | None:
        files = verified_files(folder)
        (folder / "model").unlink()
        return files

    monkeypatch.setattr(step_reuse, "verified_files", verified_then_removed)
    with caplog.at_level(logging.INFO):
        assert not link_result(tmp_path / "two" / "train-9999", CONTENT)
    assert "train: the result of run one is not usable" in caplog.text
    assert not list((tmp_path / "two").iterdir())  # no partial folder either
    assert source.exists()


def test_link_result_reports_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    finished(tmp_path)
    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        link_result(tmp_path / "two" / "train-9999", CONTENT)
    assert not list((tmp_path / "two").iterdir())
