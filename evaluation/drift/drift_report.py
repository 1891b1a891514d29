"""The report on a window: metrics as JSON, and a self-contained HTML page with plots."""

from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from markupsafe import Markup
from pydantic import BaseModel, Field

from assay.corpus.storage.atomic import atomic_path
from assay.evaluation.card.templates import template_environment
from assay.evaluation.drift import signals
from assay.evaluation.drift.drift_plots import effects_plot, numbers_plot, shares_plot
from assay.evaluation.drift.findings import SignalFinding
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.statistics import Floats

JSON, HTML = "drift.json", "drift.html"


class DriftReport(BaseModel):
    """Comparison of one window with the snapshot that a version was trained on.

    `seen` counts the rows of the window, and `rows` the rows that were compared. Left out are `known` rows of that
    snapshot, `unreadable` rows that could not be read, and `other_versions`: rows that other versions predicted and
    whose text was not stored. `clusters` and `reference_clusters` count the documents, groups and single rows.
    """

    model: str
    recipe: str
    snapshot: str
    window: str
    seen: int
    rows: int
    reference_rows: int
    clusters: int = 0
    reference_clusters: int = 0
    known: int = 0
    unreadable: int = 0
    faults: str = ""
    other_versions: int = 0
    alpha: float
    findings: list[SignalFinding]
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    folder: Path = Path()

    @property
    def page(self) -> Path:
        """Return the path of the HTML page."""
        return self.folder / HTML

    @property
    def drifted(self) -> list[SignalFinding]:
        """Return the signals that drifted."""
        return [finding for finding in self.findings if finding.drifted]

    @property
    def tested(self) -> bool:
        """Return whether any signal was tested; a window may hold too few rows."""
        return any(finding.effect is not None for finding in self.findings)

    @property
    def outcome(self) -> str:
        """Return the outcome in one word: drift, stable, or open if no signal was tested."""
        return "drift" if self.drifted else "stable" if self.tested else "open"

    @property
    def summary(self) -> str:
        """Return a summary in one line."""
        if not self.rows:
            return f"{self.model}: nothing new, all {self.known} rows are in its own snapshot"
        if not self.tested:
            return f"{self.model}: nothing tested, {self._amount} are too few"
        if not self.drifted:
            return f"{self.model}: no drift in {self._amount}"
        return f"{self.model}: drift in {self._amount}: {', '.join(finding.name for finding in self.drifted)}"

    @property
    def _amount(self) -> str:
        """Return the number of rows, and of their documents if these are fewer."""
        grouped = 0 < self.clusters < self.rows
        return f"{self.rows} rows" + (f" of {self.clusters} documents or groups" if grouped else "")

    def markdown(self) -> str:
        """Render the report without plots, for Prefect."""
        return _ENVIRONMENT.get_template("drift.md.j2").render(report=self)


def write_report(report: DriftReport, reference: Reference, window: WindowStatistics, folder: Path) -> DriftReport:
    """Write JSON and page into a new subfolder; return the report with that folder."""
    folder = folder / f"{report.at:%Y%m%d-%H%M%S-%f}"
    report = report.model_copy(update={"folder": folder})
    plots = _plots(report, reference, window)
    page = _ENVIRONMENT.get_template("drift.html.j2").render(report=report, plots=plots)
    for name, text in ((HTML, page), (JSON, report.model_dump_json(indent=2))):
        with atomic_path(folder / name) as partial:
            # Texts of the data may hold lone surrogates.
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return report


def _plots(report: DriftReport, reference: Reference, window: WindowStatistics) -> dict[str, Markup]:
    plots = {}
    if report.tested:
        plots["effects"] = effects_plot(report.findings)
    if numbers := _numbers(reference, window):
        plots["numbers"] = numbers_plot(numbers)
    if shares := _shares(reference.observed, window):
        plots["shares"] = shares_plot(shares)
    # matplotlib escapes every name that it writes into an SVG.
    return {name: Markup(svg) for name, svg in plots.items()}  # noqa: S704


def _numbers(reference: Reference, window: WindowStatistics) -> list[tuple[str, Floats, Floats]]:
    """Return the numeric signals that both reference and window have."""
    in_reference, in_window = _numeric_signals(reference.observed, reference), _numeric_signals(window, reference)
    return [
        (name, in_reference[name], in_window[name])
        for name in in_reference
        if len(in_reference[name]) and len(in_window[name])
    ]


def _numeric_signals(statistics: WindowStatistics, reference: Reference) -> dict[str, Floats]:
    values = {"characters of a text": signals.lengths(statistics)}
    values["share of unknown words"] = signals.unknown(statistics, reference.vocabulary)
    values["confidence of the class"] = signals.confidences(statistics)
    if any(row.predicted_entities for row in reference.observed.predictions):
        values["entities in a text"] = signals.entity_counts(statistics)
    return values


def _shares(reference: WindowStatistics, window: WindowStatistics) -> list[tuple[str, list[str], list[str]]]:
    samples = [
        ("predicted classes", signals.classes(reference), signals.classes(window)),
        ("types of entities", signals.types(reference), signals.types(window)),
    ]
    return [
        (name, list(chain(*in_reference)), list(chain(*in_window)))
        for name, in_reference, in_window in samples
        if in_reference and in_window
    ]


_ENVIRONMENT = template_environment(Path(__file__).parent)
