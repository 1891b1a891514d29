"""Predictions of training rows by models of the same recipe that were not trained on them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from assay.corpus.errors import AssayError
from assay.corpus.example import LABEL_KINDS, Example, Head
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import BUNDLE
from assay.evaluation.labels.held_out_rows import HeldOutRow, predict_held_out
from assay.runs.step_progress import current_step
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.tasks.export import export
from assay.tasks.train import train
from assay.tasks.version_rows import VersionRows


def cross_validated_rows(version: VersionRows, store: Path, folds: int) -> Iterator[HeldOutRow]:
    """Yield the training rows that nobody has decided about, each predicted by a model of the other folds.

    The recipe of the version is trained once per fold, without a search. Rows of one cluster are in one fold.
    Validation rows choose the epoch, as in the training of the version; test rows are not used.

    Args:
        version: the version.
        store: store of the runs and corrections.
        folds: number of folds, at least 2.

    Raises:
        AssayError: a fold cannot be trained, or holds all rows of a class, label or entity type.
    """
    undecided = {row.id for row in version.undecided("train", store)}
    snapshot = ArtifactRef[Snapshot](path=version.snapshot.folder, digest=version.snapshot.digest)
    # The folds are removed afterwards, also from where other machines would find them.
    run = version.run.model_copy(update={"shared": None})
    saved = [_save(split_of, version, number) for number, split_of in enumerate(_folds(version.splits, folds), 1)]
    _check(saved, version)
    for number, splits in enumerate(saved, 1):
        current_step().show(f"fold {number} of {folds}")
        checkpoint = train.fn(run, snapshot, splits, attempt=f"fold {number}")
        engine = Engine(Bundle.load(export.fn(run, checkpoint, snapshot, splits).path / BUNDLE))
        rows = [row for row in splits.load().rows(version.snapshot, "test") if row.id in undecided]
        yield from predict_held_out(engine, rows, "train")


def _check(folds: Sequence[ArtifactRef[Splits]], version: VersionRows) -> None:
    """Refuse a fold that holds all rows of a class, label or entity type, which no model of the others would know."""
    heads = version.run.recipe.heads
    known = _names(version.splits.stream(version.snapshot, "train"), heads)
    for number, splits in enumerate(folds, 1):
        if missing := known - _names(splits.load().stream(version.snapshot, "train"), heads):
            head, name = min(missing)
            raise AssayError(
                f"--cross-validate {len(folds)}: all training rows of the {LABEL_KINDS[head]} {name!r} are in fold "
                f"{number}, so that no model of the other folds knows it; use another number of folds, or leave the "
                "option out to look at held-out rows alone"
            )


def _names(rows: Iterable[Example], heads: Collection[Head]) -> set[tuple[Head, str]]:
    """Return the classes, labels and entity types of the rows by head."""
    names: set[tuple[Head, str]] = set()
    for row in rows:
        names |= {("sentence", row.label)} if row.label is not None else set()
        names |= {("labels", name) for name in row.labels or ()}
        names |= {("tokens", entity.label) for entity in row.entities or ()}
    return {(head, name) for head, name in names if head in heads}


def _folds(splits: Splits, folds: int) -> Iterator[dict[str, SplitName]]:
    """Yield the splits of each fold: its rows are test rows, the training rows of all others are training rows."""
    training = splits.ids("train")
    clusters = sorted({splits.clusters[row] for row in training})
    numbers = np.random.default_rng(0).permutation(len(clusters)) % folds
    fold_of = dict(zip(clusters, numbers.tolist(), strict=True))
    validation: dict[str, SplitName] = dict.fromkeys(splits.ids("validation"), "validation")
    for fold in range(folds):
        inside = {row for row in training if fold_of[splits.clusters[row]] == fold}
        yield {**{row: "test" if row in inside else "train" for row in training}, **validation}


def _save(split_of: dict[str, SplitName], version: VersionRows, number: int) -> ArtifactRef[Splits]:
    folder = version.run.folder / f"fold-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    splits = Splits.create(split_of, snapshot=version.snapshot.digest, method="folds", clusters=version.splits.clusters)
    splits.save(folder)
    return ArtifactRef[Splits](path=folder, digest=splits.digest)
