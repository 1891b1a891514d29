"""What the fields of a sample of documents hold, without a view of what they are for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, Literal

from assay.corpus.documents.values import MISSING, get_path, is_missing, named_values, whole_number

Kind = Literal["text", "number", "boolean", "time", "words", "objects", "list", "object", "id"]
EMPTY = "empty"  # kind of a list without members, which says nothing about the field
# More different values than this are no classes, and are not counted further.
MAX_VALUES = 1_000
LONGEST_CLASS = 60  # characters
LONGEST_ID = 100


@dataclass
class FieldProfile:
    """The values of one field in a sample: how many, of which kind, and how they repeat."""

    name: str
    documents: int
    present: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    with_spaces: int = 0

    @property
    def share(self) -> float:
        """Share of the documents that have a value."""
        return self.present / self.documents if self.documents else 0.0

    @cached_property
    def kind(self) -> Kind | None:
        """The kind of at least 95 % of the values that show one, or None."""
        kinds = Counter({kind: count for kind, count in self.kinds.items() if kind != EMPTY})
        if not kinds:
            return None
        kind, count = kinds.most_common(1)[0]
        return kind if count >= 0.95 * kinds.total() else None  # type: ignore[return-value]  # keys are kinds

    @property
    def distinct(self) -> int:
        """Number of different values, counted up to `MAX_VALUES`."""
        return len(self.counts)

    @property
    def repeats(self) -> float:
        """Number of rows per value, as far as values were counted."""
        return self.counts.total() / len(self.counts) if self.counts else 0.0

    @property
    def unique(self) -> bool:
        """Return whether every document has a value of its own."""
        return self.present == self.documents > 0 and all(count == 1 for count in self.counts.values())

    @property
    def mean_length(self) -> float:
        """Mean number of characters of a value."""
        return self.characters / self.present if self.present else 0.0

    def add(self, value: Any) -> None:
        """Count a value that is not missing."""
        self.present += 1
        self.kinds[kind_of(value)] += 1
        if isinstance(value, list | tuple | Mapping):
            return
        text = value_text(value)
        self.characters += len(text)
        self.with_spaces += any(map(str.isspace, text.strip()))
        if text in self.counts or len(self.counts) < MAX_VALUES:
            self.counts[text] += 1


def profile_fields(documents: Sequence[Mapping[str, Any]]) -> dict[str, FieldProfile]:
    """Return the profile of each field, in the order of their first occurrence; nested fields by dotted names."""
    profiles: dict[str, FieldProfile] = {}
    for document in documents:
        for name, value in named_values(document):
            if not _is_blank(value):
                profiles.setdefault(name, FieldProfile(name, len(documents))).add(value)
            else:
                profiles.setdefault(name, FieldProfile(name, len(documents)))
    return profiles


def profile_places(documents: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, FieldProfile]:
    """Return the profile of each name that reaches into lists, such as `messages.1.content`, if documents have it."""
    profiles: dict[str, FieldProfile] = {}
    for name in names:
        values = [get_path(document, name) for document in documents]
        if any(part.isdecimal() for part in name.split(".")) and any(value is not MISSING for value in values):
            profiles |= profile_fields([{name: value} for value in values])
    return profiles


def kind_of(value: Any) -> str:
    """Return the kind of a value: one of `Kind`, or `EMPTY`."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "time" if _is_time(value) else "text"
    if isinstance(value, date):
        return "time"
    if isinstance(value, Mapping):
        return "object"
    if isinstance(value, list | tuple):
        return _kind_of_list(value)
    if whole_number(value) is not None or isinstance(value, float) or hasattr(value, "to_decimal"):
        return "number"
    return "id"  # ObjectId, UUID and other types of databases


def value_text(value: Any) -> str:
    """Return a single value as text: 5.0 is 5, a boolean is true or false."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str) and (number := whole_number(value)) is not None:
        return str(number)
    return str(value)


def _kind_of_list(values: Sequence[Any]) -> str:
    if not values:
        return EMPTY
    kinds = {"text" if isinstance(value, str) else kind_of(value) for value in values}
    if kinds <= {"text"}:
        return "words"
    return "objects" if kinds == {"object"} else "list"


def _is_blank(value: Any) -> bool:
    return is_missing(value) or (isinstance(value, str) and not value.strip())


def _is_time(text: str) -> bool:
    """Return whether a text is a date or time in ISO 8601 with separators; 20240131 is a number."""
    if not (10 <= len(text) <= 40 and text[4] == "-" and text[:4].isdigit()):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
