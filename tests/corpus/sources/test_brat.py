from pathlib import Path

import pytest

from assay.corpus.documents.chunk import ChunkReader
from assay.corpus.documents.fields import DocumentFormat, Fields
from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, from_batch
from assay.corpus.sources.files import iter_rows, read_files
from assay.corpus.sources.recognition import describe_file

TEXT = "Aspirin 😀 helps\r\nAnna."
ANNOTATIONS = """T1\tDRUG 0 7\tAspirin
T2\tEFFECT 0 3;8 10\tAsp he
T3\tPER 17 21\tAnna
R1\tHelps Arg1:T1 Arg2:T3
#1\tAnnotatorNotes T1\tsee above
A1\tNegated T1
"""


def write(folder: Path, text: str = TEXT, annotations: str = ANNOTATIONS) -> Path:
    folder.mkdir()
    (folder / "one.txt").write_bytes(text.encode())
    (folder / "one.ann").write_text(annotations)
    (folder / "two.txt").write_text("Nothing.")
    (folder / "two.ann").write_text("")
    return folder


def test_brat_rows_are_documents_and_refused_entities(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs")

    entities = [
        {"start": 0, "end": 7, "label": "DRUG", "text": "Aspirin"},
        {"start": 17, "end": 21, "label": "PER", "text": "Anna"},
    ]
    assert list(iter_rows(folder)) == [
        (
            1,
            InvalidRow("drugs:one:T2", "entity is discontinuous: EFFECT 0 3;8 10", "T2\tEFFECT 0 3;8 10\tAsp he"),
        ),
        (1, {"id": "one", "text": TEXT, "entities": entities}),
        (2, {"id": "two", "text": "Nothing.", "entities": []}),
    ]
    assert str(describe_file(folder)) == (
        "brat folder (.txt, .ann), 2 documents, not read: attributes (1), notes (1), relations (1)"
    )


def test_brat_rows_become_examples_with_their_offsets(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs")
    reader = ChunkReader(
        DocumentFormat(fields=Fields(id="id", entities="entities")), needs_label=False, needs_entities=True
    )

    chunk = reader.read(read_files({folder: "train"}))

    [one, two] = from_batch(chunk.batch)
    assert (one.id, one.split) == ("one", "train")
    assert one.entities == (Entity(0, 7, "DRUG"), Entity(17, 21, "PER"))
    assert two.entities == ()
    assert chunk.counts.model_dump() == {
        "documents": 3,
        "used": 2,
        "filtered": 0,
        "rejected": 1,
        "rows": 2,
        "rejects": 1,
        "no_label": 0,
    }


def test_brat_rows_refuse_broken_lines_and_missing_texts(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs", annotations="T1\tDRUG 0\tAspirin\n")
    [(_, invalid), *_] = iter_rows(folder)
    assert isinstance(invalid, InvalidRow)
    assert (invalid.id, invalid.reason) == ("drugs:one:T1", "not a line of brat: it needs a label, start and end")

    (folder / "one.txt").unlink()
    with pytest.raises(AssayError, match=r"one\.ann has no text beside it; put one\.txt there, or remove it"):
        list(iter_rows(folder))
