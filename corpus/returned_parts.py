"""What a returned row says about its labels, as far as a recipe reads and accepts it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs
from assay.corpus.documents.annotators.decisions import is_task_of_assay, reviews_of
from assay.corpus.documents.annotators.label_studio import is_full_task
from assay.corpus.documents.annotators.tool_offsets import layout_of_tool, read_tool_entities
from assay.corpus.documents.fields import DocumentFormat, EntityFields, Fields
from assay.corpus.documents.label_values import LabelValues, NoLabelError
from assay.corpus.documents.values import MISSING, UnreadableError, get_path
from assay.corpus.entity import Entity
from assay.corpus.example import Example, Head
from assay.corpus.overlay import Correction
from assay.corpus.storage.digest import digest_json

T = TypeVar("T")
NO_LABEL = ""
# Where tasks of Assay keep the second text.
_PAIRS = ("data.text_pair", "task.data.text_pair", "fields.text_pair", "text_pair")


class Parts(NamedTuple):
    """What a head each learns of a row; None where nothing is said about it."""

    label: str | None = None
    labels: tuple[str, ...] | None = None
    entities: tuple[Entity, ...] | None = None

    @classmethod
    def of(cls, labelled: Correction | Example | None) -> "Parts":
        """Return the parts of a correction or a row; none without one."""
        return cls() if labelled is None else cls(labelled.label, labelled.labels, labelled.entities)

    @property
    def are_empty(self) -> bool:
        """Return whether nothing is labelled."""
        return not any(self)

    @property
    def digest(self) -> str:
        """Return a digest of what is labelled, by which a tool's document shows whether somebody has changed it."""
        entities = [[entity.start, entity.end, entity.label] for entity in self.entities or ()]
        return digest_json([self.label, self.labels or (), entities])[:16]

    def unlike(self, others: "Parts") -> "Parts":
        """Return the parts that differ from others."""
        return Parts(
            None if self.label == others.label else self.label,
            None if self.labels == others.labels else self.labels,
            None if self.entities == others.entities else self.entities,
        )

    def over(self, others: "Parts") -> "Parts":
        """Return these parts, and others where there are none."""
        return Parts(
            others.label if self.label is None else self.label,
            others.labels if self.labels is None else self.labels,
            others.entities if self.entities is None else self.entities,
        )


class Said(NamedTuple):
    """What a person said of each part of a row: None for nothing, `NO_LABEL` for a label that means none."""

    label: str | None = None
    labels: tuple[str, ...] | str | None = None
    entities: tuple[Entity, ...] | None = None

    @property
    def parts(self) -> Parts:
        """What the heads learn."""
        label, labels = (None if said == NO_LABEL else said for said in (self.label, self.labels))
        return Parts(label, labels, self.entities)  # type: ignore[arg-type]  # labels are text only where they are none


@dataclass(frozen=True)
class ReadingRules:
    """What a recipe reads of a returned row, and what it accepts.

    Attributes:
        heads: heads of the recipe.
        classes: known classes; None accepts any.
        row_labels: known labels of which a row may have several; None accepts any.
        entity_types: known entity types; None accepts any.
        source: format of the recipe's documents, for projects that it reads itself, and for the names of labels.
        id_field: field of the row's id; None looks where tasks keep it.
        author: who decided, where the tool does not say it; None is the user of this computer.
    """

    heads: Collection[Head]
    classes: Collection[str] | None = None
    row_labels: Collection[str] | None = None
    entity_types: Collection[str] | None = None
    source: DocumentFormat = field(default_factory=DocumentFormat)
    id_field: str | None = None
    author: str | None = None

    def label_values(self, values: Mapping[str, Any], tool: str) -> LabelValues:
        """Return the reader of the labels of a document, in which people may have chosen among the new names."""
        return LabelValues(self.source, renamed=not self.is_of_source(values, tool), tool=tool)

    def is_of_source(self, values: Mapping[str, Any], tool: str) -> bool:
        """Return whether a document is of a project that the recipe reads, and not a task of Assay."""
        return self.source.format == tool and not is_task_of_assay(values)

    def needs(self, values: Mapping[str, Any], tool: str) -> Needs:
        """Return what the reader of a tool is asked for."""
        return Needs(
            self._fields(values, tool),
            self.source.annotations,
            label="sentence" in self.heads,
            entities="tokens" in self.heads,
            labels="labels" in self.heads,
        )

    def _fields(self, values: Mapping[str, Any], tool: str) -> Fields:
        """Return where a document holds class and labels: as in the recipe's source, or as in a task."""
        if self.is_of_source(values, tool):
            return self.source.fields
        if tool not in ("label_studio", "argilla"):
            return Fields()
        # The flat forms of Label Studio do not say what a column is, nor whether a row has classes or labels.
        is_flat = tool == "label_studio" and not is_full_task(values)
        are_two = {"sentence", "labels"} <= set(self.heads)
        # A question about labels that was left open is not in the record.
        may_be_open = tool == "argilla" and bool(reviews_of(values))
        return Fields(label="label", labels="labels") if is_flat or are_two or may_be_open else Fields()


