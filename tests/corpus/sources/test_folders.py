from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files, iter_rows, read_files
from assay.corpus.sources.recognition import describe_file

FILES = {"seq.in": "play some jazz\nhi\n", "seq.out": "O O B-genre\nO\n", "label": "Play\nHi\n"}


def write(folder: Path, **changes: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in {**FILES, **{key.replace("_", "."): text for key, text in changes.items()}}.items():
        (folder / name).write_text(text)
    return folder


def test_jointbert_rows_join_the_lines_of_the_files(tmp_path: Path) -> None:
    folder = write(tmp_path / "train")

    assert str(describe_file(folder)) == "JointBERT folder (seq.in, seq.out, label)"
    assert list(iter_rows(folder)) == [
        (1, {"tokens": ["play", "some", "jazz"], "tags": ["O", "O", "B-genre"], "label": "Play"}),
        (2, {"tokens": ["hi"], "tags": ["O"], "label": "Hi"}),
    ]


def test_jointbert_rows_need_no_label(tmp_path: Path) -> None:
    folder = write(tmp_path / "v1.5")
    (folder / "label").unlink()

    assert str(describe_file(folder)) == "JointBERT folder (seq.in, seq.out, label), without label"
    assert [row for _, row in iter_rows(folder)][1] == {"tokens": ["hi"], "tags": ["O"]}
    assert [document.position for document in read_files({folder: "all"}) if hasattr(document, "position")] == [
        "v1.5:1",
        "v1.5:2",
    ]


def test_jointbert_rows_refuse_files_of_different_lengths(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"differ in the number of lines: seq\.in 2, seq\.out 1, label 2; export"):
        list(iter_rows(write(tmp_path / "train", seq_out="O O O\n")))


def test_find_files_maps_subfolders_to_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        write(tmp_path / "snips" / name)
    folder = tmp_path / "snips"

    assert find_files({str(folder): "all"}) == {
        folder / "dev": "validation",
        folder / "test": "test",
        folder / "train": "train",
    }
    assert find_files({str(folder / "dev"): "test"}) == {folder / "dev": "test"}
    assert str(describe_file(folder)) == "JointBERT folder (seq.in, seq.out, label), dev, test, train"
    with pytest.raises(
        AssayError, match=r"names .*snips as train, but it holds dev, test, train; map it to all, or name"
    ):
        find_files({str(folder): "train"})


def test_read_files_refuses_words_in_a_format_of_texts(tmp_path: Path) -> None:
    folder = write(tmp_path / "train")

    with pytest.raises(AssayError, match=r"is JointBERT folder .* source\.format is rows; set source\.format: tokens"):
        list(read_files({folder: "all"}, document_format="rows"))
    assert len(list(read_files({folder: "all"}, document_format="tokens"))) == 2


def test_jointbert_rows_skip_blank_lines_and_number_the_others(tmp_path: Path) -> None:
    folder = write(tmp_path / "train", seq_in="hi\n\nbye\n", seq_out="O\n\nO\n", label="Hi\n\nBye\n")

    assert [(number, row["label"]) for number, row in iter_rows(folder) if isinstance(row, dict)] == [
        (1, "Hi"),
        (3, "Bye"),
    ]
