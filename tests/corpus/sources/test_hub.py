import json
import os
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub.constants
import pyarrow as pa
import pytest

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.hub import read_hub

FEATURES = datasets.Features(
    {
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["bearish", "bullish"]),
        "tags": datasets.List(datasets.ClassLabel(names=["O", "B-X"])),
        "spans": datasets.List({"start": datasets.Value("int32"), "kind": datasets.ClassLabel(names=["P", "Q"])}),
    }
)
ROWS = {
    "text": ["a", "b", "c"],
    "label": [1, 0, -1],
    "tags": [[0, 1], [], None],
    "spans": [[{"start": 0, "kind": 1}], [], None],
}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    # Without it the client asks five times, for half a minute.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Two splits with class labels at every depth, as `save_to_disk` leaves them."""
    table = datasets.Dataset.from_dict(ROWS, features=FEATURES)
    datasets.DatasetDict({"train": table, "dev": table.select([0])}).save_to_disk(str(tmp_path / "saved"))
    return tmp_path / "saved"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of JSONL files."""
    path = tmp_path / "folder"
    path.mkdir()
    for split, texts in {"train": ["a", "b"], "test": ["c"]}.items():
        rows = [json.dumps({"text": text, "label": 1}) for text in texts]
        (path / f"news_{split}.jsonl").write_text("\n".join(rows))
    return path


def documents_of(path: Path, **options: Any) -> list[Document]:
    """Return the rows that could be read."""
    return [row for row in read_hub(str(path), **options) if isinstance(row, Document)]


def test_read_hub_marks_documents_that_the_filter_leaves_out(saved: Path) -> None:
    documents = documents_of(saved, splits={"train": "all"}, filter_={"label": {"$in": ["bullish", None]}})

    assert [document.filtered for document in documents] == [False, True, False]


def test_read_hub_gives_class_names_at_every_depth(saved: Path) -> None:
    rows: list[Any] = [document.values for document in documents_of(saved, splits={"train": "all"})]

    assert [row["label"] for row in rows] == ["bullish", "bearish", None]
    assert [row["tags"] for row in rows] == [["O", "B-X"], [], None]
    assert [row["spans"] for row in rows] == [[{"start": 0, "kind": "Q"}], [], None]


def test_read_hub_sets_aside_a_time_outside_the_calendar(tmp_path: Path) -> None:
    # Given a time in the third row that Python cannot hold,
    columns = {"text": ["a", "b", "c", "d"], "time": pa.array([0, 1, 2**60, 2], pa.timestamp("s"))}
    datasets.Dataset(pa.table(columns)).save_to_disk(str(tmp_path / "times"))
    rows = list(read_hub(str(tmp_path / "times")))
    # then this row alone is invalid.
    assert rows[2] == InvalidRow("all:2", "time is outside the calendar: Python holds the years 1 to 9999", None)
    others = [row for row in rows if isinstance(row, Document)]
    assert [(row.position, row.values["text"]) for row in others] == [("all:0", "a"), ("all:1", "b"), ("all:3", "d")]


def test_read_hub_maps_splits_and_numbers_rows(saved: Path) -> None:
    documents = documents_of(saved, splits={"dev": "test", "train": "all"})

    assert [(document.position, document.split_name) for document in documents] == [
        ("dev:0", "test"),
        ("train:0", None),
        ("train:1", None),
        ("train:2", None),
    ]


def test_read_hub_reads_every_split_of_a_folder(folder: Path) -> None:
    documents = documents_of(folder)

    assert sorted(document.position for document in documents) == ["test:0", "train:0", "train:1"]
    assert all(document.split_name is None for document in documents)


def test_read_hub_reads_named_files_as_splits(folder: Path) -> None:
    documents = documents_of(folder, files={"old": "news_test.jsonl", "new": "news_train.jsonl"})

    assert [(document.position, document.values["text"]) for document in documents] == [
        ("old:0", "c"),
        ("new:0", "a"),
        ("new:1", "b"),
    ]


@pytest.mark.parametrize("files", [{"a": "a.xml"}, {"a": "a.jsonl", "b": "b.csv"}, {"a": "a.jsonl", "b": "b"}])
def test_read_hub_rejects_files_of_unknown_or_several_kinds(folder: Path, files: dict[str, str]) -> None:
    with pytest.raises(AssayError, match=r"source\.files names a\..*; they must all end with one of \.jsonl, \.csv"):
        list(read_hub(str(folder), files=files))


def test_read_hub_names_a_missing_file(folder: Path) -> None:
    with pytest.raises(AssayError, match=r"source\.path .* cannot be loaded: .*nothing\.jsonl"):
        list(read_hub(str(folder), files={"a": "nothing.jsonl"}))


def test_read_hub_lists_the_splits_for_an_unknown_one(saved: Path) -> None:
    with pytest.raises(
        AssayError, match=r"source\.splits names 'validation', but .* does not have it; name one of dev, train$"
    ):
        list(read_hub(str(saved), splits={"validation": "validation"}))


def test_read_hub_lists_the_configs_for_an_unknown_one(folder: Path) -> None:
    with pytest.raises(AssayError, match=r"cannot be loaded: .*'small'.*default"):
        list(read_hub(str(folder), config="small"))


def test_read_hub_rejects_a_folder_without_data(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"source\.path .* cannot be loaded") as caught:
        list(read_hub(str(tmp_path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("files", [None, {"a": "raw/a.jsonl"}])
def test_read_hub_fails_with_one_line_without_network(files: dict[str, str] | None) -> None:
    with pytest.raises(AssayError) as caught:
        list(read_hub("someone/something", revision="0" * 40, files=files))

    line = str(caught.value)
    assert line.startswith(
        "the hub data set someone/something at 0000000000000000000000000000000000000000 could not be downloaded"
    )
    assert "local folder" in line
    assert "\n" not in line


@pytest.mark.parametrize("files", [None, {"train": "news_train.jsonl"}], ids=["published", "named"])
def test_read_hub_reads_changed_files_with_equal_times(folder: Path, files: dict[str, str] | None) -> None:
    path = folder / "news_train.jsonl"
    before, stat = [row.values["text"] for row in documents_of(folder, files=files)], path.stat()
    path.write_text(path.read_text().replace('"a"', '"z"'))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = [row.values["text"] for row in documents_of(folder, files=files)]
    assert (before[:2], after[:2]) == (["a", "b"], ["z", "b"])


def test_read_hub_keeps_lists_and_objects_without_classes(tmp_path: Path) -> None:
    kind = datasets.ClassLabel(names=["P", "Q"])
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "words": datasets.List(datasets.Value("string")),
            "size": {"n": datasets.Value("int32")},
            "made": {"kind": kind, "n": datasets.Value("int32")},
        }
    )
    rows = {
        "text": ["a", "b"],
        "words": [["x"], None],
        "size": [{"n": 3}, None],
        "made": [{"kind": 1, "n": 4}, None],
    }
    datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)}).save_to_disk(str(tmp_path))
    first, second = (document.values for document in documents_of(tmp_path))
    assert first == {"text": "a", "words": ["x"], "size": {"n": 3}, "made": {"kind": "Q", "n": 4}}
    assert (second["words"], second["made"]) == (None, None)
