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
        ([["B-ORG", "O"], ["I-LOC", "B-LOC"], ["B-LOC"]], False, "IOB2 in 2 rows, IOB1 in 1 row"),
        ([["S-ORG", "O"], ["U-LOC", "O"]], False, "BIOES in 1 row, BILOU in 1 row"),
        ([["S-ORG", "U-LOC"]], False, "no single scheme (prefixes S, U) in 1 row"),
    ],
)
def test_tag_scheme_checks_say_the_scheme(tmp_path: Path, rows: list[list[str]], passed: bool, measured: str) -> None:
    [check] = tag_scheme_checks(snapshot_of(tmp_path, *rows))

    assert (check.passed, check.severity, check.measured) == (passed, "warning", measured)


def test_tag_scheme_checks_name_a_row_of_each_scheme(tmp_path: Path) -> None:
    [check] = tag_scheme_checks(snapshot_of(tmp_path, ["O"], ["B-ORG", "O"], ["S-LOC", "O"], ["B-LOC", "I-LOC"]))

    assert check.why == (
        "the tags are not of one scheme: IOB2 in 2 rows, such as 'r1'; BIOES in 1 row, such as 'r2'; write one scheme "
        "at the source, or set source.tagging.scheme to the one to read, which rejects rows with prefixes of others"
    )
    assert (check.invalid_ids, check.invalid_count) == (["r2"], 1)


def test_tag_scheme_checks_leave_out_the_key_that_is_set(tmp_path: Path) -> None:
    [check] = tag_scheme_checks(snapshot_of(tmp_path, ["B-ORG", "O"], ["I-ORG", "B-ORG"]), "iob2")
    assert check.why.endswith("at the source, where all entities begin and end as IOB2 has it (source.tagging.scheme)")


def test_tag_scheme_checks_need_tags(tmp_path: Path) -> None:
    assert tag_scheme_checks(snapshot_of(tmp_path, ["O", "O"])) == []
