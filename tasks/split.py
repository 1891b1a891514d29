"""The split step: assign every row of a snapshot to a split, near-duplicates together, and record it in the ledger."""

import logging
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.errors import DataError
from assay.corpus.markdown import cell
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SPLIT_NAMES, SplitName, Splits
from assay.corpus.splitting.assignment import Assignment, DocumentIds, SplittingRows, assign, read_rows
from assay.corpus.splitting.duplicates import HashArray
from assay.corpus.splitting.ledger import LEDGER, Ledger, ledger_path, open_ledger
from assay.corpus.splitting.split_warnings import new_ledger, split_warnings
from assay.corpus.splitting.stratify import NO_SPLIT, TRAIN
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.recipe import Recipe
from assay.runs import prefect_artifacts as pages
from assay.runs.run import Run
from assay.runs.step_progress import current_step, reported

PAGE = "split.md"
LABELS_SHOWN = 60

_logger = logging.getLogger(__name__)


@task(name="split", cache_policy=NO_CACHE)
@reported("split")
def split(run: Run, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[Splits]:
    """Split a snapshot into train, validation and test.

    The ledger is read inside the step and is not part of its key, since the step changes it.

    Args:
        run: the run; its recipe defines the split method.
        snapshot: result of the extraction.

    Raises:
        DataError: a split would be empty, there is only one class, a label is in no training row, rows lack the
            published split or the time that the method needs, or the ledger is damaged.
    """
    inputs = {
        "snapshot": snapshot.digest,
        "split": run.recipe.split.model_dump(mode="json"),
        "cleaning": run.recipe.model.cleaning.model_dump(mode="json"),
        "documents": _documents(run.recipe),
        "heads": run.recipe.heads,
    }
    result = run.once("split", inputs, lambda folder: _make(folder, run, snapshot.load())).to(Splits)
    current_step().conclude(_summary(result.load()))
    pages.show_markdown("split", (result.path / PAGE).read_text(encoding="utf-8"), "Rows and labels per split")
    return result


def _summary(splits: Splits) -> str:
    """Return the rows of each split, and the number of excluded rows, in a few words."""
    counts, excluded = splits.manifest.counts, sum(splits.manifest.excluded.values())
    rows = ", ".join(f"{counts[split_name]:,} {split_name}" for split_name in SPLIT_NAMES)
    return f"{rows}, {excluded:,} excluded" if excluded else rows


def _make(folder: Path, run: Run, snapshot: Snapshot) -> None:
    """Write splits, page and the earlier ledger entries of the rows to `folder`, then update the ledger.

    A run that is killed in between finds its own assignment in the ledger when it resumes, and gets the same splits.
    """
    recipe = run.recipe
    _check_classes(recipe, snapshot)
    _check_labels(recipe, snapshot)
    rows = read_rows(snapshot, recipe.split, recipe.model.cleaning, _documents(recipe))
    with open_ledger(ledger_path(run.store, recipe.name), run.shared) as ledger:
        # These entries reproduce the splits, whatever the ledger records later.
        ledger.save_part(_keys(rows), folder / LEDGER)
        assignment = assign(rows, recipe.split, ledger)
        _check_splits(recipe, rows, assignment)
        warnings = split_warnings(recipe.name, recipe.heads, recipe.split, rows, assignment)
        splits = _to_splits(recipe, rows, assignment, ledger, warnings)
        splits.save(folder)
        (folder / PAGE).write_text(_page(splits, rows, assignment), encoding="utf-8")
        remember = recipe.split.remember and recipe.split.method != "published"
        _update_ledger(ledger, rows, assignment, remember=remember)
    for warning in warnings:
        _logger.warning("split: %s", warning)


def _to_splits(
    recipe: Recipe, rows: SplittingRows, assignment: Assignment, ledger: Ledger, warnings: list[str]
) -> Splits:
    ids = rows.snapshot.to_table(["id"])["id"].to_pylist()
    split_of: dict[str, SplitName] = {
        row_id: SPLIT_NAMES[split_name]
        for row_id, split_name in zip(ids, assignment.split_of.tolist(), strict=True)
        if split_name != NO_SPLIT
    }
    first_rows = np.unique(rows.clusters, return_index=True)[1]
    return Splits.create(
        split_of,
        snapshot=rows.snapshot.digest,
        method=recipe.split.method,
        clusters={row_id: ids[first_rows[cluster]] for row_id, cluster in zip(ids, rows.clusters, strict=True)},
        excluded=assignment.excluded,
        ledger=ledger.id,
        seen_in_training=int(assignment.seen.sum()),
        warnings=warnings,
    )


def _documents(recipe: Recipe) -> DocumentIds | None:
    """Return how the ids of sentences identify their document; None if each row is a document."""
    source = recipe.source
    if source.format != "parse":
        return None
    return "positions" if source.fields.id is None and source.kind != "mongo" else "permanent"


def _update_ledger(ledger: Ledger, rows: SplittingRows, assignment: Assignment, *, remember: bool) -> None:
    kinds = len(rows.keys.kinds())
    seen = np.tile(assignment.seen, kinds)
    ledger.record(_keys(rows), np.tile(assignment.split_of, kinds), remember=remember, seen=seen)


def _keys(rows: SplittingRows) -> HashArray:
    """Return every key of every row, one kind after the other."""
    return np.concatenate(rows.keys.kinds())


def _check_classes(recipe: Recipe, snapshot: Snapshot) -> None:
    if not len(snapshot):
        raise DataError("the snapshot holds no rows; check the source and its filter")
    labels = list(snapshot.manifest.labels)
    if "sentence" in recipe.heads and len(labels) < 2:
        classes = f"only the class {labels[0]!r}" if labels else "no class"
        raise DataError(
            f"source.fields.label ({recipe.source.fields.label!r}): the rows hold {classes}, but a sentence head needs "
            "two or more; check the field and the filter, or remove sentence from model.heads"
        )


def _check_labels(recipe: Recipe, snapshot: Snapshot) -> None:
    if "labels" in recipe.heads and not snapshot.manifest.row_labels:
        raise DataError(
            f"source.fields.labels ({recipe.source.fields.labels!r}): no row has a label, but a labels head needs "
            "some; check the field and the filter, or remove labels from model.heads"
        )


def _check_splits(recipe: Recipe, rows: SplittingRows, assignment: Assignment) -> None:
    """Refuse an empty split, and a label of another split that no training row has."""
    for number, split_name in enumerate(SPLIT_NAMES):
        if not (assignment.split_of == number).any():
            clusters = counted(len(np.unique(rows.clusters)), "group")
            excluded = sum(assignment.excluded.values())
            ledger_remedy = (
                f", or, since {excluded} rows are excluded, {new_ledger(recipe.name)}" if assignment.remembered else ""
            )
            raise DataError(
                f"split leaves no {split_name} rows: {counted(len(rows), 'row')} in {clusters} of near-duplicates; "
                f"add rows, or change split.{split_name} or split.method ({recipe.split.method})"
                f"{ledger_remedy if excluded else ''}"
            )
    if recipe.validation.unseen_labels == "count_as_missed":
        return
    counts = rows.labels.by_split(assignment.split_of)
    for label in np.flatnonzero((counts[TRAIN] == 0) & (counts.sum(axis=0) > 0)):
        head, name = rows.labels.names[label]
        if head in recipe.heads:
            kind = "entity type" if head == "tokens" else "label"
            raise DataError(
                f"{kind} {name!r} is in {counts[1, label]} validation and {counts[2, label]} test rows, but in no "
                "training row; add such training rows, remove those rows, set validation.unseen_labels to "
                f"count_as_missed, or change split.method ({recipe.split.method})"
            )


def _page(splits: Splits, rows: SplittingRows, assignment: Assignment) -> str:
    """Return a Markdown page: rows per split, excluded rows, and the distribution of each label over the splits."""
    manifest = splits.manifest
    total = sum(manifest.counts.values())
    lines = [f"## Split ({cell(manifest.method)})", "", "| split | rows | share |", "|---|---:|---:|"]
    lines += [f"| {split_name} | {count:,} | {count / total:.1%} |" for split_name, count in manifest.counts.items()]
    lines += [f"| excluded: {cell(reason)} | {count:,} | |" for reason, count in manifest.excluded.items()]
    new = total - assignment.remembered
    lines += ["", f"Rows with a previous assignment: {assignment.remembered:,}; new: {new:,}."]
    if manifest.seen_in_training:
        lines += ["", f"Test rows that an earlier run trained on: {manifest.seen_in_training:,}."]
    lines += [line for warning in manifest.warnings for line in ("", f"**Warning**: {cell(warning)}")]
    return "\n".join([*lines, "", *_label_lines(rows, assignment)]) + "\n"


def _label_lines(rows: SplittingRows, assignment: Assignment) -> list[str]:
    counts = rows.labels.by_split(assignment.split_of)
    totals = counts.sum(axis=0)
    lines = ["| head | label | rows | train | validation | test |", "|---|---|---:|---:|---:|---:|"]
    named = [(number, head, name) for number, (head, name) in enumerate(rows.labels.names) if head is not None]
    for number, head, name in named[:LABELS_SHOWN]:
        shares = " | ".join(f"{count / max(1, totals[number]):.1%}" for count in counts[:, number])
        lines.append(f"| {head} | {cell(name)} | {totals[number]:,} | {shares} |")
    if len(named) > LABELS_SHOWN:
        lines += ["", f"{counted(len(named) - LABELS_SHOWN, 'more label')} not shown."]
    return lines
