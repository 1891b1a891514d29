"""The check that `source.label_map` matches the labels of the rows."""

import difflib
from collections.abc import Mapping

from assay.corpus.documents.values import folded
from assay.corpus.plural import counted
from assay.corpus.snapshot import Snapshot
from assay.expectations.validation_report import CheckResult, describe_ids
from assay.recipes.recipe import Recipe
from assay.recipes.yaml_booleans import misread_name, quote_hint

NAME = "label map"
_BOOLEANS = ("true", "false")


def label_map_checks(snapshot: Snapshot, recipe: Recipe) -> list[CheckResult]:
    """Return one check if the recipe maps labels, else none.

    An entry that matches no label of the source may belong to a rare class, even if other entries give the same
    name, and a label without an entry may keep its name. Both together are a typo, which would create another class:
    that stops the run.
    """
    mapping, label_counts = recipe.source.label_map, snapshot.manifest.labels | snapshot.manifest.row_labels
    if not mapping or not label_counts:
        return []
    allowed = {*mapping.values(), *(recipe.validation.labels or ()), *(recipe.validation.row_labels or ())}
    unmapped = [label for label in label_counts if label not in allowed]
    unused = [key for key in mapping if key not in snapshot.manifest.label_keys]
    meant = {label: entry for label in unmapped if (entry := _same_but_for_case(label, unused)) is not None}
    parts = [
        _other_case(label, label_counts[label], meant[label])
        if label in meant
        else _unmapped(label, label_counts[label], mapping, unused)
        for label in unmapped
    ]
    # The others are the entries of labels that are spelled differently.
    alone = [entry for entry in unused if entry not in meant.values()]
    parts += [_unused(alone)] * bool(alone)
    return [
        CheckResult(
            name=NAME,
            severity="critical" if unmapped and unused else "warning",
            passed=not parts,
            measured=f"{counted(len(unmapped), 'label')} without an entry, "
            f"{counted(len(unused), 'entry', 'entries')} without a row",
            required="an entry for each label, a row for each entry (source.label_map)",
            why="; ".join(parts),
            invalid_ids=[*unmapped, *unused][:20],
            invalid_count=len(unmapped) + len(unused),
        )
    ]


def _same_but_for_case(label: str, entries: list[str]) -> str | None:
    """Return the entry that has the same letters as a label, in another case or with other white space."""
    return next((entry for entry in entries if folded(entry) == folded(label)), None)


def _other_case(label: str, rows: int, entry: str) -> str:
    plain = folded(label)
    quotes = f" in quotes (YAML reads it as {plain} without)" if plain in _BOOLEANS and label != plain else ""
    fold = ", or set source.fold_labels: true" if entry == plain else ""
    differs = f"but {entry!r} differs from it by case or white space alone"
    return f"{_without_entry(label, rows)}, {differs}: write {label!r}{quotes}{fold}"


def _unmapped(label: str, rows: int, mapping: Mapping[str, str], unused: list[str]) -> str:
    for entry in unused:
        if misread_name(entry, [label]) is not None:
            return f"{_without_entry(label, rows)}, but {entry!r} is one: {quote_hint(entry, label)}"
    near = difflib.get_close_matches(label, unused or list(mapping), n=1, cutoff=0.3)
    likely = f"correct the entry {near[0]!r}, or " if near else ""
    return f"{_without_entry(label, rows)}, which becomes a class of its own; {likely}add {label!r}: {label!r}"


def _without_entry(label: str, rows: int) -> str:
    return f"no entry of source.label_map names the label {label!r} of {counted(rows, 'row')}"


def _unused(keys: list[str]) -> str:
    named = describe_ids(keys, len(keys))
    return f"no row has the label of the entries {named} of source.label_map; correct or remove them"
