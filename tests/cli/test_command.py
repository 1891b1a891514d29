import subprocess
import sys
from pathlib import Path

import pytest

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
def test_a_wrong_recipe_is_one_line_that_names_the_key(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert call(monkeypatch, "run", recipe, *words) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_a_recipe_that_is_not_there_names_the_shipped_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", "nowhere.yaml") == 1
    assert "nowhere.yaml is neither a file nor a shipped recipe (shipped: financial-tweets" in capsys.readouterr().err


def test_without_the_training_extra_commands_name_it_and_a_bundle_still_answers(toy_files: tuple[Path, Path]) -> None:
    bundle, rows = toy_files
    answers = rows.with_name("answers.csv")
    done = without_extras("predict", "--model", bundle, "--input", rows, "--output", answers)
    assert (done.returncode, done.stderr) == (0, "")
    assert answers.read_text().startswith("text,label,")
    done = without_extras("validate", "snips")
    assert done.returncode == 1
    assert done.stderr == "assay: prefect is not installed; this command needs pip install 'assay[train]'\n"
    done = without_extras("doctor")
    assert done.returncode == 0
    assert "pip install 'assay[train]'" in " ".join(done.stdout.replace("│", "").split())


@pytest.fixture
def toy_files(tmp_path: Path) -> tuple[Path, Path]:
    """A bundle and a file of rows."""
    bundle, rows = tmp_path / "bundle", tmp_path / "rows.jsonl"
    bundle.mkdir()
    build_bundle(bundle, {"good": "up", "bad": "down"}, {"Apple": "ORG"}, changes={})
    rows.write_text('{"text": "good Apple"}\n')
    return bundle, rows


def without_extras(*words: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the command in a process that can import nothing but what the base install brings."""
    code = """
import sys
extras = {"torch", "transformers", "peft", "datasets", "prefect", "mlflow", "great_expectations", "pymongo", "bson",
          "pandas", "sklearn", "scipy", "huggingface_hub", "onnx", "matplotlib", "jinja2", "filelock", "sqlalchemy"}
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in extras:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import cli
cli.main()
"""
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_store_that_is_a_file_is_one_line(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.write_text("a file")
    assert call(monkeypatch, "validate", recipe, "--store", store) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"assay: {store}/")
    assert error.endswith(": Not a directory; free some room or name another place, then start again\n")
