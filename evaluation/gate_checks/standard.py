"""The gate's checks of the candidate by itself: data, score, parity, int8, smoke, latency, size."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from assay.corpus.child_process import child_environment
from assay.evaluation.batch_sensitivity import measure_sensitivity
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.latency import measure_latency
from assay.evaluation.metrics import HEAD_F1
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

SMOKE_SECONDS = 120
MEGABYTE = 1_000_000


def check_data(context: GateContext[Any]) -> Check:
    """Every expectation marked critical was met."""
    checks, failed = context.validation.checks, context.validation.critical_failed
    sound = "the data are sound" if checks else "no check was made"
    return Check(
        name="data",
        measured=f"{len(failed)} of {len(checks)} checks failed critically",
        required="no critical check failed",
        passed=bool(checks) and not failed,
        why="; ".join(f"{check.name}: {check.why}" for check in failed) or sound,
    )


def check_score(context: GateContext[Any], head: Head) -> Check:
    """F1 of a head on the test rows reaches the recipe's threshold."""
    least = context.rules.min_f1[head]
    interval = context.evaluation.intervals.get(head)
    required = f"{HEAD_F1[head]} at least {least:g}"
    if interval is None:
        why = context.evaluation.left_out.get(head, "the bundle has no such head")
        return Check(name=f"score: {head}", measured="no figure", required=required, passed=False, why=why)
    passed = interval.value >= least
    below = f"below gate.min_f1.{head} by {least - interval.value:.3f}"
    why = "reaches the threshold" if passed else "; ".join([below, *context.export.training_warnings])
    return Check(name=f"score: {head}", measured=str(interval), required=required, passed=passed, why=why)


def check_rollback(context: GateContext[Any]) -> list[Check]:
    """Refuse a bundle that a rollback took down; no check where none did. Where a person must approve, that decides."""
    if context.rolled_back is None:
        return []
    asked = context.rules.approval == "required"
    remedy = "a person must approve it" if asked else "train another model, or promote it with --force REASON"
    return [
        Check(
            name="rollback",
            measured="rolled back",
            required="a bundle that was not rolled back",
            passed=asked,
            why=f"{context.rolled_back}; {remedy}",
            tested=not asked,
        )
    ]


def check_parity(context: GateContext[Any]) -> Check:
    """Torch and the exported graph (fp32) give the same answers."""
    report, tolerance = context.export, context.rules.parity_tolerance
    close = report.parity_max_difference <= tolerance
    labels = "the same labels" if report.parity_labels_equal else "other labels"
    faults = [] if close else ["the logits differ by more than gate.parity_tolerance"]
    faults += [] if report.parity_labels_equal else ["the exported graph answers otherwise than the trained network"]
    return Check(
        name="parity",
        measured=f"logits differ by {report.parity_max_difference:.1e} at most, {labels}, {report.parity_rows} rows",
        required=f"at most {tolerance:g}, the same labels",
        passed=not faults and report.parity_rows > 0,
        why="; ".join(faults) or ("the export is faithful" if report.parity_rows else "no row was compared"),
    )


def check_int8(context: GateContext[Any]) -> Check:
    """An int8 bundle loses no more F1 (on validation rows) than the recipe allows; else float32 ships."""
    report, limit = context.export, context.rules.int8_max_drop
    shipped = context.bundle.manifest.precision
    drops = dict(report.int8.drop) if report.int8 else {}
    faults = [] if shipped == report.precision else [f"the bundle is {shipped}, but export chose {report.precision}"]
    if shipped == "int8":
        faults += ["gate.int8 is off"] if context.rules.int8 == "off" else []
        faults += [f"int8 was not measured for {head}" for head in context.recipe.heads if head not in drops]
        faults += [f"F1 of {head} falls by more than gate.int8_max_drop" for head in drops if drops[head] > limit]
    fall = ", ".join(f"{drop:+.4f} ({head})" for head, drop in drops.items())
    return Check(
        name="int8",
        measured=f"{shipped} ships; fall of F1 by int8: {fall or 'not measured'}{_composition(context)}",
        required=f"int8 falls by at most {limit:g}, or fp32 ships",
        passed=not faults,
        why="; ".join(faults) or report.why,
    )


def _composition(context: GateContext[Any]) -> str:
    """Say how far the predictions of an int8 bundle depend on the rows that share a batch."""
    if context.bundle.manifest.precision != "int8":
        return ""
    found = measure_sensitivity(context.engine, context.examples)
    shares = {"sentence": f"{found.labels:.2%} of the labels", "tokens": f"{found.entities:.2%} of the entities"}
    changed = " and ".join(shares[head] for head in context.recipe.heads)
    moved = f" (a probability by {found.probability:.3f} at most)" if "sentence" in context.recipe.heads else ""
    return f"; with other rows in the batch {changed} change{moved}, {found.rows} rows"


def check_smoke(context: GateContext[Any]) -> Check:
    """The bundle answers its golden rows in a fresh process that has no torch loaded."""
    rows = len(context.bundle.manifest.golden)
    result = _run_smoke(context.bundle.folder)
    said = (result.stderr.strip() or result.stdout.strip()).splitlines() or ["it said nothing"]
    passed = result.returncode == 0 and rows > 0
    return Check(
        name="smoke",
        measured=f"exit code {result.returncode}, {rows} golden rows",
        required="the golden answers in a fresh process without torch",
        passed=passed,
        why="answers as it did at export" if passed else ("no golden rows" if not rows else said[-1]),
    )


def check_latency(context: GateContext[Any], most_ms: float) -> Check:
    """95th percentile of a single row, on this machine, now; the champion takes turns with the candidate."""
    engines = [context.engine]
    rival = context.rival is not None and context.champion_bundle.manifest.pair == context.bundle.manifest.pair
    if rival:
        engines.append(context.champion_engine)
    ours, *theirs = measure_latency(engines, context.examples)
    beside = f", the champion {theirs[0].p95_ms:.1f} ms in the same run" if theirs else ""
    passed = ours.p95_ms <= most_ms
    return Check(
        name="latency",
        measured=f"p95 {ours.p95_ms:.1f} ms a row (median {ours.p50_ms:.1f} ms){beside}",
        required=f"p95 at most {most_ms:g} ms",
        passed=passed,
        why="fast enough on this machine" if passed else "above gate.max_p95_ms on this machine",
    )


def check_size(context: GateContext[Any], most_mb: float) -> Check:
    """Size of the ONNX file."""
    size = context.bundle.model_path.stat().st_size / MEGABYTE
    passed = size <= most_mb
    return Check(
        name="size",
        measured=f"{size:.1f} MB",
        required=f"at most {most_mb:g} MB",
        passed=passed,
        why="small enough" if passed else "above gate.max_size_mb",
    )


def _run_smoke(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assay.serving.smoke", str(folder.resolve())]
    return subprocess.run(  # noqa: S603  # our own interpreter and module
        command,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=SMOKE_SECONDS,
        check=False,
    )
