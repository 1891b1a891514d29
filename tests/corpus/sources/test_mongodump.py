import gzip
from pathlib import Path

import bson
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import find_files, iter_rows
from assay.corpus.sources.recognition import describe_file

DOCUMENT = bson.encode({"text": "a"})


def dump(folder: Path, *names: str) -> Path:
    """Write the files that mongodump writes of a collection each: `shop/reviews.bson`, perhaps with `.gz`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(DOCUMENT) if name.endswith(".gz") else DOCUMENT)
        if not path.name.startswith("oplog"):
            path.with_name(name.rpartition("/")[2].replace(".bson", ".metadata.json")).write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("names", "collection", "description"),
    [
        (["rows.bson", "system.views.bson"], "rows.bson", "rows.bson"),
        (["rows.bson.gz"], "rows.bson.gz", "gzip, rows.bson.gz"),
        (["oplog.bson"], "oplog.bson", "oplog.bson"),  # a collection of this name
        (["shop/rows.bson", "admin/system.version.bson"], "shop/rows.bson", "shop/rows.bson"),
        (["shop/rows.bson.gz", "oplog.bson"], "shop/rows.bson.gz", "gzip, shop/rows.bson.gz"),
    ],
)
def test_a_dump_of_one_collection_stands_for_it(
    tmp_path: Path, names: list[str], collection: str, description: str
) -> None:
    folder = dump(tmp_path, *names)
    if "/" in collection:
        (folder / "prelude.json").write_text("{}")
    assert find_files({str(folder): "train"}) == {folder / collection: "train"}
    assert str(describe_file(folder)) == f"BSON documents (mongodump), {description}"
    assert [row for _, row in iter_rows(folder / collection)] == [{"text": "a"}]


@pytest.mark.parametrize(
    ("names", "shown", "first"),
    [
        (["rows.bson", "users.bson.gz"], "rows.bson, users.bson.gz", "rows.bson"),
        (["shop/rows.bson", "shop/users.bson"], "shop/rows.bson, shop/users.bson", "shop/rows.bson"),
        (["blog/posts.bson", "shop/rows.bson"], "blog/posts.bson, shop/rows.bson", "blog/posts.bson"),
    ],
)
def test_a_dump_of_several_collections_is_refused_with_their_names(
    tmp_path: Path, names: list[str], shown: str, first: str
) -> None:
    folder = dump(tmp_path, *names)
    with pytest.raises(AssayError) as error:
        find_files({str(folder): "all"})
    remedy = f"name one of them in source.paths, such as {folder / first}"
    assert str(error.value) == f"{folder} holds several collections: {shown}; {remedy}"


def test_a_dump_of_many_collections_names_some(tmp_path: Path) -> None:
    folder = dump(tmp_path, *(f"shop/c{number:02}.bson" for number in range(12)))
    with pytest.raises(AssayError, match=r"shop/c09\.bson and 2 more; name one"):
        find_files({str(folder): "all"})


@pytest.mark.parametrize("other", ["rows.jsonl", "shop/rows.jsonl", "train/rows.jsonl"])
def test_a_folder_with_other_files_is_no_dump_of_a_server(tmp_path: Path, other: str) -> None:
    folder = dump(tmp_path, "shop/rows.bson")
    (folder / other).parent.mkdir(exist_ok=True)
    (folder / other).write_text("{}")
    assert find_files({str(folder): "all"}) == {folder: "all"}


def test_metadata_of_a_collection_are_no_rows(tmp_path: Path) -> None:
    folder = dump(tmp_path, "shop/rows.bson")
    with pytest.raises(AssayError, match=r"rows\.metadata\.json holds no rows, .*; name .*shop/rows\.bson$"):
        describe_file(folder / "shop/rows.metadata.json")
    alone = tmp_path / "other.metadata.json"
    alone.write_text('[{"text": "a"}]')
    assert describe_file(alone).kind == "json"


@pytest.mark.parametrize("packed", [False, True])
def test_an_archive_is_refused_with_the_remedy(tmp_path: Path, packed: bool) -> None:
    content = b"\x6d\xe2\x99\x81" + bson.encode({"concurrent_collections": 4}) + b"\xff" * 4
    path = tmp_path / "dump.archive"
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(AssayError, match="is an archive of mongodump; dump again with --out in place of --archive"):
        describe_file(path)
