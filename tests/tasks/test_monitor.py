"""The steps of monitoring, on versions whose models vote by known words, without training."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import DataError
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.drift.drift_report import HTML, JSON, DriftReport
from assay.evaluation.drift.window import Window
from assay.evaluation.drift.window_statistics import Reference
from assay.runs.events import DRIFTED
from assay.tasks import monitor
from assay.tasks.find_reference import Champion, find_champion
from assay.tasks.monitor import compare_window, emit_drift, record_drift
from tests.versions import Made, new_store, register_version, write_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    """A version of 400 rows, of which half are good."""
    folder = tmp_path_factory.mktemp("monitored")
    return register_version(new_store(folder, mlflow_database), folder, "first", range(400))


@pytest.fixture(scope="module")
def found(made: Made) -> tuple[Champion, ArtifactRef[Reference]]:
    """The version, and its reference for windows."""
    return find_champion.fn(made.version.address, made.run.tracking_uri, made.run.store)


Found = tuple[Champion, ArtifactRef[Reference]]


def write_drifted(path: Path) -> Window:
    """Write 80 rows of one class, about another topic."""
    path.write_text("".join(f'{{"id": "new-{n}", "text": "bad stormy weather {n * "x"}"}}\n' for n in range(80)))
    return Window(address=str(path))


def test_compare_window_finds_no_drift_in_similar_rows(found: Found, made: Made, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", range(400, 520))
    report = compare_window.fn(*found, Window(address=str(tmp_path / "in.jsonl")), made.run.store)
    assert (report.outcome, report.rows, report.known, report.model) == ("stable", 120, 0, "models:/tiny/1")
    assert {path.name for path in report.folder.iterdir()} == {HTML, JSON}
    assert report.folder.is_relative_to(made.run.store / "monitoring" / "tiny")


def test_compare_window_leaves_out_known_rows(found: Found, made: Made, tmp_path: Path) -> None:
    write_rows(tmp_path / "in.jsonl", range(300, 450))
    report = compare_window.fn(*found, Window(address=str(tmp_path / "in.jsonl")), made.run.store)
    assert (report.seen, report.known, report.rows) == (150, 100, 50)


def test_compare_window_refuses_an_empty_window(found: Found, made: Made, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").touch()
    with pytest.raises(DataError, match=r"in\.jsonl"):
        compare_window.fn(*found, Window(address=str(tmp_path / "in.jsonl")), made.run.store)


def test_record_drift_logs_effects_and_report_to_the_run_of_the_version(
    found: Found, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[tuple[str, str]] = []
    monkeypatch.setattr(monitor, "show_markdown", lambda key, text, line: pages.append((key, line)))
    champion, reference = found
    report = compare_window.fn(champion, reference, write_drifted(tmp_path / "in.jsonl"), made.run.store)
    record_drift.fn(champion, report)
    logged = made.client.get_run(made.run.mlflow_run).data.metrics
    effects = {finding.name: finding.effect for finding in report.findings if finding.effect is not None}
    assert effects
    assert {name: logged[f"drift.{name.replace(' ', '_')}"] for name in effects} == effects
    files = made.client.list_artifacts(made.run.mlflow_run, f"monitoring/{report.folder.name}")
    assert {Path(file.path).name for file in files} == {HTML, JSON}
    assert pages == [("drift", report.summary)]


def test_emit_drift_names_version_recipe_and_signals(
    found: Found, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(monitor, "emit", lambda *event: sent.append(event))
    champion, reference = found
    report: DriftReport = compare_window.fn(champion, reference, write_drifted(tmp_path / "in.jsonl"), made.run.store)
    emit_drift.fn(champion, report)
    ((event, resource, name, payload, labels),) = sent
    assert (event, resource, name) == (DRIFTED, "assay.model.tiny", "tiny")
    assert labels == {"assay.version": "1", "assay.recipe": "tiny"}
    assert set(payload["signals"]) == {finding.name for finding in report.drifted}
    assert payload["signals"]["predicted classes"]["effect"] > 0.1
    assert json.loads(json.dumps(payload)) == payload
