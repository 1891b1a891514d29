"""What `pip install` puts into an environment: one import name, and nothing of the project's own tools."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy of what is tracked: setuptools writes beside its source.
    tracked = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists() or (ROOT / name).is_symlink():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name, follow_symlinks=False)
    command = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), "./source"]
    subprocess.run([sys.executable, "-m", *command], cwd=folder, check=True, capture_output=True)
    [made] = folder.glob("*.whl")
    return made


@pytest.mark.slow  # builds a wheel
def test_wheel_holds_the_one_import_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"assay", "assay-0.1.0.dist-info"}
    assert "assay/py.typed" in names
    parts = {Path(name).parts[1] for name in names if name.startswith("assay/") and len(Path(name).parts) > 2}
    assert parts == {path.name for path in (ROOT / "assay").iterdir() if path.is_symlink()}
    assert {"demo", "tools", "tests", "benchmarks"} & parts == set()


@pytest.mark.slow  # builds a wheel
def test_wheel_holds_every_module_and_every_file_that_is_read_at_run_time(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for link in (path for path in (ROOT / "assay").iterdir() if path.is_symlink()):
        for path in (ROOT / link.name).rglob("*"):
            if path.suffix in (".py", ".j2", ".html", ".yaml") and path.name != "compose.yaml":
                assert f"assay/{path.relative_to(ROOT).as_posix()}" in names


@pytest.mark.slow  # builds a wheel
def test_wheel_adds_one_name_to_an_environment(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    command = ["pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    assert {path.name for path in target.iterdir()} - {"bin"} == {"assay", "assay-0.1.0.dist-info"}
    # the packages of this environment, and before them what was installed
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import assay, assay.serving.engine as e; print(e.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(target))
