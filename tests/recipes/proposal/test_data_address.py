import os
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files
from assay.recipes.proposal.data_address import named_splits, published_splits, recipe_name, source_at, split_of_name


def test_source_at_a_file(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").touch()
    assert source_at(f"{tmp_path}/news.jsonl") == {"kind": "files", "paths": {f"{tmp_path}/news.jsonl": "all"}}


def test_source_at_a_folder_of_splits_leaves_other_files_out(tmp_path: Path) -> None:
    for name in ("atis.train.jsonl", "atis-dev.jsonl", "atis_test.csv", "more.jsonl", "README.md"):
        (tmp_path / name).touch()
    assert source_at(str(tmp_path))["paths"] == {
        f"{tmp_path}/atis.train.jsonl": "train",
        f"{tmp_path}/atis-dev.jsonl": "validation",
        f"{tmp_path}/atis_test.csv": "test",
    }


def test_source_at_folders_of_splits(tmp_path: Path) -> None:
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part.jsonl").touch()
    assert sorted(source_at(str(tmp_path))["paths"].values()) == ["test", "train"]


def test_source_at_a_folder_of_conll_files_without_other_texts(tmp_path: Path) -> None:
    for name in ("train.txt", "dev.txt", "test.txt"):
        (tmp_path / name).write_text("EU B-ORG\nrejects O\n")
    (tmp_path / "licence.txt").write_text("All rights\nreserved by all\n")
    assert [Path(name).name for name in source_at(str(tmp_path))["paths"]] == ["dev.txt", "test.txt", "train.txt"]


def test_source_at_a_folder_that_is_a_set_of_rows(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / "snips" / name).mkdir(parents=True)
        for file in ("seq.in", "seq.out", "label"):
            (tmp_path / "snips" / name / file).write_text("O\n")
    assert source_at(f"{tmp_path}/snips")["paths"] == {
        f"{tmp_path}/snips/dev": "validation",
        f"{tmp_path}/snips/test": "test",
        f"{tmp_path}/snips/train": "train",
    }
    assert source_at(f"{tmp_path}/snips/dev")["paths"] == {f"{tmp_path}/snips/dev": "all"}


def test_source_at_a_folder_without_splits(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    assert set(source_at(str(tmp_path))["paths"].values()) == {"all"}
    assert source_at(f"{tmp_path}/*.jsonl")["paths"] == {f"{tmp_path}/*.jsonl": "all"}


def test_source_at_a_folder_of_many_files_is_a_glob_if_it_matches_no_others(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / "[1]" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "[1]" / str(number % 2) / f"{number}.conll").write_text("Anna B-PER\n")

    source = source_at(str(tmp_path / "[1]"))
    assert list(source["paths"].values()) == ["all"]
    assert len(find_files(source["paths"])) == 30

    (tmp_path / "[1]" / "a.jsonl").write_text("{}")
    assert len(source_at(str(tmp_path / "[1]"))["paths"]) == 31


def test_source_at_a_folder_leaves_out_what_programs_put_there(tmp_path: Path) -> None:
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    names = (".DS_Store", "~$news.xlsx", ".~lock.news.csv#", ".ipynb_checkpoints/news-checkpoint.csv", "__MACOSX/a.csv")
    for name in (*names, "news.csv"):
        (tmp_path / name).write_text("text,label\nfine,a\n")
    assert source_at(str(tmp_path))["paths"] == {f"{tmp_path}/news.csv": "all"}


def test_source_at_a_folder_with_a_text_in_each_file(tmp_path: Path) -> None:
    for folder in ("neg", "pos"):
        (tmp_path / "train" / folder).mkdir(parents=True)
        (tmp_path / "train" / folder / "1.txt").write_text("A text of its own.\n")
    with pytest.raises(AssayError, match=r"holds a text in each \.txt file, in the folders neg, pos; .* write a table"):
        source_at(str(tmp_path))


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train", "eval"), ["test", "train"]),
        (("train", "dev", "eval"), ["test", "train", "validation"]),
        (("train", "eval", "test"), ["test", "train", "validation"]),
    ],
)
def test_source_at_a_folder_reads_evaluation_by_the_other_splits(
    tmp_path: Path, names: tuple[str, ...], splits: list[str]
) -> None:
    for name in names:
        (tmp_path / f"{name}.jsonl").touch()
    paths = source_at(str(tmp_path))["paths"]
    assert sorted(paths.values()) == splits
    assert paths[f"{tmp_path}/{names[-1]}.jsonl"] == "test"


