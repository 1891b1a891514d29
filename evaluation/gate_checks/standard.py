"""Gate checks of the candidate alone: data, score, rollback, parity, int8, smoke, latency, size."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.corpus.child_process import child_environment
from assay.evaluation.batch_sensitivity import measure_sensitivity
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.low_score_causes import low_score_causes
from assay.evaluation.latency import measure_latency
from assay.evaluation.metrics import HEAD_F1
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

SMOKE_SECONDS = 120
MEGABYTE = 1_000_000


def check_data(context: GateContext[Any]) -> Check:
    """Check that no critical expectation failed."""
    checks, failed = context.validation.checks, context.validation.critical_failed
    no_failure = "no check failed critically" if checks else "no check was run"
    return Check(
        name="data",
        measured=f"{len(failed)} of {len(checks)} checks failed critically",
        required="no critical check failed",
        passed=bool(checks) and not failed,
        why="; ".join(f"{check.name}: {check.why}" for check in failed) or no_failure,
    )


def check_score(context: GateContext[Any], head: Head) -> Check:
    """Check that the F1 of a head on the test rows reaches the recipe's threshold."""
    threshold = context.rules.min_f1[head]
    interval = context.evaluation.intervals.get(head)
    required = f"{HEAD_F1[head]} at least {threshold:g}"
    if interval is None:
        why = context.evaluation.left_out.get(head, "the bundle has no such head")
        return Check(name=f"score: {head}", measured="no metric", required=required, passed=False, why=why)
    passed = interval.value >= threshold
    if passed:
        why = "reaches the threshold"
    else:
        gap = f"below gate.min_f1.{head} by {threshold - interval.value:.3f}"
        causes = low_score_causes(context.evaluation.rows, head)
        warnings = [one.text for one in context.export.training_warnings if one.head in (head, None)]
        why = "; ".join([gap, *causes, *warnings])
    return Check(name=f"score: {head}", measured=str(interval), required=required, passed=passed, why=why)


def check_calibration(context: GateContext[Any], head: Head) -> Check:
    """Check that the confidence of a head is close enough to the share of its predictions that are right."""
    limit = context.rules.max_ece[head]
    measured = next((reliability for reliability in context.evaluation.reliability if reliability.head == head), None)
    required = f"a calibration error of at most {limit:g} (gate.max_ece.{head})"
    if measured is None:
        why = "too few predictions on test rows to measure it; add test rows, or remove the key"
        return Check(name=f"calibration: {head}", measured="no metric", required=required, passed=False, why=why)
    error, before = measured.calibrated.error, measured.uncalibrated.error.value
    passed = error.value <= limit
    remedy = (
        "more validation rows give a better fit; rows of another time or source are predicted with other confidence"
    )
    return Check(
        name=f"calibration: {head}",
        measured=f"{error}; {before:.3f} before calibration",
        required=required,
        passed=passed,
        why="confidence can be believed within the limit" if passed else remedy,
    )


def check_rollback(context: GateContext[Any]) -> list[Check]:
    """Check that no rollback removed this bundle; return no check without a rollback.

    If the recipe requires approval, the check passes and the approver decides.
    """
    if context.rolled_back is None:
        return []
    needs_approval = context.rules.approval == "required"
    remedy = "a person must approve it" if needs_approval else "train another model, or promote it with --force REASON"
    return [
        Check(
            name="rollback",
            measured="rolled back",
            required="a bundle that was not rolled back",
            passed=needs_approval,
            why=f"{context.rolled_back}; {remedy}",
            tested=not needs_approval,
        )
    ]


def check_parity(context: GateContext[Any]) -> Check:
    """Check that torch and the exported graph (fp32) give the same predictions."""
    report, tolerance = context.export, context.rules.parity_tolerance
    close = report.parity_max_difference <= tolerance
    labels = "the same labels" if report.parity_labels_equal else "other labels"
    faults = [] if close else ["the logits differ by more than gate.parity_tolerance"]
    faults += (
        [] if report.parity_labels_equal else ["the exported graph predicts other labels than the trained network"]
    )
    return Check(
        name="parity",
        measured=f"logits differ by {report.parity_max_difference:.1e} at most, {labels}, {report.parity_rows} rows",
        required=f"at most {tolerance:g}, the same labels",
        passed=not faults and report.parity_rows > 0,
        why="; ".join(faults) or ("the export is faithful" if report.parity_rows else "no row was compared"),
    )


