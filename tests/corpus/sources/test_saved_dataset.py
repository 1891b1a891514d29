from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files, read_files
from assay.corpus.sources.saved_dataset import is_description, saved_files


def read(folder: Path, split: str) -> list[Document]:
    documents = list(read_files(find_files({str(folder): split})))
    assert not any(isinstance(document, InvalidRow) for document in documents)
    return [document for document in documents if isinstance(document, Document)]


def data_set(*texts: str) -> Dataset:
    return Dataset.from_dict({"text": list(texts)})


def test_files_of_a_saved_data_set_are_read_in_their_order(tmp_path: Path) -> None:
    data_set(*"abcdef").save_to_disk(tmp_path / "saved", num_shards=3)

    documents = read(tmp_path / "saved", "train")

    assert [document.values["text"] for document in documents] == list("abcdef")
    assert {document.split_name for document in documents} == {"train"}
    assert documents[0].position == "data-00000-of-00003:1"


def test_filtered_rows_of_a_saved_data_set_stay_out(tmp_path: Path) -> None:
    data_set(*"abcdef").filter(lambda row: row["text"] in "bd").save_to_disk(tmp_path / "saved")
    documents = read(tmp_path / "saved", "all")
    assert [document.values["text"] for document in documents] == ["b", "d"]


def test_folders_of_saved_splits_are_splits(tmp_path: Path) -> None:
    DatasetDict(train=data_set("a", "b"), dev=data_set("c"), test=data_set("d")).save_to_disk(tmp_path / "saved")

    documents = read(tmp_path / "saved", "all")

    assert [(document.values["text"], document.split_name) for document in documents] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "validation"),
        ("d", "test"),
    ]
    assert len({document.position for document in documents}) == 4


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("train", "as train, but it holds train, unsupervised; map it to all, or name one of these"),
        ("all", "holds the split unsupervised, which is none of train, validation and test; name the folders that you"),
    ],
)
def test_saved_splits_that_the_recipe_contradicts_are_refused(tmp_path: Path, split: str, message: str) -> None:
    DatasetDict(train=data_set("a"), unsupervised=data_set("b")).save_to_disk(tmp_path / "saved")
    with pytest.raises(AssayError, match=message):
        saved_files(tmp_path / "saved", split)


@pytest.mark.parametrize("content", ["", "{}", '{"_data_files": [{}]}', '{"_data_files": 3}', None])
def test_a_damaged_description_is_named(tmp_path: Path, content: str | None) -> None:
    DatasetDict(train=data_set("a")).save_to_disk(tmp_path / "saved")
    state = tmp_path / "saved" / "train" / "state.json"
    state.unlink() if content is None else state.write_text(content)
    with pytest.raises(AssayError, match=r"state\.json is damaged or missing; save the data set again by save_to_disk"):
        saved_files(tmp_path / "saved", "all")


def test_descriptions_of_a_saved_data_set_are_told_from_files_of_rows(tmp_path: Path) -> None:
    DatasetDict(train=data_set("a")).save_to_disk(tmp_path / "saved")
    (tmp_path / "state.json").write_text("[]")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "dataset_info.json").write_text("[]")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path).as_posix() for path in files if not is_description(path)} == {
        "saved/train/data-00000-of-00001.arrow",
        "below/dataset_info.json",
    }


def test_other_folders_are_no_saved_data_set(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    assert saved_files(tmp_path, "all") == {}
