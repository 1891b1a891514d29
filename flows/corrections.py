"""Take corrections of labels into the overlay of a recipe."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel

from assay.corpus.documents.label_values import LabelValues
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.overlay import Correction, Overlay, corrected, extend_overlay, is_complete, overlay_path
from assay.corpus.plural import counted
from assay.corpus.returned_labels import ReturnedLabels, match_rows, read_documents, tool_of
from assay.corpus.returned_parts import ReadingRules
from assay.corpus.returned_remedies import correction_remedy
from assay.corpus.snapshot import Snapshot
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.object_store import shared_store
from assay.recipes.recipe import Recipe
from assay.runs.run_states import newest_run
from assay.runs.step_result import newest_result

REJECTS_SHOWN = 5


class RejectedCorrection(BaseModel):
    """A returned row that cannot be used, why, and what to do."""

    id: str
    reason: str
    remedy: str


class CorrectionReport(BaseModel):
    """What became of the rows of a file of corrections.

    `corrected` counts those whose labels change, by the split of the row in the newest run ("" for a row without a
    split), `confirmed` those that someone looked at and left, `added` rows that the source does not hold. `undecided`
    rows came back as they were sent. `older` decisions were made before another one about the same row that is known or
    in the file, and change nothing. `incomplete` counts the added rows that lack something that the recipe reads, which
    no run uses before people have labelled that, too. `overlay` is the digest of all corrections of the recipe, which
    snapshots record; None as long as they change nothing.
    """

    recipe: str
    tool: str
    corrected: dict[SplitName | str, int]
    confirmed: int
    added: int
    incomplete: int
    undecided: int
    older: int
    rejected: list[RejectedCorrection]
    overlay: str | None
    file: Path


def apply_corrections(
    recipe: Recipe,
    store: Path,
    path: str,
    *,
    tool: str | None = None,
    author: str | None = None,
    id_field: str | None = None,
    new_labels: bool = False,
    file_settings: FileSettings | None = None,
) -> CorrectionReport:
    """Read what annotation tools export, and keep what people decided about the rows of a recipe.

    The source stays as it is. The next run of the recipe reads its rows with these corrections.

    Args:
        recipe: the recipe; its newest run says which rows there are.
        store: folder of runs and corrections.
        path: file or glob of an export.
        tool: the tool that wrote it; None recognises it.
        author: who decided, where the export does not say it. None: the user of this computer.
        id_field: field of the rows' ids; None looks where tasks of `assay labels` keep it.
        new_labels: accept classes, labels and entity types that no row of the recipe has.
        file_settings: how the files are read; None recognises it.

    Raises:
        AssayError: no run has read the rows of the recipe, the file cannot be read, or no row of it can be used.
    """
    run = newest_run(recipe.name, store)
    extracted = run and newest_result(run, "extract")
    if extracted is None or run is None:
        raise AssayError(
            f"no run of {recipe.name} in {store} has read its rows, which corrections are checked against; run assay "
            "run RECIPE --until extract"
        )
    splits = newest_result(run, "split")
    split_of = Splits.load(splits).split_of if splits else {}
    snapshot = Snapshot.load(extracted)
    rows, documents = list(snapshot.examples()), read_documents(path, file_settings or FileSettings())
    tool = tool_of(documents, path, tool, id_field)
    returned = ReturnedLabels(tool)

    def decide(overlay: Overlay) -> list[Correction]:
        nonlocal returned
        known = overlay.renamed(LabelValues(recipe.source, renamed=True))
        rules = _rules(recipe, snapshot, known, author, id_field, new_labels=new_labels)
        returned = match_rows(documents, tool, _present_rows(rows, known, rules), known, rules, Path(path))
        _check_useful(returned, path)
        return returned.corrections

    file = overlay_path(store, recipe.name)
    overlay = extend_overlay(file, decide, shared_store())
    return _report(recipe, returned, split_of, overlay, file)


def _check_useful(returned: ReturnedLabels, path: str) -> None:
    """Check that a row can be used, or need not be.

    Raises:
        AssayError: all of them are rejected.
    """
    if returned.rejected and not (returned.corrections or returned.undecided or returned.older):
        row_id, reason = returned.rejected[0]
        unusable = f"{counted(len(returned.rejected), 'row')}, none of which can be used"
        raise AssayError(f"{path}: {unusable}; {row_id}: {reason}; {correction_remedy(reason)}")


def _rules(
    recipe: Recipe,
    snapshot: Snapshot,
    overlay: Overlay,
    author: str | None,
    id_field: str | None,
    *,
    new_labels: bool,
) -> ReadingRules:
    manifest, corrections = snapshot.manifest, overlay.latest.values()
    classes = {*manifest.labels, *(one.label for one in corrections if one.label is not None)}
    row_labels = {*manifest.row_labels, *(label for one in corrections for label in one.labels or ())}
    types = {*manifest.entity_labels, *(entity.label for one in corrections for entity in one.entities or ())}
    return ReadingRules(
        heads=recipe.heads,
        classes=None if new_labels else classes,
        row_labels=None if new_labels else row_labels,
        entity_types=None if new_labels else types,
        source=recipe.source,
        id_field=id_field,
        author=author,
    )


def _present_rows(rows: Iterable[Example], overlay: Overlay, rules: ReadingRules) -> dict[str, Example]:
    """Return the rows of the newest run, with the corrections of their texts that were made since."""
    return {
        row.id: row if (correction := overlay.of(row)) is None else corrected(row, correction, rules.heads)
        for row in rows
    }


def _report(
    recipe: Recipe, returned: ReturnedLabels, split_of: dict[str, SplitName], overlay: Overlay, file: Path
) -> CorrectionReport:
    added = [correction for correction in returned.latest.values() if correction.decision == "added"]
    changed = Counter(
        split_of.get(row, "") for row, correction in returned.latest.items() if correction.decision == "corrected"
    )
    return CorrectionReport(
        recipe=recipe.name,
        tool=returned.tool,
        corrected=dict(sorted(changed.items())),
        confirmed=returned.counts["confirmed"],
        added=len(added),
        incomplete=sum(not is_complete(correction, recipe.heads) for correction in added),
        undecided=returned.undecided,
        older=returned.older,
        rejected=[
            RejectedCorrection(id=row_id, reason=reason, remedy=correction_remedy(reason))
            for row_id, reason in returned.rejected
        ],
        overlay=overlay.digest,
        file=file,
    )
