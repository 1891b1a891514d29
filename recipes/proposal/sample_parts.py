"""The parts of a sample, such as files: their fields agree, and tables begin with a line of names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assay.corpus.documents.first_line import begins_with_row, numbered_columns, repeated_name
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.errors import DataError
from assay.recipes.proposal.field_content import listed
from assay.recipes.proposal.layout_parts import DocumentLayout
from assay.recipes.proposal.questions import AmbiguousError, argument


@dataclass(frozen=True)
class SamplePart:
    """Documents of one file, published split or collection."""

    name: str
    documents: Sequence[Document]
    invalid: Sequence[InvalidRow]

    @property
    def values(self) -> list[Mapping[str, Any]]:
        """The documents as mappings."""
        return [document.values for document in self.documents]

    @cached_property
    def fields(self) -> list[str]:
        """Names of the top-level fields, in their order."""
        return list(dict.fromkeys(name for values in self.values for name in values))


def check_parts_agree(parts: Sequence[SamplePart]) -> None:
    """Refuse parts that have no field in common: they are not rows of one data set.

    Raises:
        DataError: there are such parts.
    """
    filled = [part for part in parts if part.documents]
    first = max(filled, key=lambda part: len(part.documents), default=None)
    for part in filled:
        if first is not None and not set(part.fields) & set(first.fields):
            raise DataError(_disagreement(first, part))


def check_fields_everywhere(parts: Sequence[SamplePart], layout: DocumentLayout) -> None:
    """Refuse a part without a field that each row needs.

    Raises:
        DataError: no document of a part has the field.
    """
    needed = [*layout.used, *([layout.roles.label] if "sentence" in layout.heads and layout.roles.label else [])]
    for name in (name for name in needed if "[]." not in name):
        lacking = [part for part in parts if part.documents and _lacks(part, name)]
        having = next((part for part in parts if part not in lacking and part.documents), None)
        if lacking and having is not None:
            raise DataError(_disagreement(having, lacking[0]))


def check_first_line(part: SamplePart) -> None:
    """Ask whether the first line of a table holds names, where it reads like a row.

    Raises:
        AmbiguousError: a name is a value, too, or a list.
    """
    if not begins_with_row(part.values):
        return
    repeated = repeated_name(part.values)
    shown = "one of them is a list"
    if repeated is not None:
        name, count = repeated
        shown = f"{name!r} is also a value of that column in {count} rows"
    columns = argument(f"source.file.columns={numbered_columns(part.values)}")
    raise AmbiguousError(
        f"the first line of {part.name} is read as the names of its columns, but {shown}: name the columns by their "
        f"numbers with --set {columns}, or, if that line holds names, name the text with --text FIELD"
    )


def _lacks(part: SamplePart, name: str) -> bool:
    return all(get_path(values, name) is MISSING for values in part.values)


def _disagreement(one: SamplePart, other: SamplePart) -> str:
    suffix = Path(one.name).suffix
    several = suffix != Path(other.name).suffix
    pattern = argument(str(Path(one.name).parent / f"*{suffix}") if several else one.name)
    return (
        f"{one.name} has the fields {listed(one.fields)}, but {other.name} has {listed(other.fields)}: give rows that "
        f"belong together the same fields, or name only some of the files, such as {pattern}"
    )
