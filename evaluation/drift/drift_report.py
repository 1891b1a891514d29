"""What a window was found to be: figures as JSON, and a page with pictures that needs nothing else."""

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
    """One window beside the snapshot that a version was trained on.

    `rows` are those compared, `seen` those that the window held; `known` are rows of that snapshot and left out,
    `unreadable` could not be read, `others` were answered by other versions and hold no text to answer anew.
    `clusters` and `reference_clusters` count the documents, groups and single rows that the rows are of.
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
    others: int = 0
    alpha: float
    findings: list[SignalFinding]
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    folder: Path = Path()

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.folder / HTML

    @property
    def drifted(self) -> list[SignalFinding]:
        """The signals that passed their limit."""
        return [one for one in self.findings if one.drifted]

    @property
    def tested(self) -> bool:
        """Whether anything was: a window may hold too few rows."""
        return any(one.effect is not None for one in self.findings)

    @property
    def outcome(self) -> str:
        """One word: drift, stable, or open where nothing was judged."""
        return "drift" if self.drifted else "stable" if self.tested else "open"

    @property
    def summary(self) -> str:
        """One line."""
        if not self.rows:
            return f"{self.model}: nothing new, all {self.known} rows are of its own snapshot"
        if not self.tested:
            return f"{self.model}: nothing judged, {self._amount} are too few"
        if not self.drifted:
            return f"{self.model}: no drift in {self._amount}"
        return f"{self.model}: drift in {self._amount}: {', '.join(one.name for one in self.drifted)}"

    @property
    def _amount(self) -> str:
        """Rows, and the documents they are of where these are fewer."""
        grouped = 0 < self.clusters < self.rows
        return f"{self.rows} rows" + (f" of {self.clusters} documents or groups" if grouped else "")

    def markdown(self) -> str:
        """The report without pictures, for Prefect."""
        return _ENVIRONMENT.get_template("drift.md.j2").render(report=self)


def write_report(report: DriftReport, reference: Reference, window: WindowStatistics, folder: Path) -> DriftReport:
    """Write JSON and page into a folder of their own; gives the report with the place of its page."""
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
    drawn = {}
    if report.tested:
        drawn["effects"] = effects_plot(report.findings)
    if numbers := _numbers(reference, window):
        drawn["numbers"] = numbers_plot(numbers)
    if shares := _shares(reference.observed, window):
        drawn["shares"] = shares_plot(shares)
    # matplotlib escapes every name that it writes into an SVG.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _numbers(reference: Reference, window: WindowStatistics) -> list[tuple[str, Floats, Floats]]:
    """Those signals that are numbers, as far as both sides know them."""
    before, now = _signals(reference.observed, reference), _signals(window, reference)
    return [(name, before[name], now[name]) for name in before if len(before[name]) and len(now[name])]


def _signals(observed: WindowStatistics, reference: Reference) -> dict[str, Floats]:
    found = {"characters of a text": signals.lengths(observed)}
    found["share of unknown words"] = signals.unknown(observed, reference.vocabulary)
    found["confidence of the class"] = signals.certainty(observed)
    if any(one.predicted_entities for one in reference.observed.answers):
        found["entities in a text"] = signals.entity_counts(observed)
    return found


def _shares(reference: WindowStatistics, window: WindowStatistics) -> list[tuple[str, list[str], list[str]]]:
    samples = [
        ("classes answered", signals.classes(reference), signals.classes(window)),
        ("types of entities", signals.types(reference), signals.types(window)),
    ]
    return [(name, list(chain(*before)), list(chain(*now))) for name, before, now in samples if before and now]


_ENVIRONMENT = template_environment(Path(__file__).parent)