@pytest.mark.parametrize("names", [("train", "dev", "eval"), ("train", "validation", "evaluation")])
def test_evaluation_beside_validation_is_the_test_split_of_files_folders_and_published_splits(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    wanted = ["train", "validation", "test"]
    for name in names:
        (tmp_path / "folders" / name).mkdir(parents=True)
        (tmp_path / "folders" / name / "part.jsonl").touch()
        (tmp_path / "folders" / name / "more.jsonl").touch()
    paths = source_at(f"{tmp_path}/folders")["paths"]
    assert {Path(file).parent.name: split for file, split in paths.items()} == dict(zip(names, wanted, strict=True))
    assert len(paths) == 6
    assert list(named_splits(names).values()) == wanted


def test_named_splits() -> None:
    assert named_splits(["train", "eval", "more"]) == {"train": "train", "eval": "validation", "more": "all"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_source_at_a_folder_that_cannot_be_read_whole(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o000)
    (tmp_path / "news.jsonl").touch()
    with pytest.raises(AssayError, match=r"locked cannot be read; check its permissions$"):
        source_at(str(tmp_path))


def test_source_at_a_folder_does_not_follow_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "news.jsonl").touch()
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    assert source_at(str(tmp_path))["paths"] == {f"{tmp_path}/news.jsonl": "all"}


def test_source_at_neither_a_file_nor_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AssayError, match="pipe is neither a file nor a folder; copy its rows into a file"):
        source_at(f"{tmp_path}/pipe")


def test_source_at_a_saved_data_set(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").touch()
    assert source_at(str(tmp_path)) == {"kind": "hub", "path": str(tmp_path)}


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("owner/name", {"kind": "hub", "path": "owner/name"}),
        ("hub:owner/name@abc123", {"kind": "hub", "path": "owner/name", "revision": "abc123"}),
        ("mongo:env:URI/shop/news", {"kind": "mongo", "uri": "env:URI", "database": "shop", "collection": "news"}),
        ("env:URI/shop.news.v2", {"kind": "mongo", "uri": "env:URI", "database": "shop", "collection": "news.v2"}),
        (
            "mongodb://localhost:27017/shop.news",
            {"kind": "mongo", "uri": "mongodb://localhost:27017", "database": "shop", "collection": "news"},
        ),
    ],
)
def test_source_at_an_address(address: str, source: dict[str, str]) -> None:
    assert source_at(address) == source


def test_source_at_refuses_a_password_and_does_not_show_it() -> None:
    with pytest.raises(AssayError, match=r"name the data by env:VARIABLE/shop\.news$") as error:
        source_at("mongodb://me:secret@host/shop.news")
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("address", ["missing.jsonl", "missing/*.jsonl", "", "a b"])
def test_source_at_nothing(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssayError, match="there is no such data; name a file, a folder"):
        source_at(address)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.jsonl", "train"),
        ("snips_dev.jsonl.gz", "validation"),
        ("emerging.test.annotated.csv", "test"),
        ("train-test.jsonl", None),
        ("trainer.jsonl", None),
        ("news.jsonl", None),
    ],
)
def test_split_of_name(name: str, split: str | None) -> None:
    assert split_of_name(name) == split


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        ({"a": "train", "b": "test"}, {"a": "train", "b": "test"}),
        ({"a": "train", "b": "validation"}, {"a": "train", "b": "test"}),
        ({"a": "train", "b": "validation", "c": "test", "d": "all"}, {"a": "train", "b": "validation", "c": "test"}),
        ({"a": "train"}, None),
        ({"a": "all", "b": "test"}, None),
    ],
)
def test_published_splits(names: dict[str, str], splits: dict[str, str] | None) -> None:
    assert published_splits(names) == splits


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("data/My News (2024).jsonl.gz", "my-news-2024"),
        ("owner/Some_Set@abc", "some-set"),
        ("mongo:env:URI/shop/news", "news"),
        ("mongodb://host/shop.news", "news"),
        ("/", "recipe"),
        ("Größe für Élan.csv", "grosse-fur-elan"),
        ("我.jsonl", "recipe"),
    ],
)
def test_recipe_name(address: str, name: str) -> None:
    assert recipe_name(address) == name


def test_source_at_a_folder_without_rows_names_the_kinds(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").touch()
    with pytest.raises(AssayError, match=r"holds no file of a known kind; name "):
        source_at(str(tmp_path))
