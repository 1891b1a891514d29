import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from bson import ObjectId
from prefect.blocks.system import Secret
from pydantic import SecretStr

from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.recipes.recipe import Recipe
from assay.recipes.source_section import FilesSource, HubSource, MongoSource
from assay.runs.source_access import describe_source, mongo_query, open_source, resolve_address, source_lines
from tests.snapshots import recipe_values

ADDRESS = "mongodb://anna:geheim@db.example:27017"


def test_resolve_address_reads_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_TEST_MONGODB", f" {ADDRESS}\n")

    query = mongo_query(MongoSource(kind="mongo", uri="env:ASSAY_TEST_MONGODB", database="d", collection="c"), ["text"])

    assert (query.uri, query.name, query.fields) == (ADDRESS, "d.c", ["text"])
    assert "geheim" not in repr(query)


def test_resolve_address_returns_a_plain_address() -> None:
    assert resolve_address("mongodb://db.example") == "mongodb://db.example"


@pytest.mark.usefixtures("prefect_server")
def test_resolve_address_reads_a_secret_block() -> None:
    Secret(value=SecretStr(ADDRESS)).save("mongo-address")

    assert resolve_address("block:mongo-address") == ADDRESS
    with pytest.raises(AssayError, match=r"source\.uri is block:nothing, but Prefect has no Secret block of that name"):
        resolve_address("block:nothing")


def test_open_source_counts_the_limit_after_the_filter(tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"row {number}", "lang": "de" if number % 2 else "en"}) for number in range(20)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    source = FilesSource(kind="files", paths={str(tmp_path / "rows.jsonl"): "all"}, filter={"lang": "de"}, limit=3)

    documents = [document for document in open_source(source, []) if isinstance(document, Document)]

    assert [document.position for document in documents if not document.filtered] == ["rows:2", "rows:4", "rows:6"]
    assert len(documents) == 6


def test_open_source_joins_what_several_people_annotated_in_splits_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "data").mkdir()
    for person, texts in {"anna": ["a", "b"], "ben": ["b", "c"]}.items():
        lines = [json.dumps({"text": text, "_input_hash": ord(text), "_annotator_id": person}) for text in texts]
        (tmp_path / "data" / f"{person}.jsonl").write_text("\n".join(lines))
    source = HubSource(
        kind="hub", path=str(tmp_path / "data"), files={name: f"{name}.jsonl" for name in ("anna", "ben")},
        splits={"anna": "all", "ben": "all"}, format="prodigy",
    )  # fmt: skip

    documents = [document for document in open_source(source, []) if isinstance(document, Document)]

    assert [document.position for document in documents] == ["anna:0", "anna:1", "ben:1"]
    assert [[other["_annotator_id"] for other in document.others] for document in documents] == [[], ["ben"], []]


def test_source_lines_count_many_files_that_are_alike(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.csv").write_text("text,label\na,b\n")
    (tmp_path / "a.csv").write_text("text;label\na;b\n")

    lines = source_lines(FilesSource(kind="files", paths={f"{tmp_path}/*.csv": "all"}))

    assert lines == [
        f"{tmp_path}/0.csv and 6 more files: CSV, separator ','",
        f"{tmp_path}/a.csv: CSV, separator ';'",
    ]


def test_describe_source_changes_with_the_settings_and_the_content_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    for name, text in {"seq.in": "a b\n", "seq.out": "O O\n", "label": "x\n"}.items():
        (folder / name).write_text(text)
    source = FilesSource(kind="files", paths={str(folder): "train"}, format="tokens")
    before = describe_source(source)

    (folder / "label").write_text("y\n")

    assert describe_source(source)["files"].keys() == {folder.as_posix()}
    assert describe_source(source) != before
    filtered = source.model_copy(update={"filter": {"label": "x"}})
    assert describe_source(filtered)["filter"] == {"label": "x"}


def test_recipe_refuses_operators_that_rows_of_files_do_not_know() -> None:
    with pytest.raises(ValueError, match=r"source\.filter holds the operator '\$gt'; of files and hub data"):
        FilesSource(kind="files", paths={"a.csv": "all"}, filter={"year": {"$gt": 3}})


def test_recipe_refuses_operators_that_run_code() -> None:
    with pytest.raises(ValueError, match=r"source\.filter holds the operator '\$where'; allowed are"):
        MongoSource(kind="mongo", database="d", collection="c", filter={"$where": "true"})


OLD = datetime(2026, 1, 1, tzinfo=UTC)
OID = "65937b80a1b2c3d4e5f60718"


@pytest.mark.parametrize(
    ("written", "queried"),
    [
        ("{at: {$gte: 2026-01-01}}", {"at": {"$gte": OLD}}),
        ("{at: {$gte: 2026-01-01T01:00:00+01:00}}", {"at": {"$gte": OLD}}),
        ("{at: {$gte: {$date: '2026-01-01T00:00:00Z'}}}", {"at": {"$gte": OLD}}),
        (f"{{_id: {{$in: [{{$oid: {OID}}}, 7]}}}}", {"_id": {"$in": [ObjectId(OID), 7]}}),
        ("{lang: en, n: {$gt: 3}}", {"lang": "en", "n": {"$gt": 3}}),
    ],
)
def test_mongo_filter_survives_a_deployment(
    written: str, queried: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", ADDRESS)
    source = {"kind": "mongo", "database": "d", "collection": "c", "filter": yaml.safe_load(written)}
    recipe = Recipe.model_validate(recipe_values(source=source))

    deployed = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))

    for one in (recipe, deployed):
        assert isinstance(one.source, MongoSource)
        assert mongo_query(one.source, []).filter == queried
    assert deployed.digest == recipe.digest


def test_mongo_filter_without_dates_stays_as_written() -> None:
    plain = {"a": {"$in": [1, 2.5, True, None, "x"]}, "$or": [{"b": {"$exists": False}}]}
    assert (
        MongoSource(kind="mongo", database="d", collection="c", filter=plain).model_dump(mode="json")["filter"] == plain
    )


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        ({"_id": {"$oid": "short"}}, "'short'} is not an ObjectId"),
        ({"at": {"$date": "yesterday"}}, "'yesterday'} is not a time in ISO 8601"),
        ({"price": {"$numberDecimal": ""}}, "''} is not extended JSON"),
        # pymongo's reader takes these for a pattern and for a reference, whatever else stands beside it
        ({"text": {"$regex": "(a+)+$", "$minKey": 1}}, r"source\.filter holds the operator '\$(regex|minKey)'"),
        ({"a": {"$ref": "c", "$id": 1, "$where": "x", "$minKey": 1}}, r"source\.filter holds the operator"),
        ({"text": {"$regex": "a+"}}, r"source\.filter holds the operator '\$regex'"),
        ({"$oid": OID}, "valid dictionary"),
    ],
)
def test_mongo_filter_refuses_values_that_mongodb_lacks(filter_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MongoSource(kind="mongo", database="d", collection="c", filter=filter_)
