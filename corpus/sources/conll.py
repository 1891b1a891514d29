"""Sentences of CoNLL files: one token per line, a blank line after each sentence."""

from collections.abc import Iterator
from pathlib import Path

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.documents.values import MAX_TEXT_LENGTH
from assay.corpus.errors import AssayError
from assay.corpus.sources.conll_layout import COMMENT, DOCUMENT_LINE, UNIVERSAL_ID, is_comment, split_line
from assay.corpus.sources.file_description import ConllLayout, FileDescription
from assay.corpus.sources.lines import NumberedRow, Row
from assay.corpus.sources.text_stream import lines_of, open_stream
from assay.corpus.sources.universal_words import FORM, NEW_DOCUMENT, fault_of_numbers, universal_row

DOCUMENT = "document"
# A text of so many words may be a document of many files, but hardly the only row of one.
LONGEST_SENTENCE = 1_000


def conll_rows(path: Path, description: FileDescription) -> Iterator[NumberedRow]:
    """Yield the sentences of a file, each with the number of its first token's line.

    A sentence has the list of each column, the values of comments such as `# id = 7` before it, and `document`, the id
    or number of the `-DOCSTART-` line above it where the file has several (`# newdoc` in CoNLL-U).

    Raises:
        AssayError: the file cannot be read.
    """
    sentence = _sentence(path, description)
    for number, line in _lines(path, description):
        if sentence.is_ended_by(line):
            yield sentence.end()
        if line.strip():
            sentence.add(number, line)
    if sentence.has_tokens:
        yield sentence.end()


def check_length(path: Path, description: FileDescription) -> None:
    """Refuse a file of many words without a line that ends a sentence: all of them would be one.

    A first sentence that is too long for a row is refused where it becomes too long, and the rest is not read.

    Raises:
        AssayError: it is such a file, or cannot be read.
    """
    sentence, words = _sentence(path, description), 0
    for number, line in _lines(path, description):
        if sentence.is_ended_by(line):
            words = sentence.words
            if words < LONGEST_SENTENCE:
                return
            sentence.end()
        if line.strip():
            sentence.add(number, line)
        if words and sentence.has_tokens:  # a second sentence
            return
        if sentence.is_too_long:
            raise _unbroken(path, f"first {sentence.words:,} words, which would be more than a row holds")
    words = words or sentence.words
    if words >= LONGEST_SENTENCE:
        raise _unbroken(path, f"{words:,} words, which would be one sentence")


def _unbroken(path: Path, words: str) -> AssayError:
    return AssayError(f"{path} has no blank line between its {words}; write a blank line after each sentence")


def _sentence(path: Path, description: FileDescription) -> "_Sentence":
    layout = description.conll
    assert layout is not None  # noqa: S101  # narrows the type
    kind = _Sentence if layout.attribute is None else _UniversalSentence
    return kind(path.name, layout)


def _lines(path: Path, description: FileDescription) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file with their numbers, without the one that names the columns."""
    has_header = description.conll is not None and description.conll.header
    with open_stream(path, packed=description.packed, encoding=description.encoding) as file:
        for number, line in enumerate(lines_of(file, path), start=1):
            if number > 1 or not has_header:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "surrogateescape")


class _Sentence:
    """The lines of one sentence; `end` returns its row and begins the next one.

    Of a sentence that has a fault, no more words are kept: without blank lines, a file is one sentence.
    """

    _document_lines: tuple[str, ...] = (DOCUMENT_LINE,)
    _rows: list[list[str]]
    _comments: dict[str, str]
    _first: int
    _fault: str | None
    _characters: int
    words: int

    def __init__(self, name: str, layout: ConllLayout) -> None:
        self._name = name
        self._layout = layout
        self._document = "0"  # of sentences above the first line of a document
        self._documents = 0
        self._begin()

    @property
    def has_tokens(self) -> bool:
        return self._first > 0

    @property
    def is_too_long(self) -> bool:
        """Whether the words have more characters than a text may have."""
        return self._characters > MAX_TEXT_LENGTH

    def is_ended_by(self, line: str) -> bool:
        """Return whether a line ends the sentence: a blank one, or one that begins a document."""
        return self.has_tokens and (not line.strip() or self.begins_document(line))

    def begins_document(self, line: str) -> bool:
        """Return whether a line begins a document, and so ends a sentence."""
        return line.startswith(self._document_lines)

    def add(self, number: int, line: str) -> None:
        if self.begins_document(line):
            self._documents += 1
            name = self._document_of(line)
            self._document = str(self._documents) if name is None else name
            return
        if is_comment(line, self._layout):
            if (match := COMMENT.match(line.strip())) is not None:
                self._comments[match[1]] = match[2].strip()
            return
        self._first = self._first or number
        cells = split_line(line, self._layout.tabs)
        self.words += 1
        self._fault = self._fault or self._fault_of(cells, number)
        if self._fault is None:
            self._keep([cell.strip() for cell in cells])

    def _keep(self, cells: list[str]) -> None:
        self._rows.append(cells)
        self._characters += len(cells[self._layout.columns.get("tokens", FORM)]) or 1
        if self.is_too_long:
            self._fault = f"sentence is too long: {self.words:,} words and more"

    def _fault_of(self, cells: list[str], number: int) -> str | None:
        if len(cells) != self._layout.width:
            return f"wrong number of columns: {len(cells)} in line {number}, the file has {self._layout.width}"
        return None

    def end(self) -> NumberedRow:
        number, row_id = self._first, f"{self._name}:{self._first}"
        row: Row = {**self._comments, **self._lists()}
        if self._layout.documents:
            row[DOCUMENT] = self._document
        fault = self._fault or self._fault_of_rows() or _encoding_fault(row)
        self._begin()
        return number, InvalidRow(row_id, fault, shorten(row)) if fault else row

    def _lists(self) -> Row:
        return {name: [row[index] for row in self._rows] for name, index in self._layout.columns.items()}

    def _begin(self) -> None:
        self._rows, self._comments = [], {}
        self._first, self._fault = 0, None
        self.words = self._characters = 0

    def _document_of(self, line: str) -> str | None:
        """Return the name in brackets, as in `-DOCSTART- (1 EU)`; None without brackets."""
        _, bracket, rest = line.partition("(")
        return rest.strip().removesuffix(")") if bracket else None

    def _fault_of_rows(self) -> str | None:
        return None


class _UniversalSentence(_Sentence):
    """The lines of a sentence of CoNLL-U, whose words are numbered."""

    _document_lines = (NEW_DOCUMENT, DOCUMENT_LINE)

    def _document_of(self, line: str) -> str | None:
        """Return the name after `=`, as in `# newdoc id = d1`; None without one."""
        if line.startswith(DOCUMENT_LINE):
            return super()._document_of(line)
        return line.partition("=")[2].strip() or None

    def _fault_of(self, cells: list[str], number: int) -> str | None:
        fault = super()._fault_of(cells, number)
        if fault is None and not UNIVERSAL_ID.fullmatch(cells[0].strip()):
            return f"not the number of a word: {cells[0]!r} in line {number}"
        return fault

    def _fault_of_rows(self) -> str | None:
        return fault_of_numbers(self._rows)

    def _lists(self) -> Row:
        assert self._layout.attribute is not None  # noqa: S101  # narrows the type
        return universal_row(self._rows, self._layout.attribute)


def _encoding_fault(row: Row) -> str | None:
    texts = [text for value in row.values() for text in (value if isinstance(value, list) else [value])]
    invalid = any("\udc80" <= character <= "\udcff" for text in texts if not text.isascii() for character in text)
    return "not valid UTF-8" if invalid else None
