"""The parts of a data report, each from one step of the check."""

import itertools
from typing import Any

from assay.corpus.documents.reject_reasons import frequent_reasons
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.evaluation.data_report import LabelMapUse, TagRecovery
from assay.evaluation.labels_by_split import labels_by_split, row_labels_by_split
from assay.evaluation.marked_text import sample_rows
from assay.evaluation.tag_check import ENTITIES, HALF_WORDS, SHARE
from assay.expectations.tag_scheme import NAME as TAG_SCHEME
from assay.expectations.validation_report import ValidationReport
from assay.models.truncation import measure_truncation
from assay.recipes.recipe import Recipe

MOST_ENCODED = 5_000


def of_rows(snapshot: Snapshot, recipe: Recipe) -> dict[str, Any]:
    """Return rejects and sample rows."""
    return {
        "rejects": frequent_reasons(snapshot.rejects_path),
        "samples": sample_rows(snapshot.examples(), recipe.model.cleaning),
    }


def of_checks(report: ValidationReport, snapshot: Snapshot, recipe: Recipe) -> dict[str, Any]:
    """Return the checks, and what some of them measured."""
    counts = {check.name: check.invalid_count for check in report.checks}
    metrics = report.metrics
    tags = None
    if metrics:
        tags = TagRecovery(entities=int(metrics[ENTITIES]), recovered=metrics[SHARE], half_words=metrics[HALF_WORDS])
    return {
        "checks": report.checks,
        "tags": tags,
        "tag_scheme": next((check.measured for check in report.checks if check.name == TAG_SCHEME), None),
        "label_map": _label_map(snapshot, recipe),
        "contradictions": counts.get("contradictions"),
        "near_duplicates": _share(report, "duplicates"),
    }


def of_splits(snapshot: Snapshot, splits: Splits | None) -> dict[str, Any]:
    """Return rows, classes and entity types by split; only their totals if the rows could not be split."""
    classes, types = labels_by_split(snapshot, splits.split_of if splits else {})
    several = row_labels_by_split(snapshot, splits.split_of if splits else {})
    labels = {"classes": classes, "row_labels": several, "entity_types": types}
    if splits is None:
        return labels
    manifest = splits.manifest
    return labels | {
        "splits": dict(manifest.counts),
        "excluded": manifest.excluded,
        "warnings": manifest.warnings,
    }


def of_encoding(snapshot: Snapshot, recipe: Recipe) -> dict[str, Any]:
    """Return the share of the rows that are longer than the model reads, of a sample from all over the snapshot."""
    step = max(1, len(snapshot) // MOST_ENCODED)
    rows = list(itertools.islice(snapshot.examples(), 0, None, step))
    return {"truncation": measure_truncation(rows, recipe.model)}


def _share(report: ValidationReport, name: str) -> float | None:
    """Return the share that a check measured, which is written in per cent."""
    measured = next((check.measured for check in report.checks if check.name == name), "")
    return round(float(measured.removesuffix("%")) / 100, 4) if measured.endswith("%") else None


def _label_map(snapshot: Snapshot, recipe: Recipe) -> LabelMapUse | None:
    mapping = recipe.source.label_map
    if not mapping:
        return None
    allowed = {*mapping.values(), *(recipe.validation.labels or ()), *(recipe.validation.row_labels or ())}
    manifest = snapshot.manifest
    return LabelMapUse(
        unmapped=[label for label in (*manifest.labels, *manifest.row_labels) if label not in allowed],
        unused=[key for key in mapping if key not in manifest.label_keys],
    )
