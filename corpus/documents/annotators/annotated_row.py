"""What the reader of a tool returns for a document, and the rules that all of them share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from assay.corpus.documents.annotators.authorship import NEVER
from assay.corpus.documents.annotators.disagreement import in_words
from assay.corpus.documents.fields import AnnotationRules, Fields
from assay.corpus.documents.values import MISSING, UnreadableError

Values = Mapping[str, Any]
T = TypeVar("T")
NO_PARTS = (None, None, None)  # of a class that means none
PATH_SEPARATOR = "/"  # as Label Studio shows the paths of a taxonomy


@dataclass(frozen=True, slots=True)
class Needs:
    """What a recipe reads of a document: the names of its fields, its rules, and the parts that its heads need."""

    fields: Fields
    rules: AnnotationRules
    label: bool
    entities: bool
    labels: bool = False

    @property
    def labels_field(self) -> str | None:
        """Return the field that holds a list of labels; a tool has no columns of 0 and 1."""
        return self.fields.labels if isinstance(self.fields.labels, str) else None


@dataclass(frozen=True, slots=True)
class Annotation(Generic[T]):
    """What somebody decided about a text; when and who, if the tool says it."""

    value: T
    time: datetime | None = None
    person: str | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedRow:
    """Text, class, entities and labels of a document, as the tool wrote their values; MISSING where it wrote none.

    Entities are objects with `start`, `end`, `label` and perhaps `text`. `labels` are those that apply of several.
    """

    text: Any
    label: Any = MISSING
    entities: Any = MISSING
    labels: Any = MISSING

    @property
    def says_nothing(self) -> bool:
        """Return whether a person left the class open, and marked and chose nothing else."""
        return self.label in (MISSING, None, "") and not any(
            part for part in (self.entities, self.labels) if part is not MISSING
        )


def single_class(classes: Iterable[Any]) -> Any:
    """Return the only class, or MISSING where there is none.

    Raises:
        UnreadableError: there are several.
    """
    names = list(dict.fromkeys(map(choice_name, classes)))
    if len(names) > 1:
        raise UnreadableError("text has several classes", names)
    return names[0] if names else MISSING


def several_labels(choices: Iterable[Any]) -> list[Any]:
    """Return chosen labels, each once and sorted.

    Raises:
        UnreadableError: a choice is no name.
    """
    return sorted(dict.fromkeys(map(choice_name, choices)), key=str)


def choice_name(choice: Any) -> Any:
    """Return the name of a choice; that of a nested one is its path, such as `sport/tennis`.

    Raises:
        UnreadableError: it is neither a name nor a path of names.
    """
    if isinstance(choice, list) and choice and all(isinstance(part, str) for part in choice):
        return PATH_SEPARATOR.join(choice)
    if isinstance(choice, list | dict):
        raise UnreadableError("choice is not a name", choice)
    return choice


def only_name(names: Iterable[str], named: str | None, kind: str) -> str | None:
    """Return the name that the recipe gives, or the only one; None where there is none.

    Raises:
        UnreadableError: there are several and the recipe names none; `kind` begins the reason.
    """
    if named is not None:
        return named
    candidates = sorted(set(names))
    if len(candidates) > 1:
        raise UnreadableError(kind, candidates)
    return candidates[0] if candidates else None


def saying_something(annotations: list[T], rules: AnnotationRules, says_nothing: Callable[[T], bool]) -> list[T]:
    """Return the annotations without those that say nothing, where the first or latest of them counts.

    Under the rule `reject`, a person who left the class open differs from one who chose a class.
    """
    if rules.disagreement == "reject":
        return annotations
    return [one for one in annotations if not says_nothing(one)] or annotations


def counting(annotations: Sequence[T], rules: AnnotationRules, time: Callable[[T], datetime | None]) -> Sequence[T]:
    """Return the annotation of several people that counts by the rules; all of them where people must agree."""
    if rules.disagreement == "latest":
        return [max(enumerate(annotations), key=lambda item: (time(item[1]) or NEVER, item[0]))[1]]
    return annotations[:1] if rules.disagreement == "first" else annotations


def agreed(decisions: Sequence[Annotation[T]], rules: AnnotationRules, text: str = "") -> T:
    """Return what counts of the decisions of several people.

    Args:
        decisions: their decisions, with labels as the recipe names them: `Good` and `good` may be one class.
        rules: the rules of the recipe.
        text: the text that they are about, whose words the reason quotes.

    Raises:
        UnreadableError: they differ, and the rules reject that.
    """
    first, *others = counting(decisions, rules, lambda one: one.time)
    if any(one.value != first.value for one in others):
        people, parts = [one.person for one in decisions], [_parts(one.value) for one in decisions]
        raise UnreadableError("annotators disagree", in_words(people, parts, text))
    return first.value


def _parts(value: Any) -> tuple[Any, ...]:
    """Return the parts of what a person decided: class, entities and labels, or a single value."""
    if value is None:
        return NO_PARTS
    return value if isinstance(value, tuple) and len(value) == len(NO_PARTS) else (value,)


def check_relations(relations: Any, rules: AnnotationRules) -> None:
    """Refuse relations between entities, unless the rules leave them out.

    Raises:
        UnreadableError: there are relations.
    """
    if relations and rules.relations == "reject":
        raise UnreadableError("relations are not read", f"{len(relations)} of them")


def triples(items: Any) -> Any:
    """Return entities written as [start, end, label] as objects; a value that is no list is returned as it is.

    Raises:
        UnreadableError: a list has another length.
    """
    if not isinstance(items, list):
        return items
    return [_entity(item) if isinstance(item, list | tuple) else item for item in items]


def is_triple(item: Any) -> bool:
    """Return whether a value is [start, end, label]."""
    return (
        isinstance(item, list | tuple)
        and len(item) == 3
        and all(isinstance(value, int) and not isinstance(value, bool) for value in item[:2])
        and isinstance(item[2], str)
    )


def _entity(item: Sequence[Any]) -> dict[str, Any]:
    if len(item) != 3:
        raise UnreadableError("entity is not [start, end, label]", item)
    return dict(zip(("start", "end", "label"), item, strict=True))
