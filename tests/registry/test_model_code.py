"""Models registered by different versions of this package, side by side in one process."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.registry import mlflow_package
from assay.registry.model_code import copy_model_code, importable
from assay.serving.bundle import Bundle
from tests.bundles import build_bundle

LOAD = """
import sys
import mlflow.pyfunc
models = [mlflow.pyfunc.load_model(location) for location in sys.argv[1:]]
for model in models:
    frame = model.predict([{"text": "good"}])
    print(frame["label"][0], *{"truncated", "cut"} & set(frame.columns))
assert "assay" not in sys.modules
"""


def test_copy_model_code_imports_nothing_of_the_installed_package(tmp_path: Path) -> None:
    package = copy_model_code(tmp_path)
    sources = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    assert any(f"from {package.name}.serving" in source for source in sources)
    assert not [source for source in sources if re.search(r"^\s*(from|import) assay\b(?!_)", source, re.MULTILINE)]


def test_copy_model_code_has_one_name_for_equal_code(tmp_path: Path) -> None:
    assert copy_model_code(tmp_path / "a").name == copy_model_code(tmp_path / "b").name


def test_importable_forgets_the_copy(tmp_path: Path) -> None:
    package = copy_model_code(tmp_path)
    with importable(package):
        __import__(f"{package.name}.serving.engine")
        assert f"{package.name}.serving.engine" in sys.modules
    assert not [name for name in sys.modules if name.startswith(package.name)]
    assert str(tmp_path) not in sys.path


def test_models_of_two_versions_are_loaded_side_by_side(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    words = [{"good": "up", "bad": "down"}, {"good": "rising", "bad": "falling"}]
    bundles = [_bundle(tmp_path / f"{number}", classes) for number, classes in enumerate(words)]
    models = [_log(client, experiment, bundles[0])]
    # given another version of the code, which says so in its predictions
    monkeypatch.setattr(mlflow_package, "copy_model_code", another_version)
    monkeypatch.setattr(mlflow_package, "signature", lambda manifest: None)
    models.append(_log(client, experiment, bundles[1]))
    monkeypatch.undo()

    # when another process, in which nothing of this package has been imported, loads both
    done = subprocess.run([sys.executable, "-c", LOAD, *models], capture_output=True, text=True, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["up truncated", "rising cut"]


def another_version(folder: Path) -> Path:
    package = copy_model_code(folder)
    later = package.rename(package.with_name(f"{package.name}_later"))
    for path in later.rglob("*.py"):
        source = path.read_text(encoding="utf-8").replace(f"{package.name}.", f"{later.name}.")
        path.write_text(source.replace('columns | {"truncated"', 'columns | {"cut"'), encoding="utf-8")
    return later


def _bundle(folder: Path, classes: dict[str, str]) -> Bundle:
    (folder / "bundle").mkdir(parents=True)
    return build_bundle(folder / "bundle", classes, {})


def _log(client: MlflowClient, experiment: str, bundle: Bundle) -> str:
    run = client.create_run(experiment).info.run_id
    return str(mlflow_package.log_bundle(client, run, bundle).artifact_location)
