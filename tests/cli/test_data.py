import re
import shlex
from pathlib import Path

import pytest

from assay.evaluation.data_report import DataReport
from assay.recipes.loader import load_recipe
from assay.runs.run import Run
from assay.tasks.extract import extract
from assay.tasks.split import split
from tests.cli.calls import call


def test_validate_says_that_a_recipe_is_ready_and_keeps_nothing(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "my store"
    words = ["--set", "source.label_map={good: good, bad: bad}", "--store", str(store)]
    assert call(monkeypatch, "validate", recipe, *words) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "recipe tiny: every key is known and agrees with the others"
    facts = [line for line in lines if re.match(r"(documents|rows|label map|encoder) ", line)]
    assert [" ".join(line.split()) for line in facts] == [
        "documents 100: 100 used, 0 filtered out, 0 rejected",
        "rows 100: 80 train, 10 validation, 10 test",
        "label map every label has an entry, every entry a row",
        "encoder trained from scratch, with its own tokenizer",
    ]
    assert "as the model reads them" in lines
    assert sum("](NAME)" in line for line in lines) == 3
    assert lines[-1] == shlex.join(
        ["ready: assay", "run", str(recipe), "--set", "source.label_map={good: good, bad: bad}", "--store", str(store)]
    ).replace("'ready: assay'", "ready: assay")
    assert max(len(line.rstrip()) for line in lines[:-1]) <= 80
    assert shown.err == ""
    assert not list(store.rglob("*.parquet"))


def test_validate_prints_the_report_as_json(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ASSAY_STORE", str(tmp_path / "store"))
    assert call(monkeypatch, "validate", recipe, "--json", "--set", "model.max_length=8") == 0
    report = DataReport.model_validate_json(capsys.readouterr().out)
    assert report.ready
    assert report.command == f"assay run {recipe} --set model.max_length=8"
    assert report.truncation is not None
    assert 0 < report.truncation.truncated <= 100


def test_validate_refuses_json_without_the_data(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", recipe, "--json", "--recipe-only") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("assay: --json is the report on the data; leave out --recipe-only")


def test_validate_says_what_to_mend_first_and_keeps_the_pages(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert call(monkeypatch, "validate", recipe, "--store", store, "--set", "validation.labels=[good]") == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"not ready: validation: row '.*' has the class 'bad', needs one of good", last)
    # the pages stay until the data are checked again, and nothing else does
    pages = store / "checks" / "tiny" / "docs" / "index.html"
    assert last.endswith(f"; every check: {pages}")
    assert pages.is_file()
    assert not list(store.rglob("*.parquet"))
    assert call(monkeypatch, "validate", recipe, "--store", store) == 0
    assert not pages.exists()


def test_validate_prints_warnings_of_the_split(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a ledger of earlier runs, and shares that have changed since
    store = tmp_path / "store"
    run = Run(key="first", recipe=load_recipe(str(recipe)), store=store, tracking_uri="", mlflow_run="")
    split.fn(run, extract.fn(run))
    ledger = (store / "ledger" / "tiny.parquet").read_bytes()
    shares = ["--set", "split.train=0.4", "--set", "split.validation=0.3", "--set", "split.test=0.3"]
    assert call(monkeypatch, "validate", recipe, "--store", store, *shares) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "warning: train, validation, test have 80.0%, 10.0%, 10.0% of the rows" in shown
    assert (store / "ledger" / "tiny.parquet").read_bytes() == ledger
