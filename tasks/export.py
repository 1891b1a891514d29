"""The export step: export a checkpoint to a bundle, compare it with torch, and choose the precisions that ship."""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.digest import digest_file
from assay.evaluation.export_report import BUNDLE, REPORT, ExportReport, ShippedPrecision, choose_shipped
from assay.evaluation.fitted_predictions import FittedPredictions, fitted_manifest
from assay.evaluation.labelled_predictions import predict_rows, row_of
from assay.evaluation.spaced_rows import evenly_spaced
from assay.models.checkpoint import Checkpoint
from assay.recipes.recipe import DecisionRule, Head, Recipe
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.serving.bundle import (
    FLOAT_MODEL,
    MODEL,
    TOKENIZER,
    Bundle,
    BundleManifest,
    GoldenRow,
    MeasuredPrecision,
    Precision,
    write_manifest,
)
from assay.serving.cpu import cpu_flags
from assay.serving.engine import Engine, Row
from assay.serving.openvino_provider import runs_bf16

PARITY_ROWS = 256
GOLDEN_ROWS = 8
# Texts that break offsets and encodings more often than typical rows.
HARD_TEXTS = (
    "Grüße aus Zürich: Müller & Söhne zahlen 3,5 % 🎉",
    "👩‍🔬 Zoe\u0301 said “no” … twice.",
    "?",
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """The inputs of a bundle.

    `precisions` is the order of preference, if it does not depend on speed. `clusters` is the cluster of each row by
    its id; None uses the row's group.
    """

    recipe: Recipe
    checkpoint: Checkpoint
    snapshot: str
    rows: list[Example]
    precisions: Sequence[Precision] = ()
    clusters: Mapping[str, str] | None = None


@task(name="export", cache_policy=NO_CACHE)
@reported("export")
def export(
    run: Run,
    checkpoint: ArtifactRef[Checkpoint],
    snapshot: ArtifactRef[Snapshot],
    splits: ArtifactRef[Splits],
    precisions: Sequence[Precision] = (),
) -> ArtifactRef[ExportReport]:
    """Export the checkpoint to a bundle, and choose its precisions on validation rows.

    `precisions` is the order of preference of a version that is reproduced: speeds differ from one measurement to the
    next, so that they would choose another precision now and then.

    Returns:
        A folder with `bundle/`, the bundle that ships, and `export.json`.
    """
    inputs = {
        "checkpoint": checkpoint.digest,
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "recipe": recipe_of_bundle(run.recipe),
    }
    data = snapshot.load()
    rows = {"snapshot": data.digest, "splits": splits.load().digest}
    if precisions:
        inputs["precisions"] = list(precisions)

    def make(folder: Path) -> None:
        split = splits.load()
        validation = split.rows(data, "validation")
        source = _Source(run.recipe, checkpoint.load(), data.digest, validation, precisions, split.clusters)
        report = export_bundle(source, folder)
        (folder / REPORT).write_text(report.model_dump_json(indent=2), encoding="utf-8")

    # The precisions that ship and the golden rows depend on the instruction set of the processor.
    content = {**inputs, **rows, "cpu_flags": cpu_flags(), "bf16": runs_bf16()}
    result = run.once("export", inputs, make, content=content).to(ExportReport)
    report = result.load()
    shipped = f"bf16 on CPUs like this one, else {report.precision}" if report.bf16 else report.precision
    current_step().conclude(f"{shipped}, {report.size_mb:.1f} MB")
    return result


def recipe_of_bundle(recipe: Recipe) -> dict[str, Any]:
    """Return the part of a recipe that a bundle depends on, so that other thresholds lead to the same bundle."""
    return recipe.model_dump(
        mode="json",
        include={
            "name": True,
            "model": True,
            "training": True,
            "decision": True,
            "registry": {"name"},
            "gate": {"precision", "precision_max_drop"},
        },
    )


def export_bundle(source: _Source, folder: Path) -> ExportReport:
    """Write the bundle that ships to `folder / BUNDLE`."""
    # Imported here, since torch takes seconds to import and a finished step does not need it.
    from assay.evaluation.parity import compare_with_torch
    from assay.models.bert import pruned_for_export
    from assay.models.deberta import optimised_for_export
    from assay.models.export.onnx_graph import export_graph

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        plain, small = Path(scratch) / "fp32", Path(scratch) / "int8"
        network = source.checkpoint.network(attention="eager")
        with (
            _timed("writing the graph"),
            optimised_for_export(network, source.checkpoint.max_length),
            pruned_for_export(network),
        ):
            plain.mkdir()
            export_graph(
                network,
                plain / MODEL,
                type_ids=source.checkpoint.uses_type_ids,
                max_length=source.checkpoint.max_length,
            )
        engines = _engines(source, plain, small)
        with _timed("predicting and calibrating validation rows"):
            fitted = {precision: _fit(source, engine) for precision, engine in engines.items()}
        with _timed("comparing with torch"):
            parity = compare_with_torch(network, _fitted_engine(plain, fitted), _parity_rows(source))
        with _timed("measuring precisions"):
            measured = _measure_precisions(source, engines, fitted)
        choice = choose_shipped(source.recipe.gate, measured, source.recipe.heads, source.precisions)
        shipped = _ship(choice, plain, small)
        with _timed("choosing decisions"):
            _write_fitted(shipped, fitted, source.recipe.decision)
        _add_golden_rows(source, shipped)
        shutil.move(shipped, folder / BUNDLE)
    return ExportReport(
        **dict(choice),
        parity_max_difference=parity.max_difference,
        parity_labels_equal=parity.predictions_equal,
        parity_rows=parity.rows,
        size_mb=round(sum(graph.stat().st_size for graph in (folder / BUNDLE).glob("*.onnx")) / 1e6, 3),
        training_warnings=source.checkpoint.history.get("warnings", []),
    )


def _finish_bundle(source: _Source, folder: Path, precision: Literal["fp32", "int8"]) -> Engine:
    """Add tokenizer and manifest to a folder that holds a graph, and load it as a server would."""
    checkpoint = source.checkpoint
    shutil.copyfile(checkpoint.tokenizer_path, folder / TOKENIZER)
    manifest = BundleManifest(
        name=source.recipe.registry.name,
        labels=checkpoint.labels,
        tags=checkpoint.tags,
        row_labels=checkpoint.row_labels,
        pair=checkpoint.pair,
        type_ids=checkpoint.uses_type_ids,
        pad_id=checkpoint.pad_id,
        max_length=checkpoint.max_length,
        long_texts=source.recipe.model.long_texts,
        cleaning=checkpoint.cleaning,
        crf=checkpoint.crf,
        precision=precision,
        cpu_flags=cpu_flags(),
        reduced_range=precision == "int8",
        files={name: digest_file(folder / name) for name in (MODEL, TOKENIZER)},
        snapshot=source.snapshot,
        recipe=recipe_of_bundle(source.recipe),
        golden=[],
    )
    write_manifest(folder, manifest)
    return Engine(Bundle.load(folder))


def _engines(source: _Source, plain: Path, small: Path) -> dict[Precision, Engine]:
    """Return the engine of float32, and of those precisions that the recipe allows and this machine can run."""
    wanted = source.recipe.gate.precision
    engines: dict[Precision, Engine] = {"fp32": _finish_bundle(source, plain, "fp32")}
    if not source.rows:
        return engines
    if wanted in ("auto", "bf16") and runs_bf16():
        engines["bf16"] = Engine(Bundle.load(plain), precision="bf16")
    if wanted in ("auto", "int8"):
        from assay.models.export.onnx_graph import quantize_graph

        small.mkdir()
        with _timed("trying int8"):
            quantize_graph(plain / MODEL, small / MODEL)
        engines["int8"] = _finish_bundle(source, small, "int8")
    return engines


def _fit(source: _Source, engine: Engine) -> FittedPredictions:
    """Predict the validation rows, and fit confidences and label thresholds."""
    predicted = predict_rows(engine, source.rows, source.clusters)
    return FittedPredictions.fit(predicted, engine.labels, engine.row_labels)


def _fitted_engine(plain: Path, fitted: Mapping[Precision, FittedPredictions]) -> Engine:
    """Return the engine of float32 that predicts as a server would, label thresholds included."""
    _write_fitted(plain, fitted, {})
    return Engine(Bundle.load(plain))


def _measure_precisions(
    source: _Source, engines: Mapping[Precision, Engine], fitted: Mapping[Precision, FittedPredictions]
) -> list[MeasuredPrecision]:
    """Measure float32 and the other precisions; return an empty list if there is nothing to choose from."""
    if source.recipe.gate.precision == "fp32" or not source.rows:
        return []
    from assay.evaluation.precision_measurement import measure_precisions

    return measure_precisions(engines, source.rows, {precision: one.rows for precision, one in fitted.items()})


def _ship(choice: ShippedPrecision, plain: Path, small: Path) -> Path:
    """Complete the bundle of the chosen precisions, and return its folder."""
    shipped = plain if choice.precision == "fp32" else small
    manifest = Bundle.load(shipped).manifest
    files = dict(manifest.files)
    if choice.bf16 and shipped == small:
        shutil.move(plain / MODEL, shipped / FLOAT_MODEL)
        files[FLOAT_MODEL] = digest_file(shipped / FLOAT_MODEL)
    changes = {"files": files, "bf16": choice.bf16, "measured": choice.measured}
    write_manifest(shipped, manifest.model_copy(update=changes))
    return shipped


def _write_fitted(
    folder: Path, fitted: Mapping[Precision, FittedPredictions], rules: Mapping[Head, DecisionRule]
) -> None:
    """Store confidences, label thresholds and decisions of each precision that ships in the manifest."""
    write_manifest(folder, fitted_manifest(Bundle.load(folder).manifest, fitted, rules))


def _parity_rows(source: _Source) -> list[Row]:
    return [
        *_hard_rows(source),
        *(row_of(row, source.checkpoint.pair) for row in evenly_spaced(source.rows, PARITY_ROWS)),
    ]


def _add_golden_rows(source: _Source, folder: Path) -> None:
    """Predict a few rows in each precision that ships, and store the predictions in the manifest."""
    bundle = Bundle.load(folder)
    labelled = evenly_spaced(source.rows, GOLDEN_ROWS - len(HARD_TEXTS))
    rows = [*_hard_rows(source), *(row_of(row, source.checkpoint.pair) for row in labelled)]
    golden = {"golden": _golden_rows(Engine(bundle, precision=bundle.manifest.precision), rows)}
    if bundle.manifest.bf16:
        golden["golden_bf16"] = _golden_rows(Engine(bundle, precision="bf16"), rows)
    write_manifest(folder, bundle.manifest.model_copy(update=golden))


def _golden_rows(engine: Engine, rows: Sequence[Row]) -> list[GoldenRow]:
    return [
        GoldenRow(
            text=row.text,
            text_pair=row.text_pair,
            label=prediction.label,
            probabilities=list(prediction.probabilities),
            entities=[(entity.start, entity.end, entity.label) for entity in prediction.entities],
            labels=[one.label for one in prediction.labels],
            label_probabilities=list(prediction.label_probabilities),
        )
        for row, prediction in zip(rows, engine.predict(rows), strict=True)
    ]


def _hard_rows(source: _Source) -> list[Row]:
    return [Row(text, HARD_TEXTS[0] if source.checkpoint.pair else None) for text in HARD_TEXTS]


@contextmanager
def _timed(what: str) -> Iterator[None]:
    current_step().show(what)
    start = time.perf_counter()
    yield
    _log.info("export, %s: %.1f s", what, time.perf_counter() - start)
