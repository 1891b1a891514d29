"""What a file is, by its content and its name."""

from pathlib import Path
from typing import Any

from assay.corpus.errors import AssayError
from assay.corpus.sources.arrow_files import is_arrow
from assay.corpus.sources.conll_layout import DOCUMENT_LINE, UNKNOWN, recognise_conll
from assay.corpus.sources.conll_layout import SUFFIXES as CONLL_SUFFIXES
from assay.corpus.sources.escape_recognition import recognise_escaped_table
from assay.corpus.sources.fasttext import PREFIX, check_blanks, is_fasttext
from assay.corpus.sources.file_description import FileDescription, JsonLayout
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.file_start import FileStart
from assay.corpus.sources.folders import describe_folder, parts_of
from assay.corpus.sources.json_layout import LINES, recognise_json
from assay.corpus.sources.mongodump import check_rows
from assay.corpus.sources.table_layout import is_table
from assay.corpus.sources.tag_attribute import tag_attribute
from assay.corpus.sources.text_stream import open_stream
from assay.corpus.sources.universal_words import NEW_DOCUMENT

JSON_SUFFIXES = (".jsonl", ".json")
ARROW_SUFFIXES = (".arrow", ".feather")
TABLE_SUFFIXES = (".csv", ".tsv", ".tab")
SUFFIXES = (*JSON_SUFFIXES, *TABLE_SUFFIXES, *CONLL_SUFFIXES, ".parquet", *ARROW_SUFFIXES, ".xlsx", ".bson", ".spacy")
CONTRADICTION = "not what its name says"
READ = "JSON lines, JSON, CSV, TSV, CoNLL, fastText, Parquet, Arrow, .xlsx, .bson, .spacy"
DEFAULT = FileSettings()
# Texts that are not read, by how they begin: what they are, and the remedy.
UNREAD_TEXTS = (
    ("#begin document", "CoNLL-2012", "write the word, a tab and the tag (O, B-TYPE, I-TYPE) in each line"),
    ("#TYPE ", "a table below a line of types", "remove its first line (Export-Csv -NoTypeInformation writes none)"),
    ("<!DOCTYPE html", "a web page", "download the file itself, perhaps after signing in"),
    ("<html", "a web page", "download the file itself, perhaps after signing in"),
    ("<?xml", "an XML file", "write its rows as JSON lines or CSV"),
    ("#FORMAT=WebAnno", "WebAnno TSV", "export CoNLL 2002 in INCEpTION or WebAnno, or JSON lines"),
)


def describe_file(path: Path, settings: FileSettings = DEFAULT) -> FileDescription:
    """Return what a file or folder is, and how it is read. Content decides, and the name where it leaves a choice.

    Raises:
        AssayError: there is no such file, it cannot be read, or it is nothing that can be read; with what it looks
            like and the remedy.
    """
    if path.is_dir():
        parts = list(parts_of(path, "all"))
        return describe_folder(path) if parts == [path] else _describe_parts(path, parts)
    if not path.is_file():
        raise AssayError(f"{path} is not a file; check the path")
    check_rows(path)
    start = FileStart.of(path)
    if not start.content:
        return _describe_empty(path, settings)
    binary = _describe_binary(start, settings)
    return binary or _describe_text(start, settings)


def _describe_parts(folder: Path, parts: list[Path]) -> FileDescription:
    description = describe_file(parts[0])
    names = ", ".join(str(path.relative_to(folder)) for path in parts)
    return description.model_copy(update={"notes": (*description.notes, names)})


def has_known_name(path: Path) -> bool:
    """Return whether the name of a file says that it holds rows."""
    return plain_name(path).endswith(SUFFIXES)


def plain_name(path: Path) -> str:
    """Return the name of a file in lower case, without `.gz`."""
    return path.name.lower().removesuffix(".gz")


def _describe_empty(path: Path, settings: FileSettings) -> FileDescription:
    """Describe an empty file: one of JSON lines holds no rows, which any other kind would say otherwise."""
    if settings.kind in (None, LINES) and plain_name(path).endswith(".jsonl"):
        return FileDescription(kind="jsonl", notes=("empty",))
    raise AssayError(f"{path} is empty; name a file with rows")


def _describe_binary(start: FileStart, settings: FileSettings) -> FileDescription | None:
    name = plain_name(start.path)
    if described := _describe_columnar(start, name):
        return described
    if name.endswith(".parquet"):
        start.check_format()
        raise AssayError(f"{start.path} is damaged or not Parquet: it does not begin with PAR1; write it again")
    if start.is_workbook():
        return FileDescription(kind="excel", sheet=settings.sheet, columns=settings.columns, notes=_note(name, ".xlsx"))
    if name.endswith(".spacy"):
        return FileDescription(kind="docbin")
    if start.is_bson():
        return FileDescription(kind="bson", packed=start.packed, notes=_note(name, ".bson"))
    start.check_format()
    return None


def _describe_columnar(start: FileStart, name: str) -> FileDescription | None:
    """Describe a file of Parquet or Arrow, which are read from any place in them."""
    if start.content.startswith(b"PAR1"):
        description = FileDescription(kind="parquet", notes=_note(name, ".parquet"))
    elif is_arrow(start.content):
        description = FileDescription(kind="arrow", notes=_note(name, *ARROW_SUFFIXES))
    else:
        return None
    if start.packed:
        raise AssayError(f"{start.path} is {description} compressed by gzip; unpack it")
    return description


