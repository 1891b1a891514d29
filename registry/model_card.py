"""The model card: everything that speaks for and against a model, on one self-contained page."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.snapshot import SnapshotManifest
from assay.corpus.splits import SplitsManifest
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.card.templates import template_environment
from assay.evaluation.export_report import ExportReport
from assay.evaluation.gate_checks.baseline import METRIC
from assay.evaluation.metrics import HEAD_F1
from assay.evaluation.slices import SliceMetric, requested_slices
from assay.evaluation.verdict import Verdict
from assay.expectations.validation_report import ValidationReport
from assay.recipes.recipe import Head
from assay.registry.promotion import PromotionResult
from assay.runs.run import Run
from assay.runs.tracking import git_commit
from assay.serving.address import without_password
from assay.serving.bundle import BundleManifest
from assay.serving.cpu import cpu_flags
from assay.serving.decision import Decisions
from assay.serving.registered_model import card_folder

PACKAGES = ("assay", "torch", "transformers", "onnxruntime", "tokenizers", "scikit-learn", "prefect", "mlflow")
HEADLINES = {
    "sentence.macro_f1": "macro-F1 of classes",
    "sentence.accuracy": "accuracy of classes",
    "tokens.f1": "entity F1",
    "labels.macro_f1": "macro-F1 of labels",
    "labels.micro_f1": "micro-F1 of labels",
    "labels.subset_accuracy": "rows with exactly their labels",
    "frame_accuracy": "whole sentences right",
    "sentence.roc_auc": "ROC-AUC",
    "sentence.ece": "calibration error of classes",
    "labels.ece": "calibration error of labels",
    "tokens.ece": "calibration error of entities",
    "sentence.coverage": "share of classes that is decided",
    "sentence.precision_decided": "precision of decided classes",
    "labels.coverage": "share of labels that is decided",
    "labels.precision_decided": "precision of decided labels",
    "tokens.coverage": "share of entities that is decided",
    "tokens.precision_decided": "precision of decided entities",
    "latency.p95_ms": "ms per row (p95)",
}
BASELINES = {"": "baseline", "_tfidf": "TF-IDF baseline"}


def environment_of(card: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment that a model was made in, given the fields of its card."""
    run, history = card["run"], card["history"]
    return {
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "run": run.key,
        "MLflow": f"run {run.mlflow_run} at {without_password(run.tracking_uri)}",
        "source commit": git_commit() or "unknown",
        "trained on": f"{history['device']}, {history['precision']}",
        "processor": f"{platform.machine()}: {' '.join(cpu_flags())}",
        "system": f"{platform.platform()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def slices_on(card: Mapping[str, Any]) -> list[SliceMetric]:
    """Return the slices that the recipe requests by class and condition, then every column and text length, by head."""
    evaluation, rule = card["evaluation"], card["run"].recipe.gate.slices
    requested = [metric for head in evaluation.heads for metric in requested_slices(evaluation.rows, head, rule)]
    return [*requested, *evaluation.slices]


class Card(BaseModel):
    """Content of the templates. `history` is that of the training, see `assay.models.checkpoint.Checkpoint`.

    Its JSON lets another machine write the card again after an approval decision.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    run: Run
    validation: ValidationReport
    snapshot: SnapshotManifest
    splits: SplitsManifest
    history: dict[str, Any]
    export: ExportReport
    bundle: BundleManifest
    evaluation: Evaluation
    verdict: Verdict
    promotion: PromotionResult
    # Computed once: the JSON of an evaluation has no rows, and another machine is another environment.
    slices: list[SliceMetric] = Field(default_factory=slices_on)
    environment: dict[str, str] = Field(default_factory=environment_of)

    def html(self) -> str:
        """Return the card as one HTML file, with plots and styles."""
        return _ENVIRONMENT.get_template("card.html.j2").render(card=self, plots=self.plots)

    def markdown(self) -> str:
        """Return the card without plots and lists of rows, for MLflow and Prefect."""
        return _ENVIRONMENT.get_template("card.md.j2").render(card=self)

    @property
    def outcome(self) -> str:
        """Outcome in one word, for the badge."""
        if self.promotion.pending:
            return "pending"
        if self.verdict.outcome == "refused" and self.promotion.promoted:
            return "forced"
        return self.verdict.outcome if self.promotion.promoted or not self.promotion.version else "refused"

    @property
    def folder(self) -> str:
        """Folder of the card, below the folder of the run and among the artifacts of the MLflow run."""
        return card_folder(self.verdict.digest)

    @property
    def headlines(self) -> list[tuple[str, str, str]]:
        """The most important metrics: name, value, and interval or an empty text."""
        metrics, baselines = self.evaluation.metrics, self.verdict.metrics
        heads: dict[str, Head] = {metric: head for head, metric in HEAD_F1.items()}
        rows = []
        for name, title in HEADLINES.items():
            if name in metrics:
                rows.append((title, _metric(name, metrics[name]), self._interval(heads.get(name))))
            for kind, of in BASELINES.items():
                metric = f"{METRIC}_{heads[name]}{kind}" if name in heads else ""
                if metric in baselines:
                    rows.append((f"{title}, {of}", _metric(name, baselines[metric]), ""))
        return rows

    @property
    def label_thresholds(self) -> dict[str, float]:
        """The probability from which each row label applies, in the precision of the metrics."""
        thresholds = self.bundle.label_thresholds_of(self.evaluation.precision)
        return dict(zip(self.bundle.row_labels, thresholds, strict=True))

    @property
    def decisions(self) -> Decisions:
        """The decisions by head, in the precision of the metrics."""
        return self.bundle.decisions_of(self.evaluation.precision)

    @property
    def plots(self) -> dict[str, Markup]:
        """Plots as SVG by name, where there are data for them."""
        # Imported here, since matplotlib takes seconds to import and only the last step needs it.
        from assay.evaluation.card.card_plots import (
            confusion_plot,
            coverage_plot,
            curves_plot,
            reliability_plot,
            slices_plot,
        )

        evaluation = self.evaluation
        plots = {"curves": curves_plot(self.history["loss"], self.history["epochs"])}
        if evaluation.confusion:
            plots["confusion"] = confusion_plot(evaluation.confusion)
        if any(metric.f1 is not None for metric in self.slices):
            overall = {head: interval.value for head, interval in evaluation.intervals.items()}
            plots["slices"] = slices_plot(self.slices, overall)
        if evaluation.reliability:
            plots["reliability"] = reliability_plot(evaluation.reliability)
        if evaluation.coverage:
            rules = self.run.recipe.decision.items()
            promised = {head: rule.precision for head, rule in rules if rule.precision is not None}
            plots["coverage"] = coverage_plot(evaluation.coverage, promised)
        # matplotlib escapes every name that it writes into an SVG.
        return {name: Markup(svg) for name, svg in plots.items()}  # noqa: S704

    @property
    def recipe_yaml(self) -> str:
        """The whole recipe, defaults included."""
        values = self.run.recipe.model_dump(mode="json")
        return without_password(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))

    @property
    def digests(self) -> Mapping[str, str]:
        """Digests of what the model was made of, of the bundle and of the verdict."""
        return {
            "bundle": self.verdict.bundle,
            "snapshot": self.snapshot.digest,
            "splits": self.splits.digest,
            "recipe": self.run.recipe.digest,
            "verdict": self.verdict.digest,
        }

    def _interval(self, head: Head | None) -> str:
        interval = self.evaluation.intervals.get(head) if head else None
        return f"{interval.low:.3f}–{interval.high:.3f}" if interval else ""


def _metric(name: str, value: float) -> str:
    return f"{value:.1f}" if name.endswith("_ms") else f"{value:.3f}"


_ENVIRONMENT = template_environment(Path(__file__).parent)
