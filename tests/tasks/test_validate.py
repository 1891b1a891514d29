import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.tasks.validate import ValidationReport, validate


def make_run(store: Path, **validation: Any) -> Run:
    recipe = Recipe.model_validate(
        {
            "name": "test",
            "source": {"kind": "files", "paths": {"rows.jsonl": "all"}},
            "validation": {"min_rows": 4, "min_class_rows": 2, **validation},
            "model": {"scratch": {}, "heads": ["sentence"]},
            "gate": {"min_f1": {"sentence": 0.5}},
            "registry": {"name": "test"},
        }
    )
    return Run(key="t", recipe=recipe, store=store, tracking_uri=f"sqlite:///{store}/mlflow.db", mlflow_run="none")


def write_snapshot(folder: Path, labels: list[str]) -> ArtifactRef[Snapshot]:
    folder.mkdir()
    writer = SnapshotWriter(folder, [], {})
    for number, label in enumerate(labels):
        writer.add([Example(id=f"r{number}", text=f"text {'x' * number}", label=label)])
    return ArtifactRef[Snapshot](path=folder, digest=writer.finish().digest)


def test_validate_writes_report_and_pages(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    snapshot = write_snapshot(tmp_path / "snapshot", ["up", "down"] * 4)

    result = validate.fn(run, snapshot)

    report = ValidationReport.load(result.path)
    assert report.critical_failed == []
    assert report.snapshot == snapshot.digest
    assert (result.path / "docs" / "index.html").is_file()


def test_validate_logs_a_warning_and_continues(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = make_run(tmp_path, max_class_share=0.6)
    snapshot = write_snapshot(tmp_path / "snapshot", ["up"] * 6 + ["down"] * 2)

    report = ValidationReport.load(validate.fn(run, snapshot).path)

    assert [check.name for check in report.warnings] == ["few rows", "class balance"]
    assert "class 'up' has 75.0% of the rows" in caplog.text


def test_validate_stops_at_a_critical_fault_and_keeps_the_report(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    snapshot = write_snapshot(tmp_path / "snapshot", ["up"] * 4 + ["bearish"])

    with pytest.raises(AssayError) as stopped:
        validate.fn(run, snapshot)

    assert str(stopped.value) == (
        "validation: class 'bearish' has 1 row, needs at least 2 (validation.min_class_rows): "
        "add rows, or map it to another class in source.label_map"
    )
    [folder] = run.folder.glob("validate-*")
    [check] = ValidationReport.load(folder).critical_failed
    assert check.invalid_ids == ["bearish"]
    assert (folder / "docs" / "index.html").is_file()

    # when it is run again on the same data, it stops again without validating anew
    written = (folder / "validation.json").stat().st_mtime_ns
    with pytest.raises(AssayError, match="class 'bearish' has 1 row"):
        validate.fn(run, snapshot)
    assert (folder / "validation.json").stat().st_mtime_ns == written


def test_validate_runs_again_with_other_limits(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "snapshot", ["up"] * 4 + ["down"] * 2)
    with pytest.raises(AssayError, match=r"the snapshot has 6 rows, needs at least 7 rows"):
        validate.fn(make_run(tmp_path, min_rows=7), snapshot)
    validate.fn(make_run(tmp_path, min_rows=6), snapshot)


def test_validate_imports_great_expectations_lazily() -> None:
    # given that this import takes seconds, which every command would pay
    code = "import sys, assay.tasks.validate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
