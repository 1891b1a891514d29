from pathlib import Path

import pytest

from assay.corpus.documents.chunk import ChunkReader, DocumentChunk
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.expectations.tag_scheme import tag_scheme_checks

FORMAT = DocumentFormat(format="tokens")


def snapshot_of(folder: Path, *rows: list[str]) -> Snapshot:
    """Read tags through chunks, as from another process."""
    reader = ChunkReader(FORMAT, needs_label=False, needs_entities=True)
    with SnapshotWriter(folder, [], {}) as writer:
        for number, tags in enumerate(rows):
            document = Document(f"r{number}", {"tokens": [*"abcdefg"][: len(tags)], "tags": tags})
            writer.add_chunk(DocumentChunk.from_bytes(reader.read([document]).to_bytes()))
        writer.finish()
    return Snapshot.load(folder)


@pytest.mark.parametrize(
    ("rows", "passed", "measured"),
    [
        ([["S-ORG", "O"], ["B-LOC", "E-LOC"]], True, "BIOES"),
        ([["B-ORG", "O"], ["I-LOC", "B-LOC"]], False, "prefixes B, I and I begins entities as B does"),
        ([["S-ORG", "O"], ["U-LOC", "O"]], False, "prefixes S, U"),
    ],
)
def test_tag_scheme_checks_say_the_scheme(tmp_path: Path, rows: list[list[str]], passed: bool, measured: str) -> None:
    [check] = tag_scheme_checks(snapshot_of(tmp_path, *rows))

    assert (check.passed, check.severity, check.measured) == (passed, "warning", measured)


def test_tag_scheme_checks_need_tags(tmp_path: Path) -> None:
    assert tag_scheme_checks(snapshot_of(tmp_path, ["O", "O"])) == []
