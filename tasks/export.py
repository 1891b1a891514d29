"""The export step: export a checkpoint to a bundle, compare it with torch, and choose between fp32 and int8."""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
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
from assay.evaluation.export_report import BUNDLE, REPORT, ExportReport, Int8Comparison, choose_precision
from assay.evaluation.labelled_predictions import row_of
from assay.models.checkpoint import Checkpoint
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported
from assay.serving.bundle import MODEL, TOKENIZER, Bundle, BundleManifest, GoldenRow, write_manifest
from assay.serving.cpu import cpu_flags
from assay.serving.engine import Engine, Row

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
    """The inputs of a bundle."""

    recipe: Recipe
    checkpoint: Checkpoint
    snapshot: str
    rows: list[Example]


@task(name="export", cache_policy=NO_CACHE)
@reported("export")
def export(
    run: Run, checkpoint: ArtifactRef[Checkpoint], snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]
) -> ArtifactRef[ExportReport]:
    """Export the checkpoint to a bundle, and decide on validation rows whether to ship int8.

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

    def make(folder: Path) -> None:
        validation = splits.load().rows(data, "validation")
        source = _Source(run.recipe, checkpoint.load(), data.digest, validation)
        report = export_bundle(source, folder)
        (folder / REPORT).write_text(report.model_dump_json(indent=2), encoding="utf-8")

    # The precision that ships and the golden rows depend on the instruction set of the processor.
    content = {**inputs, **rows, "cpu_flags": cpu_flags()}
    result = run.once("export", inputs, make, content=content).to(ExportReport)
    report = result.load()
    current_step().conclude(f"{report.precision}, {report.size_mb:.1f} MB")
    return result


def recipe_of_bundle(recipe: Recipe) -> dict[str, Any]:
    """Return the part of a recipe that a bundle depends on, so that other thresholds lead to the same bundle."""
    return recipe.model_dump(
        mode="json",
        include={
            "name": True,
            "model": True,
            "training": True,
            "registry": {"name"},
            "gate": {"int8", "int8_max_drop"},
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
        engine = _finish_bundle(source, plain, "fp32")
        with _timed("comparing with torch"):
            parity = compare_with_torch(network, engine, _parity_rows(source))
        with _timed("trying int8"):
            comparison = _try_int8(source, plain, small, engine)
        precision, why = choose_precision(source.recipe.gate, comparison, source.recipe.heads)
        shipped = plain if precision == "fp32" else small
        _add_golden_rows(source, shipped)
        shutil.move(shipped, folder / BUNDLE)
    return ExportReport(
        parity_max_difference=parity.max_difference,
        parity_labels_equal=parity.predictions_equal,
        parity_rows=parity.rows,
        precision=precision,
        int8=comparison,
        size_mb=round((folder / BUNDLE / MODEL).stat().st_size / 1e6, 3),
        why=why,
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


def _try_int8(source: _Source, plain: Path, small: Path, engine: Engine) -> Int8Comparison | None:
    if source.recipe.gate.int8 == "off" or not source.rows:
        return None
    from assay.evaluation.parity import compare_precisions
    from assay.models.export.onnx_graph import quantize_graph

    small.mkdir()
    quantize_graph(plain / MODEL, small / MODEL)
    return compare_precisions(engine, _finish_bundle(source, small, "int8"), source.rows)


def _parity_rows(source: _Source) -> list[Row]:
    return [*_hard_rows(source), *(row_of(row, source.checkpoint.pair) for row in _spread(source.rows, PARITY_ROWS))]


def _add_golden_rows(source: _Source, folder: Path) -> None:
    """Predict a few rows with the graph that ships, and store the predictions in the manifest."""
    bundle = Bundle.load(folder)
    labelled = _spread(source.rows, GOLDEN_ROWS - len(HARD_TEXTS))
    rows = [*_hard_rows(source), *(row_of(row, source.checkpoint.pair) for row in labelled)]
    golden = [
        GoldenRow(
            text=row.text,
            text_pair=row.text_pair,
            label=prediction.label,
            probabilities=list(prediction.probabilities),
            entities=[(entity.start, entity.end, entity.label) for entity in prediction.entities],
        )
        for row, prediction in zip(rows, Engine(bundle).predict(rows), strict=True)
    ]
    write_manifest(folder, bundle.manifest.model_copy(update={"golden": golden}))


def _hard_rows(source: _Source) -> list[Row]:
    return [Row(text, HARD_TEXTS[0] if source.checkpoint.pair else None) for text in HARD_TEXTS]


def _spread(rows: Sequence[Example], count: int) -> list[Example]:
    """Return `count` evenly spaced rows, since a source may be ordered by class."""
    step = max(1, len(rows) // count)
    return list(rows[::step][:count])


@contextmanager
def _timed(what: str) -> Iterator[None]:
    current_step().show(what)
    start = time.perf_counter()
    yield
    _log.info("export, %s: %.1f s", what, time.perf_counter() - start)
