"""What `assay init` says about a sample: a summary, and a line for each field."""

from collections import Counter
from collections.abc import Iterator

from assay.recipes.proposal.document_layout import DocumentLayout
from assay.recipes.proposal.field_profile import MAX_VALUES, FieldProfile
from assay.recipes.proposal.field_roles import MOST_SLICE_VALUES, is_class
from assay.recipes.proposal.proposed_recipe import Proposal

SHOWN = 5
_HOLDS = {
    "words": "lists of words",
    "objects": "lists of objects",
    "list": "lists",
    "object": "objects",
    "time": "times",
    "id": "ids",
    "boolean": "true or false",
}


def summary_lines(proposal: Proposal, documents: int, *, whole: bool) -> Iterator[str]:
    """Yield what the sample is: documents, rows, splits, classes and entity types."""
    facts = proposal.facts
    yield f"{'all' if whole else 'a sample of'} {documents:,} documents: {facts.rows:,} rows"
    if facts.splits:
        yield f"published splits: {_counted(facts.splits)}"
    if facts.classes:
        yield f"classes: {_counted(facts.classes)}"
    if facts.row_labels:
        yield f"labels: {_counted(facts.row_labels)}"
    if facts.entity_types:
        yield f"entity types: {_counted(facts.entity_types)}"


def field_lines(layout: DocumentLayout) -> Iterator[tuple[str, str, str]]:
    """Yield name, content and use of each field."""
    roles = layout.roles
    uses = {roles.label: "class", roles.id: "id", roles.group: "group", roles.time: "time", roles.split: "split"}
    for name in roles.slices:
        # Rows with entities need no class, so a column with few values is one only if its name says so.
        may_be_class = roles.label is None and is_class(layout.profiles[name])
        uses[name] = f"slice (--label {name}: class)" if may_be_class else "slice"
    for name, profile in layout.profiles.items():
        yield name, _content(profile), layout.used.get(name) or uses.get(name) or "-"
    for name, use in layout.used.items():
        if "[]." in name:
            yield name, "", use


def _content(profile: FieldProfile) -> str:
    missing = "" if profile.share == 1 else f", {1 - profile.share:.0%} empty"
    kind = profile.kind
    if kind in _HOLDS:
        return _HOLDS[kind] + missing
    if profile.distinct <= SHOWN:
        return ", ".join(profile.counts) + missing
    number = f"{profile.distinct:,}{'+' if profile.distinct >= MAX_VALUES else ''} different"
    if kind == "text" and profile.distinct > MOST_SLICE_VALUES and profile.with_spaces > 0.3 * profile.present:
        return f"texts of {profile.mean_length:.0f} characters{missing}"
    return f"{number} {'numbers' if kind == 'number' else 'values'}{missing}"


def _counted(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(SHOWN))
    return shown + (f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")
