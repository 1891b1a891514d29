import json
from pathlib import Path

import pytest

from assay.evaluation.drift.drift_report import DriftReport, write_report
from assay.evaluation.drift.findings import SignalFinding, find_drift
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.recipes.monitoring_section import Monitoring
from tests.evaluation.drift.samples import WORDS, statistics


@pytest.fixture
def reference() -> Reference:
    return Reference(statistics(400, 1), 400, frozenset(vocabulary_of(WORDS)))


def report_of(*findings: SignalFinding, **values: object) -> DriftReport:
    fields = {"model": "m", "recipe": "r", "snapshot": "s", "window": "w", "seen": 9, "rows": 9, "reference_rows": 9}
    return DriftReport.model_validate({**fields, "alpha": 0.01, "findings": findings, **values})


QUIET = SignalFinding(signal="classes", name="predicted classes", effect=0.01)
LOUD = SignalFinding(signal="text_length", name="length of the text", effect=0.5, drifted=True)
UNTESTED = SignalFinding(signal="vocabulary", name="words of the text")


@pytest.mark.parametrize(
    ("report", "outcome", "summary"),
    [
        (report_of(QUIET, UNTESTED), "stable", "m: no drift in 9 rows"),
        (report_of(QUIET, LOUD), "drift", "m: drift in 9 rows: length of the text"),
        (report_of(UNTESTED), "open", "m: nothing tested, 9 rows are too few"),
        (report_of(QUIET, clusters=3), "stable", "m: no drift in 9 rows of 3 documents or groups"),
        (report_of(QUIET, clusters=9), "stable", "m: no drift in 9 rows"),
        (report_of(rows=0, known=7), "open", "m: nothing new, all 7 rows are in its own snapshot"),
    ],
)
def test_drift_report_sums_up_in_a_line(report: DriftReport, outcome: str, summary: str) -> None:
    assert (report.outcome, report.summary) == (outcome, summary)


def test_drift_report_survives_its_json() -> None:
    report = report_of(QUIET, LOUD)
    assert DriftReport.model_validate_json(report.model_dump_json()) == report


def test_write_report_escapes_names_and_shows_every_plot(reference: Reference, tmp_path: Path) -> None:
    window = statistics(100, 2, words=["<b>oil", "paint"])
    report = DriftReport(
        model="models:/reviews/3",
        recipe="reviews",
        snapshot="0" * 64,
        window="in|<i>.jsonl",
        seen=100,
        rows=100,
        reference_rows=400,
        alpha=0.01,
        findings=find_drift(reference, window, Monitoring()),
    )
    report = write_report(report, reference, window, tmp_path)

    page = report.page.read_text()
    assert page.count("<svg") == 3
    assert "in|&lt;i&gt;.jsonl" in page
    assert "<i>" not in page
    assert "in\\|&lt;i&gt;" in report.markdown()
    assert json.loads((report.folder / "drift.json").read_text())["rows"] == 100
    assert report.outcome == "drift"


def test_write_report_leaves_out_plots_without_values(tmp_path: Path) -> None:
    bare = WindowStatistics([LabelledPrediction("a", None, None, (), None, (), 3, False, {})])
    report = write_report(report_of(UNTESTED), Reference(bare, 1, frozenset()), bare, tmp_path)

    page = report.page.read_text()
    assert page.count("<svg") == 1  # the length of the texts
    assert report.page.parent == report.folder
    assert report.folder.parent == tmp_path
