"""How files are read, where neither their content nor their name says it."""

import codecs
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from assay.corpus.errors import AssayError
from assay.corpus.settings import StrictModel
from assay.corpus.sources.table_quotes import LINE_ENDS, QUOTE

FileKind = Literal["jsonl", "json", "table", "conll", "fasttext"]
MOST_COLUMNS = 1000
SEPARATORS = (",", ";", "\t", "|")


class FileSettings(StrictModel):
    """How the files of a source are read; what is not set is recognised by the content of each file."""

    kind: FileKind | None = Field(
        None,
        description="jsonl: one JSON object per line. json: one array of objects, or an object that holds one. table: "
        "CSV, TSV and the like, with a line of column names or `columns`. conll: one token per line, a blank line "
        "after each sentence. fasttext: one text per line, with labels such as __label__good. None: recognised",
    )
    encoding: str | None = Field(
        None, description="Encoding of text files, such as windows-1252. None: UTF-8, or UTF-16 or UTF-32 with its mark"
    )
    separator: str | None = Field(
        None, min_length=1, max_length=1, description='Separator of the cells of a table, such as ";" or "\\t"'
    )
    quotes: bool | None = Field(
        None, description='Whether a " at the start of a cell of a table opens a quoted cell. None: recognised'
    )
    escape: str | None = Field(
        None,
        min_length=1,
        max_length=1,
        description="Character before a quotation mark, a separator, a line end or itself that is part of a text in a "
        'table, inside of quotation marks and outside, such as "\\\\" (a backslash). Before any other character it is '
        "part of the text; a cell of it and N, which MySQL writes for null, is empty. None: a backslash where it makes "
        "more of the first records valid",
    )
    decimal: Literal[".", ","] | None = Field(
        None,
        description="Decimal sign of the numbers of a table; a number with a comma is read as one with a point. None: "
        "a comma in the columns that hold nothing but such numbers",
    )
    rows: str | None = Field(
        None,
        description="The list of rows in a JSON object, such as data or result.items; . for the object itself. "
        "None: the only list",
    )
    columns: dict[str, Annotated[int, Field(ge=-MOST_COLUMNS, le=MOST_COLUMNS)]] = Field(
        default_factory=dict,
        description="Columns of a CoNLL file, or of a table (Excel, too) without a line of names: name -> number, from "
        "1, or from -1 backwards; other columns of a table have their numbers as names. Empty: tokens in the first "
        "column of CoNLL, tags in the last; the first line of a table names its columns",
    )
    tag_attribute: str | None = Field(
        None,
        min_length=1,
        description="Attribute in the last column (MISC) of CoNLL-U that holds tags such as B-PER. None: NER or ner",
    )
    sheet: str | None = Field(None, description="Sheet of an Excel file. None: the first one")

    @field_validator("encoding")
    @classmethod
    def _encoding_is_known(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                "".encode(name)
            except LookupError:
                raise ValueError(
                    f"source.file.encoding is {repr(name)[:100]}, which is not a text encoding; write windows-1252 or "
                    "utf-16"
                ) from None
        return name

    @field_validator("separator")
    @classmethod
    def _separator_separates(cls, character: str | None) -> str | None:
        if character is not None and (character in '"\r\n' or character.isalnum()):
            raise ValueError(f'source.file.separator is {character!r}; write one of , ; | or "\\t"')
        return character

    @field_validator("escape")
    @classmethod
    def _escape_is_a_sign(cls, character: str | None) -> str | None:
        if character is not None and (character in QUOTE + LINE_ENDS or character.isalnum() or character.isspace()):
            raise ValueError(
                f'source.file.escape is {character!r}; write "\\\\" for a backslash, or leave it out where quotation '
                "marks are doubled"
            )
        return character

    @model_validator(mode="after")
    def _escape_is_no_separator(self) -> Self:
        if self.escape is not None and self.escape == self.separator:
            raise ValueError(f"source.file.escape is {self.escape!r}, the separator; name another character")
        return self

    @field_validator("columns")
    @classmethod
    def _columns_count_from_one(cls, columns: dict[str, int]) -> dict[str, int]:
        for name, number in columns.items():
            if number == 0:
                raise ValueError(f"source.file.columns.{name} is 0; columns are counted from 1, or from -1 backwards")
        return columns


def column_index(path: Path, name: str, number: int, width: int) -> int:
    """Return the index of a column that `columns` names.

    Raises:
        AssayError: the file has fewer columns.
    """
    index = number - 1 if number > 0 else width + number
    if not 0 <= index < width:
        raise AssayError(
            f"source.file.columns.{name} is {number}, but {path} has {width} columns; name one of them (as an option: "
            "--columns)"
        )
    return index


def same_encoding(name: str, other: str) -> bool:
    """Return whether two names mean the same encoding."""
    return codecs.lookup(name).name == codecs.lookup(other).name