def _describe_text(start: FileStart, settings: FileSettings) -> FileDescription:
    encoding = start.encoding(settings)
    text = start.text(encoding)
    if not text.strip():
        raise AssayError(f"{start.path} holds only blank lines; name a file with rows")
    for mark, what, remedy in UNREAD_TEXTS if settings.kind is None else ():
        if text.startswith(mark):
            raise AssayError(f"{start.path} is {what}; {remedy}")
    common: dict[str, Any] = {
        "packed": start.packed,
        "encoding": encoding,
        "encoding_is_set": settings.encoding is not None,
    }
    name = plain_name(start.path)
    json_layout = _json_layout(text, settings, start)
    if json_layout == LINES:
        return FileDescription(kind="jsonl", notes=_note(name, *JSON_SUFFIXES), **common)
    if isinstance(json_layout, JsonLayout):
        return FileDescription(kind="json", json_layout=json_layout, notes=_note(name, ".json"), **common)
    is_named_table = name.endswith(TABLE_SUFFIXES)
    if "\n" not in text and "\r" in text and not is_named_table:
        _check_line_ends(start, text.replace("\r", "\n"), settings)
    if settings.kind == "fasttext" or (settings.kind is None and not is_named_table and is_fasttext(text)):
        check_blanks(start.path, text)
        return FileDescription(kind="fasttext", notes=_note(name), **common)
    if described := _describe_conll(start, text, settings, common):
        return described
    return _describe_table(start, text, settings, common)


def _check_line_ends(start: FileStart, text: str, settings: FileSettings) -> None:
    """Refuse fastText and CoNLL with line ends of old Macs, which would be one line; tables have any.

    Raises:
        AssayError: the text is one of these with other line ends.
    """
    is_of_lines = settings.kind in ("fasttext", "conll") or plain_name(start.path).endswith(CONLL_SUFFIXES)
    if is_of_lines or is_fasttext(text) or recognise_conll(start.path, text, settings, required=False):
        raise AssayError(
            f"{start.path} ends its lines with a carriage return alone, as old Macs do; save it with line ends of Unix"
        )


def _json_layout(text: str, settings: FileSettings, start: FileStart) -> JsonLayout | str | None:
    if settings.kind in ("table", "conll", "fasttext", LINES):
        return LINES if settings.kind == LINES else None
    layout = recognise_json(start.path, text, settings.rows, whole=start.whole)
    if settings.kind == "json":
        return layout if isinstance(layout, JsonLayout) else JsonLayout(form="sequence")
    return layout


def _describe_conll(
    start: FileStart, text: str, settings: FileSettings, common: dict[str, Any]
) -> FileDescription | None:
    name, is_set = plain_name(start.path), settings.kind == "conll"
    if settings.columns and "tokens" not in settings.columns:
        if is_set or (settings.kind is None and name.endswith(CONLL_SUFFIXES)):
            raise AssayError(
                f"source.file.columns names no tokens, but {start.path} is a CoNLL file; write {{tokens: 1, tags: -1}}"
            )
        return None
    if settings.kind == "table":
        return None
    layout = recognise_conll(start.path, text, settings, required=is_set or name.endswith(CONLL_SUFFIXES))
    if layout is None:
        if is_set or name.endswith(CONLL_SUFFIXES):
            raise AssayError(
                f"{start.path} is not a CoNLL file: its lines have no common number of columns, at least two; write "
                "the token, a tab and the tag, and a blank line after each sentence"
            )
        return None
    if layout.attribute == UNKNOWN:
        attribute = tag_attribute(
            start.path, layout, settings.tag_attribute, packed=start.packed, encoding=common["encoding"]
        )
        layout = layout.model_copy(update={"attribute": attribute})
    mark = DOCUMENT_LINE if layout.attribute is None else NEW_DOCUMENT
    layout = layout.model_copy(update={"documents": _has_documents(start, common["encoding"], mark.encode())})
    return FileDescription(kind="conll", conll=layout, **common)


def _describe_table(start: FileStart, text: str, settings: FileSettings, common: dict[str, Any]) -> FileDescription:
    path, name = start.path, plain_name(start.path)
    is_expected = settings.kind == "table" or name.endswith(TABLE_SUFFIXES) or bool(settings.columns)
    try:
        layout = recognise_escaped_table(path, text, settings, whole=start.whole)
    except AssayError:
        if is_expected:
            raise
        layout = None
    if layout and is_expected and layout.columns and layout.columns[0].startswith(PREFIX):
        check_blanks(path, text)
        raise AssayError(
            f"{path} begins with {layout.columns[0][:50]!r} in place of column names; set source.file.kind to "
            "fasttext, or write column names as its first line"
        )
    if layout and (is_expected or is_table(layout, text, whole=start.whole)):
        notes = _note(name, *TABLE_SUFFIXES, ".txt")
        return FileDescription(kind="table", table=layout, notes=notes, **common)
    begins = f"it begins with {text.strip().splitlines()[0][:50]!r}"
    if name.endswith(JSON_SUFFIXES):
        raise AssayError(
            f"{path} holds no JSON objects: {begins}; write one object per row, such as "
            '{"text": "…", "label": "…"}, or set source.file.kind'
        )
    raise AssayError(
        f"{path} is of an unknown kind: {begins}; set source.file.kind (table, if that line holds column names), or "
        f"name a file of {READ}"
    )


def _has_documents(start: FileStart, encoding: str, mark: bytes) -> bool:
    """Return whether a CoNLL file holds a second document line; a first one alone groups nothing."""
    count = 0
    with open_stream(start.path, packed=start.packed, encoding=encoding) as file:
        for line in file:
            count += line.startswith(mark)
            if count > 1:
                return True
    return False


def _note(name: str, *suffixes: str) -> tuple[str, ...]:
    """Return a note if the name says something else than these suffixes; one that says nothing is no contradiction."""
    return () if name.endswith(suffixes) or not name.endswith(SUFFIXES) else (CONTRADICTION,)