def read_parts(row: AnnotatedRow, text: str, values: Mapping[str, Any], tool: str, rules: ReadingRules) -> Said:
    """Return what a row says, of the parts that the recipe reads.

    Args:
        row: the row as the reader of the tool returns it.
        text: its text.
        values: its document.
        tool: the tool.
        rules: what the recipe reads and accepts.

    Raises:
        UnreadableError: a label is not accepted, or an entity does not fit the text.
    """
    names = rules.label_values(values, tool)
    label, labels = _said(_label, row, names, rules), _said(_labels, row, names, rules)
    return Said(label, labels, _entities(row, text, values, tool, rules, names))


def text_pair_of(values: Mapping[str, Any], tool: str, rules: ReadingRules) -> str | None:
    """Return the second text of a document; None where the tool has not kept it."""
    own = rules.source.fields.text_pair
    names = _PAIRS if own is None or not rules.is_of_source(values, tool) else (own,)
    found = (get_path(values, name) for name in names)
    return next((text for text in found if isinstance(text, str)), None)


def _said(
    read: Callable[[AnnotatedRow, LabelValues, ReadingRules], T | None],
    row: AnnotatedRow,
    values: LabelValues,
    rules: ReadingRules,
) -> T | str | None:
    try:
        return read(row, values, rules)
    except NoLabelError:
        return NO_LABEL


def _label(row: AnnotatedRow, values: LabelValues, rules: ReadingRules) -> str | None:
    if "sentence" not in rules.heads or row.label in (MISSING, None, ""):
        return None
    label = values.read_class(row.label, "label")
    if rules.classes is not None and label not in rules.classes:
        raise UnreadableError("label is no class of the recipe (--new-labels accepts it)", label)
    return label


def _labels(row: AnnotatedRow, values: LabelValues, rules: ReadingRules) -> tuple[str, ...] | None:
    if "labels" not in rules.heads or row.labels in (MISSING, None):
        return None
    if not isinstance(row.labels, list):
        raise UnreadableError("labels is not a list of labels", row.labels)
    labels = values.read_each(row.labels, "label")
    known = rules.row_labels
    if known is not None and (unknown := [label for label in labels if label not in known]):
        raise UnreadableError("label is none of the recipe (--new-labels accepts it)", unknown[0])
    return labels


def _entities(
    row: AnnotatedRow, text: str, values: Mapping[str, Any], tool: str, rules: ReadingRules, names: LabelValues
) -> tuple[Entity, ...] | None:
    if "tokens" not in rules.heads or row.entities is MISSING or row.entities is None:
        return None
    layout = layout_of_tool(rules.source.entity) if rules.is_of_source(values, tool) else EntityFields()
    found = read_tool_entities(text, row.entities, layout, tool, names)
    types = rules.entity_types
    if types is not None and (unknown := [entity.label for entity in found if entity.label not in types]):
        raise UnreadableError("entity type is none of the recipe (--new-labels accepts it)", unknown[0])
    return found
