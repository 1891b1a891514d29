import errno
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import DatabaseError

from assay import cli
from assay.cli import command
from assay.corpus.extras import install_command
from tests.bundles import build_bundle
from tests.cli.calls import call

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "training.epoch=3"], "unknown key 'training.epoch' (value 3); did you mean 'training.epochs'?"),
        (["--set", "training.epochs"], "--set 'training.epochs' is not KEY=VALUE"),
        (["--set", "training.epochs=-1"], "'training.epochs' is -1"),
        (["--set", "gate={}"], "key 'gate.min_f1' is missing"),
    ],
)
def test_command_names_the_key_of_a_wrong_recipe_in_one_line(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert call(monkeypatch, "run", recipe, *words) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_command_lists_shipped_recipes_for_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", "nowhere.yaml") == 1
    assert (
        "nowhere.yaml is neither a file nor a shipped recipe; check the path, or name one of financial-tweets"
        in capsys.readouterr().err
    )


def test_command_names_the_missing_training_extra(toy_files: tuple[Path, Path]) -> None:
    bundle, rows = toy_files
    output = rows.with_name("answers.csv")
    done = without_extras("predict", "--model", bundle, "--input", rows, "--output", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert output.read_text().startswith("text,label,")
    done = without_extras("validate", "snips")
    assert done.returncode == 1
    line = rf"assay: \w+ is not installed; run {re.escape(install_command('train'))}\n"
    assert re.fullmatch(line, done.stderr)
    done = without_extras("doctor")
    assert done.returncode == 0
    assert install_command("train") in " ".join(done.stdout.replace("│", "").split())


@pytest.fixture
def toy_files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a bundle and a file of rows."""
    bundle, rows = tmp_path / "bundle", tmp_path / "rows.jsonl"
    bundle.mkdir()
    build_bundle(bundle, {"good": "up", "bad": "down"}, {"Apple": "ORG"}, changes={})
    rows.write_text('{"text": "good Apple"}\n')
    return bundle, rows


def without_extras(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process that can only import the packages of the base install."""
    code = """
import sys
extras = {"torch", "transformers", "peft", "datasets", "prefect", "mlflow", "great_expectations", "pymongo", "bson",
          "pandas", "sklearn", "scipy", "huggingface_hub", "onnx", "matplotlib", "jinja2", "filelock", "sqlalchemy"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in extras:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from assay import cli
cli.main()
"""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_command_reports_a_store_that_is_a_file_in_one_line(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.write_text("a file")
    assert call(monkeypatch, "validate", recipe, "--store", store) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"assay: {store}/")
    assert error.endswith(
        ": Not a directory; a file exists where a folder is needed; move it away, or name another place\n"
    )


@pytest.mark.parametrize("command", ["history tiny", "rollback tiny --reason x", "erase one", "diff tiny 1 2"])
def test_command_reports_an_invalid_registry_database_with_the_remedy(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("no database, though there is enough of it to be one")
    assert call(monkeypatch, *command.split(), "--store", tmp_path) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path}/mlflow.db: file is not a database; restore it from a backup" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a"), "/a: Permission denied; change the permissions"),
        (OSError(errno.EROFS, "Read-only file system", "/a"), "/a: Read-only file system; mount it for writing"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk: No space left on device; free some space"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "/a"), "/a: File name too long; use a shorter name"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "/a"), "/a: Is a directory; a folder exists where a file"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a"), "/a: No such file or directory; check"),
        (sqlite3.DatabaseError("database disk image is malformed"), "a sqlite database: database disk image"),
        (sqlite3.OperationalError("database is locked"), "a sqlite database: database is locked; another process"),
        (DatabaseError("SELECT", None, sqlite3.DatabaseError("file is not a database")), "a sqlite database: file is"),
    ],
)
def test_command_reports_a_disk_error_with_the_remedy(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("assay.registry.retention.garbage_collection.plan_collection", fail)
    (tmp_path / "runs").mkdir()
    monkeypatch.setattr("assay.registry.retention.protected.protected_snapshots", lambda *_: frozenset())
    assert call(monkeypatch, "gc", "--store", tmp_path) == 1
    stderr = capsys.readouterr().err
    assert stderr.startswith(f"assay: {line}")
    assert stderr.count("\n") == 1


def test_command_keeps_the_traceback_of_a_defect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr("assay.registry.retention.protected.protected_snapshots", fail)
    monkeypatch.setattr(sys, "argv", ["assay", "gc", "--store", str(tmp_path)])
    with pytest.raises(FileNotFoundError):
        cli.main()


@pytest.mark.parametrize(("module", "ours"), [("assay.flows.local", True), ("assay.nothing", False), ("torch", False)])
def test_command_names_a_part_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str, ours: bool
) -> None:
    def missing(standalone_mode: bool) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("assay.cli.command.app", missing)
    with pytest.raises(ModuleNotFoundError if ours else SystemExit):
        command.main()
    line = f"assay: {module} is not installed; run {install_command('train')}\n"
    assert capsys.readouterr().err == ("" if ours else line)
