import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.corpus.storage.atomic import REPLACED, atomic_folder, atomic_path, recover_folders
from tests.processes import environment_without_coverage

# Writing beyond the limit of a process fails with EFBIG like writing to a full disk with ENOSPC.
FILL = """
import resource, signal, sys
from pathlib import Path
from assay.corpus.storage.atomic import atomic_folder, atomic_path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
target = Path(sys.argv[1])
if sys.argv[2] == "file":
    with atomic_path(target) as partial:
        partial.write_bytes(b"x" * 5000)
else:
    with atomic_folder(target) as partial:
        (partial / "first").write_bytes(b"x")
        (partial / "second").write_bytes(b"x" * 5000)
"""


def test_atomic_path_appears_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out.txt"
    with atomic_path(target) as partial:
        partial.write_text("new")
        assert not target.exists()
        assert partial.suffix == ".txt"
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["out.txt"]  # noqa: PTH208  # hidden files count too


def test_atomic_path_keeps_the_old_file_when_the_block_raises(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
    assert target.read_text() == "old"


def test_atomic_path_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    with atomic_path(tmp_path / "atomic") as partial:
        partial.write_text("")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_atomic_folder_replaces_the_earlier_folder(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for text in ("old", "new"):
        with atomic_folder(target) as partial:
            (partial / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_atomic_folder_keeps_the_old_folder_when_the_block_raises(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as partial:
        (partial / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target) as partial:
        (partial / "half").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "old").read_text() == "old"


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_atomic_leaves_no_partial_files_on_a_full_disk(tmp_path: Path, kind: str) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", FILL, str(tmp_path / "out"), kind]
    environment = environment_without_coverage()
    result = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, check=False)
    assert "File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_recover_folders_restores_the_old_folder_where_the_new_one_is_missing(tmp_path: Path) -> None:
    # Given a process killed before the new folder had its name, another killed after it, and one while it wrote,
    for name in ("lost", "kept"):
        aside = tmp_path / f".{name}.x1y2" / REPLACED
        aside.mkdir(parents=True)
        (aside / "rows").write_text("old")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "rows").write_text("new")
    (tmp_path / ".begun.z3").mkdir()
    recover_folders(tmp_path, "*")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "lost"]
    assert [(tmp_path / name / "rows").read_text() for name in ("lost", "kept")] == ["old", "new"]


def test_atomic_folder_keeps_folders_inside(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as partial:
        (partial / "part").mkdir()
        (partial / "part" / "rows").write_text("1")
    assert (tmp_path / "out" / "part" / "rows").read_text() == "1"
