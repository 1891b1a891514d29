"""The checkpoint of a bundle, found in the store: the bundle holds no weights for torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.evaluation.export_report import BUNDLE
from assay.models.checkpoint import MANIFEST, Checkpoint
from assay.runs.step_result import finished_result
from assay.serving.address import open_bundle
from assay.serving.bundle import MANIFEST as BUNDLE_MANIFEST
from assay.serving.bundle import Bundle, BundleManifest
from assay.serving.engine import Engine, Row


def find_checkpoint(address: str, store: Path, tracking_uri: str | None) -> tuple[Checkpoint, Bundle | None]:
    """Return a checkpoint, and the bundle that was exported from it.

    Args:
        address: folder of a checkpoint, folder of a bundle, or `models:/NAME@ALIAS`.
        store: the store of the run that trained the model.
        tracking_uri: address of MLflow; None uses MLFLOW_TRACKING_URI.

    Raises:
        AssayError: there is no such model, or the store does not hold its checkpoint.
    """
    if (Path(address) / MANIFEST).is_file():
        return Checkpoint.load(Path(address)), None
    bundle = open_bundle(address, tracking_uri=tracking_uri)
    candidates = [checkpoint for run in _runs_of(bundle, store) for checkpoint in _checkpoints(run, bundle.manifest)]
    if nearest := _nearest(candidates, bundle):
        return nearest, bundle
    raise AssayError(
        f"{store} does not hold the checkpoint of {address}; name the store of its run with --store, or train it "
        "again there with assay reproduce"
    )


def _runs_of(bundle: Bundle, store: Path) -> Iterator[Path]:
    """Yield the folders of the runs that exported the bundle."""
    for path in sorted(store.glob(f"**/export-*/{BUNDLE}/{BUNDLE_MANIFEST}")):
        try:
            found = BundleManifest.model_validate_json(path.read_bytes()).digest
        except (OSError, ValueError):
            continue
        if found == bundle.digest:
            yield path.parents[2]


def _checkpoints(run: Path, manifest: BundleManifest) -> Iterator[Checkpoint]:
    """Yield the finished checkpoints of a run with the heads of a bundle: the run may have trained several times."""
    for path in run.glob(f"**/{MANIFEST}"):
        step = next((folder for folder in path.parents if folder.parent == run), path.parent)
        if finished_result(step) is None:
            continue
        checkpoint = Checkpoint.load(path.parent)
        heads = (checkpoint.labels, checkpoint.row_labels, checkpoint.tags)
        if heads == (manifest.labels, manifest.row_labels, manifest.tags):
            yield checkpoint


def _nearest(checkpoints: Sequence[Checkpoint], bundle: Bundle) -> Checkpoint | None:
    """Return the checkpoint whose logits of the golden rows are nearest to those of a bundle.

    Its labels and entities must be equal to those of a float32 bundle. Other precisions may change some.
    """
    # Imported here, since torch takes seconds to import.
    from assay.evaluation.parity import compare_with_torch

    engine = Engine(bundle)
    rows = [Row(row.text, row.text_pair) for row in bundle.manifest.golden]
    compared = [(checkpoint, compare_with_torch(checkpoint.network(), engine, rows)) for checkpoint in checkpoints]
    possible = [
        (parity.max_difference, number)
        for number, (_, parity) in enumerate(compared)
        if parity.predictions_equal or engine.precision != "fp32"
    ]
    return compared[min(possible)[1]][0] if possible else None
