from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from assay.recipes.source_section import FilesSource, HubSource, MongoSource, Source

ADAPTER: TypeAdapter[Any] = TypeAdapter(Source)
MONGO = {"kind": "mongo", "database": "d", "collection": "c"}
FILES = {"kind": "files", "paths": {"rows.jsonl": "all"}}


@pytest.mark.parametrize(
    ("values", "kind"),
    [(MONGO, MongoSource), (FILES, FilesSource), ({"kind": "hub", "path": "a/b", "revision": "c"}, HubSource)],
)
def test_source_is_chosen_by_its_kind(values: dict[str, Any], kind: type) -> None:
    assert type(ADAPTER.validate_python(values)) is kind


def test_source_schema_offers_its_kinds_as_forms_show_them() -> None:
    schema = ADAPTER.json_schema()
    assert len(schema["anyOf"]) == 3
    assert "oneOf" not in schema


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"label": "x"}, "source.fields.label is not read in the format parse; name it in source.parse.label"),
        (
            {"entities": "x"},
            "source.fields.entities is not read in the format parse; name them in source.parse",
        ),
        ({"text_pair": "x"}, "source.fields.text_pair is not read in the format parse; pairs need the format rows or"),
    ],
)
def test_source_refuses_a_field_that_the_format_ignores(fields: dict[str, str], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        ADAPTER.validate_python({**FILES, "format": "parse", "fields": fields})
    ADAPTER.validate_python({**FILES, "format": "rows", "fields": fields})


@pytest.mark.parametrize("uri", ["mongodb://anna:geheim@host", "anna:geheim@host", "mongodb+srv://a:b@host/?x=y"])
def test_mongo_source_refuses_credentials(uri: str) -> None:
    with pytest.raises(ValidationError, match=r"source\.uri holds credentials, .*write env:VARIABLE"):
        ADAPTER.validate_python({**MONGO, "uri": uri})


@pytest.mark.parametrize("uri", ["env:MONGODB_URI", "block:mongo", "mongodb://host:27017"])
def test_mongo_source_takes_addresses_without_credentials(uri: str) -> None:
    assert ADAPTER.validate_python({**MONGO, "uri": uri}).uri == uri


def test_source_filters_take_the_operators_of_their_kind() -> None:
    pattern = r"source\.filter"
    with pytest.raises(ValidationError, match=pattern):
        ADAPTER.validate_python({**MONGO, "filter": {"$where": "1"}})
    with pytest.raises(ValidationError, match=pattern):
        ADAPTER.validate_python({**FILES, "filter": {"a": {"$gt": 1}}})
    assert ADAPTER.validate_python({**MONGO, "filter": {"a": {"$gt": 1}}}).filter == {"a": {"$gt": 1}}
    assert ADAPTER.validate_python({**FILES, "filter": {"a": {"$in": ["x"]}}}).filter == {"a": {"$in": ["x"]}}


def test_hub_source_needs_the_commit_of_a_hub_name_but_not_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"source\.path 'owner/name' is not a local folder, and a hub data set"):
        ADAPTER.validate_python({"kind": "hub", "path": "owner/name"})
    assert ADAPTER.validate_python({"kind": "hub", "path": str(tmp_path)}).revision is None


@pytest.mark.parametrize("values", [{"paths": {}}, {"paths": {"a": "dev"}}, {"max_reject_share": 1.1}, {"limit": 0}])
def test_files_source_refuses_values_out_of_bounds(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python({**FILES, **values})