def check_precision(context: GateContext[Any]) -> Check:
    """Check that no precision that ships loses more F1 on validation rows than the recipe allows."""
    report, limit, manifest = context.export, context.rules.precision_max_drop, context.bundle.manifest
    faults = []
    if (manifest.precision, manifest.bf16) != (report.precision, report.bf16):
        shipped, chosen = _shipped(manifest.precision, manifest.bf16), _shipped(report.precision, report.bf16)
        faults.append(f"the bundle is {shipped}, but export chose {chosen}")
    drops = {str(one.precision): one.drop for one in report.measured if one.precision != "fp32"}
    for precision in ["bf16"] * manifest.bf16 + ["int8"] * (manifest.precision == "int8"):
        if context.rules.precision not in ("auto", precision):
            faults.append(f"gate.precision is {context.rules.precision}, but {precision} ships")
        drop = drops.get(precision, {})
        faults += [f"{precision} was not measured for {head}" for head in context.recipe.heads if head not in drop]
        faults += [f"{precision} lowers F1 of {head} by more than allowed" for head in drop if drop[head] > limit]
    return Check(
        name="precision",
        measured=f"{_shipped(manifest.precision, manifest.bf16)} ships; {_drops(drops)}{_batch_sensitivity(context)}",
        required=f"a drop of F1 by at most {limit:g} (gate.precision_max_drop), or fp32 ships",
        passed=not faults,
        why="; ".join(faults) or report.why,
    )


def _drops(drops: Mapping[str, Mapping[str, float]]) -> str:
    by_head = {
        name: ", ".join(f"{drop:+.4f} ({head})" for head, drop in heads.items()) for name, heads in drops.items()
    }
    return f"drop of F1 {'; '.join(f'by {name} {text}' for name, text in by_head.items()) or 'not measured'}"


def _shipped(precision: str, bf16: bool) -> str:
    return f"bf16 and {precision}" if bf16 else precision


def _batch_sensitivity(context: GateContext[Any]) -> str:
    """Describe how far predictions depend on the other rows in a batch; empty for fp32."""
    if context.engine.precision == "fp32":
        return ""
    sensitivity = measure_sensitivity(context.engine, context.examples)
    shares = {
        "sentence": f"{sensitivity.labels:.2%} of the labels",
        "labels": f"{sensitivity.label_sets:.2%} of the label sets",
        "tokens": f"{sensitivity.entities:.2%} of the entities",
    }
    changed = " and ".join(shares[head] for head in context.recipe.heads)
    probability = (
        "" if context.recipe.heads == ["tokens"] else f" (a probability by {sensitivity.probability:.3f} at most)"
    )
    return f"; with other rows in the batch {changed} change{probability}, {sensitivity.rows} rows"


def check_smoke(context: GateContext[Any]) -> Check:
    """Check that the bundle reproduces the predictions of its golden rows in a new process without torch."""
    rows = len(context.bundle.manifest.golden)
    result = _run_smoke(context.bundle.folder)
    output = (result.stderr.strip() or result.stdout.strip()).splitlines() or ["(no output)"]
    passed = result.returncode == 0 and rows > 0
    return Check(
        name="smoke",
        measured=f"exit code {result.returncode}, {rows} golden rows",
        required="the golden predictions in a new process without torch",
        passed=passed,
        why="predicts as it did at export" if passed else ("no golden rows" if not rows else output[-1]),
    )


def check_latency(context: GateContext[Any], limit_ms: float) -> Check:
    """Check the 95th percentile of the time per row on this machine, in alternation with the champion."""
    engines = [context.engine]
    comparable = context.opponent is not None and context.champion_bundle.manifest.pair == context.bundle.manifest.pair
    if comparable:
        engines.append(context.champion_engine)
    candidate, *champion = measure_latency(engines, context.examples)
    comparison = f", the champion {champion[0].p95_ms:.1f} ms in the same run" if champion else ""
    passed = candidate.p95_ms <= limit_ms
    return Check(
        name="latency",
        measured=f"p95 {candidate.p95_ms:.1f} ms per row (median {candidate.p50_ms:.1f} ms){comparison}",
        required=f"p95 at most {limit_ms:g} ms",
        passed=passed,
        why="fast enough on this machine" if passed else "above gate.max_p95_ms on this machine",
    )


def check_size(context: GateContext[Any], limit_mb: float) -> Check:
    """Check the size of the ONNX file."""
    size = context.bundle.model_path.stat().st_size / MEGABYTE
    passed = size <= limit_mb
    return Check(
        name="size",
        measured=f"{size:.1f} MB",
        required=f"at most {limit_mb:g} MB",
        passed=passed,
        why="small enough" if passed else "above gate.max_size_mb",
    )


def _run_smoke(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "assay.serving.smoke", str(folder.resolve())]
    return subprocess.run(  # noqa: S603  # our own interpreter and module
        command,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
        check=False,
    )
