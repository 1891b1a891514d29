"""What `assay init` says about a sample: a summary, and a line for each field."""

from collections import Counter
from collections.abc import Iterator

from assay.corpus.documents.annotators.recognised import ANNOTATIONS, NAMES
from assay.corpus.plural import counted
from assay.recipes.proposal.field_content import content
from assay.recipes.proposal.field_roles import is_class
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.proposed_recipe import Proposal
from assay.recipes.recipe import ENOUGH_ROWS

SHOWN = 5


def summary_lines(proposal: Proposal, documents: int, *, whole: bool) -> Iterator[str]:
    """Yield what the sample is: documents, rows, splits, classes and entity types."""
    facts = proposal.facts
    yield f"{'all' if whole else 'a sample of'} {counted(documents, 'document')}: {counted(facts.rows, 'row')}"
    if proposal.is_small:
        yield f"so few rows are enough to try a recipe out, but not to test a model: add rows, to {ENOUGH_ROWS} or more"
    if proposal.layout.format.is_of_tool:
        yield f"these are {NAMES[proposal.layout.format.format]}"
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
        use = layout.used.get(name) or uses.get(name) or ("annotations" if _is_annotation(name, layout) else "-")
        yield name or "(no name)", content(profile), use
    for name, use in layout.used.items():
        if "[]." in name:
            yield name, "", use


def _is_annotation(name: str, layout: DocumentLayout) -> bool:
    return name.partition(".")[0] in ANNOTATIONS.get(layout.format.format, ())


def _counted(counts: Counter[str]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(SHOWN))
    return shown + (f", and {len(counts) - SHOWN} more" if len(counts) > SHOWN else "")
