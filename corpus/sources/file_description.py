"""What a file was taken for: its kind and how it is read, with one line for people."""

import codecs
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assay.corpus.sources.file_settings import FileKind

Kind = FileKind | Literal["parquet", "arrow", "excel", "bson", "docbin", "jointbert", "brat"]
# Kinds whose rows hold words with tags, for the document format `tokens`.
TOKEN_KINDS = frozenset({"conll", "jointbert"})
# Kinds whose columns a first line names, or the settings.
TABLE_KINDS = frozenset({"table", "excel"})
NAMES: dict[str, str] = {
    "jsonl": "JSON lines",
    "table": "table",
    "conll": "CoNLL",
    "fasttext": "fastText",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "excel": "Excel",
    "bson": "BSON documents (mongodump)",
    "docbin": "spaCy DocBin",
    "jointbert": "JointBERT folder (seq.in, seq.out, label)",
    "brat": "brat folder (.txt, .ann)",
}
TABLES = {",": "CSV", "\t": "TSV"}
ENCODINGS = {"utf-8": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32", "cp1252": "Windows-1252", "iso8859-1": "Latin-1"}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TableLayout(_Frozen):
    """Layout of a table: a line `sep=` may precede the names. `decimal_columns` hold numbers with a decimal comma.

    `escape` stands before quotation marks and separators that are part of a text. `blanks` says whether blanks after a
    separator are left out, since quotation marks follow them. Without a header, the first line is a row, and the
    settings name the columns.
    """

    separator: str
    quotes: bool = True
    escape: str | None = None
    blanks: bool = False
    separator_line: bool = False
    header: bool = True
    columns: tuple[str, ...] = ()
    decimal_columns: tuple[str, ...] = ()


class ConllLayout(_Frozen):
    """Layout of a CoNLL file: the number of its columns, the index of each by name, and whether tabs separate them.

    `has_tags` says whether the tags look like B-TYPE and O, so that a line without one is a comment. `documents` says
    whether `-DOCSTART-` lines divide the file, which takes two of them, `header` whether its first line names the
    columns. `attribute` is that of the tags in CoNLL-U, which `# newdoc` lines divide.
    """

    width: int
    columns: dict[str, int]
    tabs: bool
    has_tags: bool = True
    documents: bool = False
    header: bool = False
    attribute: str | None = None


class JsonLayout(_Frozen):
    """Layout of a JSON file: one array, one object with the list `rows`, or one object after the other."""

    form: Literal["array", "object", "sequence"]
    rows: str | None = None


class FileDescription(_Frozen):
    """What a file was taken for. `str` is one line for people, such as `CSV, separator ';', Windows-1252 (set)`."""

    kind: Kind
    packed: bool = False
    encoding: str = "utf-8"
    encoding_is_set: bool = False
    table: TableLayout | None = None
    conll: ConllLayout | None = None
    json_layout: JsonLayout | None = None
    sheet: str | None = None
    columns: dict[str, int] = {}  # of a sheet without a line of names
    notes: tuple[str, ...] = ()

    @property
    def has_tokens(self) -> bool:
        """Return whether the rows hold words and tags, as the document format `tokens` reads them."""
        return self.kind in TOKEN_KINDS

    @property
    def is_table(self) -> bool:
        """Return whether the rows have columns that a first line names, or the settings."""
        return self.kind in TABLE_KINDS

    def __str__(self) -> str:
        parts = [self._name(), *self._table_parts(), *self._conll_parts()]
        if self.encoding != "utf-8" or self.encoding_is_set:
            parts.append(_encoding_name(self.encoding) + (" (set)" if self.encoding_is_set else ""))
        if self.packed:
            parts.append("gzip")
        return ", ".join([*parts, *self.notes])

    def _name(self) -> str:
        if self.table:
            return TABLES.get(self.table.separator, "CSV")
        if self.json_layout:
            rows = f"the list {self.json_layout.rows!r}" if self.json_layout.rows else "one list of its object"
            forms = {"array": "JSON array", "object": f"JSON, {rows}", "sequence": "JSON objects, several lines each"}
            return forms[self.json_layout.form]
        if self.conll and self.conll.attribute is not None:
            return "CoNLL-U"
        parts = [NAMES[self.kind], *([f"sheet {self.sheet!r}"] if self.sheet else [])]
        return ", ".join([*parts, *(["no line of names"] if self.columns else [])])

    def _table_parts(self) -> list[str]:
        if self.table is None:
            return []
        separator = "tab" if self.table.separator == "\t" else repr(self.table.separator)
        parts = [f"separator {separator}"] if len(self.table.columns) > 1 else ["one column"]
        if not self.table.quotes:
            parts.append("no quotes")
        if self.table.escape:
            parts.append(f"escaped by {self.table.escape}")
        if self.table.blanks:
            parts.append("blanks after it left out")
        if not self.table.header:
            parts.append("no line of names")
        if self.table.decimal_columns:
            parts.append("decimal comma")
        return parts

    def _conll_parts(self) -> list[str]:
        if self.conll is None:
            return []
        if self.conll.attribute is not None:
            groups = ["groups by # newdoc"] if self.conll.documents else []
            return [f"tags by {self.conll.attribute}= in the last column", *groups]
        columns = ", ".join(f"{name} in column {index + 1}" for name, index in self.conll.columns.items())
        return [f"{columns} of {self.conll.width}", *(["groups by -DOCSTART-"] if self.conll.documents else [])]


def _encoding_name(encoding: str) -> str:
    name = codecs.lookup(encoding).name
    return ENCODINGS.get(name, name)
