import json
from pathlib import Path

import pytest

from assay.corpus.documents.chunk import ChunkReader, Counts
from assay.corpus.documents.fields import AnnotationRules, DocumentFormat, Fields
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, from_batch
from assay.corpus.sources.files import find_files, iter_rows, read_files
from assay.corpus.sources.recognition import describe_file

TEXT = "Aspirin 😀 helps\r\nAnna."
ANNOTATIONS = """T1\tDRUG 0 7\tAspirin
T3\tPER 17 21\tAnna
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


def reader() -> ChunkReader:
    fields = Fields(id="id", entities="entities")
    return ChunkReader(DocumentFormat(fields=fields), needs_label=False, needs_entities=True)


def test_brat_rows_are_documents(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs")

    entities = [
        {"start": 0, "end": 7, "label": "DRUG", "text": "Aspirin"},
        {"start": 17, "end": 21, "label": "PER", "text": "Anna"},
    ]
    assert list(iter_rows(folder)) == [
        (1, {"id": "one", "text": TEXT, "entities": entities}),
        (2, {"id": "two", "text": "Nothing.", "entities": []}),
    ]
    assert str(describe_file(folder)) == "brat folder (.txt, .ann), 2 documents, not read: attributes (1), notes (1)"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("T2\tEFFECT 0 3;8 10\tAsp he", "entity is discontinuous: line 5, EFFECT 0 3;8 10"),
        ("T2\tEFFECT 10\thelps", "not a line of brat: line 5, T2\tEFFECT 10\thelps"),
        ("T2 EFFECT 10 15 helps", "not a line of brat: line 5, T2 EFFECT 10 15 helps"),
        ("T2\tEFFECT ten 15\thelps", "not a line of brat: line 5, T2\tEFFECT ten 15\thelps"),
        (" T2\tEFFECT 10 15\thelps", "not a line of brat: line 5,  T2\tEFFECT 10 15\thelps"),
        ("R1\tHelps Arg1:T1 Arg2:T3", "relations are not read: 1 of them"),
        ("*\tEquiv T1 T3\nE1\tHelp:T1 Who:T3", "relations are not read: 2 of them"),
    ],
)
def test_a_document_with_an_annotation_that_cannot_be_used_is_one_rejected_row(
    tmp_path: Path, line: str, reason: str
) -> None:
    folder = write(tmp_path / "drugs", annotations=ANNOTATIONS + line)

    [(number, invalid), (_, two)] = iter_rows(folder)

    assert isinstance(invalid, InvalidRow)
    assert (number, invalid.id, invalid.reason) == (1, "drugs:one", reason)
    assert remedy_of(reason) != GENERAL
    assert two == {"id": "two", "text": "Nothing.", "entities": []}


def test_relations_and_events_are_left_out_where_the_rules_say_so(tmp_path: Path) -> None:
    related = "R1\tHelps Arg1:T1 Arg2:T3\n*\tEquiv T1 T3\nE1\tHelp:T1 Who:T3\n"
    folder = write(tmp_path / "drugs", annotations=ANNOTATIONS + related)

    one, _ = read_files({folder: "all"}, rules=AnnotationRules(relations="ignore"))

    assert isinstance(one, Document)
    assert [entity["label"] for entity in one.values["entities"]] == ["DRUG", "PER"]


def test_the_mark_of_a_file_of_annotations_hides_no_entity(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs", annotations="\ufeff" + ANNOTATIONS)

    [(_, one), _] = iter_rows(folder)

    assert not isinstance(one, InvalidRow)
    assert [entity["label"] for entity in one["entities"]] == ["DRUG", "PER"]


def test_brat_rows_become_examples_with_their_offsets(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs")
    (folder / "three.txt").write_text("Anna left.")
    (folder / "three.ann").write_text("T1\tPER 4 0\tAnna\n")

    chunk = reader().read(read_files({folder: "train"}))

    [one, two] = from_batch(chunk.batch)
    assert (one.id, one.split) == ("one", "train")
    assert one.entities == (Entity(0, 7, "DRUG"), Entity(17, 21, "PER"))
    assert two.entities == ()
    assert chunk.counts == Counts(documents=3, used=2, rejected=1, rows=2, rejects=1)
    assert '"id": "three"' in chunk.reject_lines[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("T4\tX 12 15\tlps", "entities overlap: helps and lps"),
        ("T4\tX 10 15\thelps", "entities overlap: helps and helps"),
    ],
)
def test_a_document_whose_entities_overlap_is_rejected_where_entities_are_read(
    tmp_path: Path, line: str, reason: str
) -> None:
    folder = write(tmp_path / "drugs", annotations=f"{ANNOTATIONS}T2\tEFFECT 10 15\thelps\n{line}\n")

    chunk = reader().read(read_files({folder: "train"}))

    [reject] = map(json.loads, chunk.reject_lines)
    assert (reject["id"], reject["reason"]) == ("one", reason)
    assert remedy_of(reason) != GENERAL
    classes = ChunkReader(DocumentFormat(fields=Fields(id="id")), needs_label=False, needs_entities=False)
    assert classes.read(read_files({folder: "train"})).counts.rows == 2


def test_rejected_documents_are_counted_once(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs", annotations="T1 DRUG 0 7 Aspirin\nT2 PER 17 21 Anna\n")

    chunk = reader().read(read_files({folder: "all"}))

    assert chunk.counts == Counts(documents=2, used=1, rejected=1, rows=1, rejects=1)


def test_brat_rows_refuse_missing_texts(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs")
    (folder / "one.txt").unlink()

    with pytest.raises(AssayError, match=r"one\.ann has no text beside it; put one\.txt there, or remove it"):
        list(iter_rows(folder))


def test_brat_rows_join_the_pieces_of_an_entity_that_goes_over_a_line(tmp_path: Path) -> None:
    # brat splits it at the line end, and writes a space there
    folder = write(tmp_path / "drugs", "Acetyl\nsalicylic acid helps.", "T1\tDRUG 0 6;7 21\tAcetyl salicylic acid\n")

    [(_, one), _] = list(iter_rows(folder))

    assert not isinstance(one, InvalidRow)
    assert one["entities"] == [{"start": 0, "end": 21, "label": "DRUG", "text": "Acetyl\nsalicylic acid"}]


def test_brat_rows_take_a_space_for_the_line_end_of_an_entity(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs", "Acetyl\nsalicylic acid helps.", "T1\tDRUG 0 21\tAcetyl salicylic acid\n")

    [(_, one), _] = list(iter_rows(folder))

    assert not isinstance(one, InvalidRow)
    assert one["entities"][0]["text"] == "Acetyl\nsalicylic acid"


@pytest.mark.parametrize(("start", "text"), [(0, "Aspirin helps"), (1, "\ufeffAspirin helps")])
def test_brat_rows_count_the_mark_of_a_text_where_its_offsets_do(tmp_path: Path, start: int, text: str) -> None:
    folder = write(tmp_path / "drugs", "\ufeffAspirin helps", f"T1\tDRUG {start} {start + 7}\tAspirin\n")

    [(_, one), _] = list(iter_rows(folder))

    assert not isinstance(one, InvalidRow)
    assert (one["text"], one["entities"][0]["text"]) == (text, "Aspirin")


def test_brat_notes_count_texts_without_annotations(tmp_path: Path) -> None:
    folder = write(tmp_path / "drugs", "Aspirin helps", "T1\tDRUG 0 7\tAspirin\n")
    (folder / "three.txt").write_text("Nobody has annotated this.")

    assert str(describe_file(folder)) == "brat folder (.txt, .ann), 2 documents, 1 text without annotations left out"


def test_folders_of_brat_named_after_splits_are_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / "corpus").mkdir(exist_ok=True)
        write(tmp_path / "corpus" / name, "Aspirin helps", "T1\tDRUG 0 7\tAspirin\n")

    documents = list(read_files(find_files({str(tmp_path / "corpus"): "all"})))

    assert [getattr(document, "split_name", None) for document in documents] == (
        ["validation"] * 2 + ["test"] * 2 + ["train"] * 2
    )
