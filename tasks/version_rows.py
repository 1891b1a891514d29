"""The rows of a registered version with predictions that have not learned from them."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from assay.corpus.example import Example
from assay.corpus.overlay import Overlay, overlay_path, read_overlay
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.evaluation.labels.held_out_rows import HeldOutRow, predict_held_out
from assay.evaluation.labels.task_formats import LabelNames
from assay.registry.lineage.version_lineage import lineages
from assay.runs.run import Run
from assay.runs.step_progress import current_step
from assay.serving.bundle import Bundle, BundleManifest
from assay.serving.engine import Engine
from assay.tasks.find_reference import Champion, champion_of
from assay.tasks.find_snapshot import find_snapshot

HELD_OUT: tuple[SplitName, ...] = ("validation", "test")


@dataclass(frozen=True)
class VersionRows:
    """A version with its data: the rows are read while the block of `open_version` lasts."""

    champion: Champion
    run: Run
    snapshot: Snapshot
    splits: Splits
    bundle: Bundle
    engine: Engine

    @property
    def names(self) -> LabelNames:
        """Classes and entity types of the model."""
        return names_of(self.engine.manifest)

    def labelled(self, store: Path) -> Iterator[Example]:
        """Yield the rows that have labels: those of the snapshot, and those that people have added since."""
        yield from self.snapshot.examples()
        for row_id, correction in self._overlay(store).latest.items():
            if correction.added is not None:
                yield Example(row_id, correction.added.text, correction.added.text_pair)

    def undecided(self, split_name: SplitName, store: Path) -> list[Example]:
        """Return the rows of a split that no person has decided about since; a decision about an older text is none."""
        overlay = self._overlay(store)
        return [row for row in self.splits.stream(self.snapshot, split_name) if overlay.of(row) is None]

    def _overlay(self, store: Path) -> Overlay:
        return read_overlay(overlay_path(store, self.champion.recipe.name), self.run.shared)


@contextmanager
def open_version(model: str, tracking_uri: str, store: Path) -> Iterator[VersionRows]:
    """Find rows, splits and bundle of a version; rows that were fetched are removed when the block ends.

    A second call for the same version waits for the first, whose rows it would remove.

    Raises:
        AssayError: there is no such version, it has no lineage, or its rows are no longer available.
    """
    with lineages(tracking_uri, model) as (lineage,):
        champion = champion_of(lineage, tracking_uri)
        key = f"{champion.name}-{champion.number}"
        folder = store / "labels" / key
        run = Run(
            key=key,
            recipe=champion.recipe,
            store=folder,
            tracking_uri=tracking_uri,
            mlflow_run=champion.mlflow_run,
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{key}.lock")):
            try:
                snapshot = Snapshot.load(find_snapshot.fn(run, lineage, store).path)
                bundle = champion.open()
                yield VersionRows(champion, run, snapshot, lineage.splits, bundle, Engine(bundle))
            finally:
                shutil.rmtree(folder, ignore_errors=True)


def held_out_rows(version: VersionRows, store: Path) -> list[HeldOutRow]:
    """Return the validation and test rows that nobody has decided about, predicted by the bundle of the version."""
    rows: list[HeldOutRow] = []
    for split_name in HELD_OUT:
        examples = version.undecided(split_name, store)
        current_step().show(f"predicting {len(examples):,} {split_name} rows")
        rows += predict_held_out(version.engine, examples, split_name)
    return rows


def names_of(manifest: BundleManifest) -> LabelNames:
    """Return the classes, labels and entity types of a bundle."""
    return LabelNames(
        classes=manifest.labels,
        entity_types=manifest.entity_types,
        pair=manifest.pair,
        row_labels=manifest.row_labels,
    )
