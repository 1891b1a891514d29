"""The first bytes of a file: what compression, encoding or foreign format they show."""

import codecs
import zipfile
from dataclasses import dataclass
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings, same_encoding
from assay.corpus.sources.text_stream import BLOCK, UTF_8, open_stream

GZIP = b"\x1f\x8b"
ZIP = b"PK\x03\x04"
# Files that are not read, by their first bytes: what they are, and the remedy.
FOREIGN = (
    (b"PK\x05\x06", "an empty zip archive", "name the file that it should hold"),
    (ZIP, "a zip archive", "unpack it and name the file in it"),
    (b"BZh", "compressed by bzip2", "unpack it, or compress it by gzip"),
    (b"\xfd7zXZ\x00", "compressed by xz", "unpack it, or compress it by gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it, or compress it by gzip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it and name the file in it"),
    (b"\xd0\xcf\x11\xe0", "an Excel file of before 2007", "save it as .xlsx or as CSV"),
    (b"%PDF", "a PDF", "name a file of rows"),
    (b"Obj\x01", "an Avro file", "save it as Parquet or JSON lines"),
    (b"\x93NUMPY", "an array of NumPy", "save it as CSV, Parquet or JSON lines"),
    (
        b"\x6d\xe2\x99\x81",
        "an archive of mongodump",
        "dump again with --out in place of --archive, or load it with mongorestore --archive and read the collection",
    ),
    (b"SQLite format 3", "an SQLite database", "export its table as CSV"),
    (b"\x89PNG", "a picture", "name a file of rows"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file itself by git lfs pull"),
    (b"\x80\x02", "a Python pickle", "save it as Parquet or JSON lines"),
    (b"\x80\x03", "a Python pickle", "save it as Parquet or JSON lines"),
    (b"\x80\x04", "a Python pickle", "save it as Parquet or JSON lines"),
    (b"\x80\x05", "a Python pickle", "save it as Parquet or JSON lines"),
)
ORC = b"ORC"
TAR_PLACE = 257  # of the mark of a tar archive, after the name of its first member
# The mark of UTF-32 comes first, since it begins like that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MARKED = ("utf-16", "utf-32")  # without a mark, nobody knows the order of their bytes
TEXT_CONTROLS = frozenset(b"\t\n\v\f\r\x1b")
BINARY_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class FileStart:
    """The first bytes of a file, unpacked, and whether they are all of it."""

    path: Path
    content: bytes
    whole: bool
    packed: bool

    @classmethod
    def of(cls, path: Path) -> "FileStart":
        """Read the start of a file.

        Raises:
            AssayError: it cannot be read, or its compression is damaged.
        """
        with open_stream(path) as file:
            packed = file.read(2) == GZIP
        with open_stream(path, packed=packed) as file:
            content = file.read(BLOCK)
            return cls(path, content, whole=not file.read(1), packed=packed)

    def is_workbook(self) -> bool:
        """Return whether the file is an Excel workbook, which is a zip archive of known members."""
        if not self.content.startswith(ZIP) or self.packed:
            return False
        try:
            with zipfile.ZipFile(self.path) as archive:
                return "xl/workbook.xml" in archive.namelist()
        except (zipfile.BadZipFile, OSError):
            return False

    def is_bson(self) -> bool:
        """Return whether the file begins with a BSON document: its length, a type of value, and its end."""
        content = self.content
        if len(content) < 5:
            return False
        length = int.from_bytes(content[:4], "little")
        if not 5 <= length <= 16 * 1024 * 1024 or content[4] not in range(0x14):
            return False
        return content[length - 1] == 0 if length <= len(content) else not self.whole

    def check_format(self) -> None:
        """Refuse a file that holds no text.

        Raises:
            AssayError: the file is of a format that is not read.
        """
        if self.content[TAR_PLACE:].startswith(b"ustar"):
            raise AssayError(f"{self.path} is a tar archive; unpack it and name the file in it")
        if self.content.startswith(ORC) and b"\0" in self.content:  # a table may begin with ORCID
            raise AssayError(f"{self.path} is an ORC file; save it as Parquet")
        for mark, what, remedy in FOREIGN:
            if self.content.startswith(mark):
                raise AssayError(f"{self.path} is {what}; {remedy}")

    def encoding(self, settings: FileSettings) -> str:
        """Return the encoding: that of the settings, that of its mark, else UTF-8.

        Raises:
            AssayError: the settings contradict the mark or need one, or the file is binary.
        """
        marked = next((name for mark, name in MARKS if self.content.startswith(mark)), None)
        wanted = settings.encoding
        if wanted and marked and not (same_encoding(wanted, marked) or same_encoding(wanted, "utf-8-sig")):
            raise AssayError(
                f"{self.path} begins with the mark of {marked.upper()}, but source.file.encoding is {wanted}; "
                "leave that out"
            )
        if wanted and not marked and codecs.lookup(wanted).name in MARKED:
            name = codecs.lookup(wanted).name
            raise AssayError(
                f"{self.path} begins without the mark of {name.upper()}; set source.file.encoding (as an option: "
                f"--encoding) to {name}-le or {name}-be, or leave it out if the file is UTF-8"
            )
        encoding = marked or wanted or UTF_8
        if encoding == UTF_8 or same_encoding(encoding, UTF_8):
            self._check_text()
            return UTF_8
        return encoding

    def text(self, encoding: str) -> str:
        """Return the lines of the start as text; bytes that are invalid become lone surrogates.

        Raises:
            AssayError: the file is not in this encoding.
        """
        with open_stream(self.path, packed=self.packed, encoding=encoding) as file:
            block = file.read(BLOCK)
            # Without a line end, the start of the only line has to do.
            content = (block if not file.read(1) else _whole_lines(block) or block).removeprefix(codecs.BOM_UTF8)
        if encoding == UTF_8:
            self._check_utf8(content)
        return content.decode(UTF_8, "surrogateescape")

    def _check_text(self) -> None:
        """Refuse a file with more control characters than a text has by damage."""
        content = self.content
        controls = sum(content.count(byte) for byte in range(32) if byte not in TEXT_CONTROLS)
        if controls <= BINARY_SHARE * len(content):
            return
        even, odd = content[::2], content[1::2]
        for name, high, low in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
            if high.count(0) > len(high) // 2 and low.count(0) <= BINARY_SHARE * len(low):
                raise AssayError(
                    f"{self.path} looks like UTF-16 without its mark; set source.file.encoding (as an option: "
                    f"--encoding) to {name}"
                )
        what = "holds NUL characters" if b"\0" in content else "holds control characters"
        raise AssayError(f"{self.path} {what}: it is binary or damaged; name a file of text, Parquet or .xlsx")

    def _check_utf8(self, content: bytes) -> None:
        """Refuse a text in another encoding, as opposed to one with single damaged lines.

        JSON is UTF-8 by definition (RFC 8259), so that its lines in any other are damaged and rejected one by one.
        """
        every_line = [line for line in content.splitlines() if line.strip()]
        if sum(line.lstrip()[:1] in (b"{", b"[") for line in every_line) > len(every_line) // 2:
            return
        lines = [line for line in every_line if not line.isascii()]
        invalid = [line for line in lines if not _is_utf8(line)]
        if len(invalid) >= 2 and len(invalid) > len(lines) // 2:
            excerpt = invalid[0][:60].decode("cp1252", "replace")
            raise AssayError(
                f"{self.path} is not UTF-8 (as Windows-1252 it reads {excerpt!r}); set source.file.encoding (as an "
                "option: --encoding), such as windows-1252"
            )


def _whole_lines(content: bytes) -> bytes:
    return content[: max(content.rfind(b"\n"), content.rfind(b"\r")) + 1]


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return True
