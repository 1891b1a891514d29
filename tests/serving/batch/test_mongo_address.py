import json
import re
from datetime import UTC, datetime

import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.mongo_address import ADDRESS_FORMAT, is_mongo, mongo_query, parse_filter, read_filter


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("mongo:env:URI/db/texts", True),
        ("mongo:anything", True),
        ("mongodb://host/db", True),
        ("mongodb+srv://host/db", True),
        ("mongo.jsonl", False),
        ("./mongo:env", False),
        ("s3://bucket/mongo:", False),
    ],
)
def test_is_mongo_tells_collections_from_files(address: str, expected: bool) -> None:
    assert is_mongo(address) is expected


def test_mongo_query_reads_the_uri_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_URI", " mongodb://host:1\n")
    query = mongo_query("--input", "mongo:env:TEST_URI/shop/reviews.2026/old", {"n": 1}, ["text"], 2.5)
    # the name of a collection may hold dots and slashes
    assert (query.uri, query.database, query.collection) == ("mongodb://host:1", "shop", "reviews.2026/old")
    assert (query.filter, list(query.fields), query.timeout_s) == ({"n": 1}, ["text"], 2.5)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mongo:env:UNSET_URI/db/texts", "--output is mongo:env:UNSET_URI/db/texts, but UNSET_URI is not set; export "),
        ("mongo:env:EMPTY_URI/db/texts", "but EMPTY_URI is not set; export EMPTY_URI=mongodb://HOST:27017"),
        ("mongo:env:EMPTY_URI/db", f"which is not the address of a collection; write {ADDRESS_FORMAT}"),
        ("mongo:db/texts", "--output is 'mongo:db/texts', which is not the address of a collection"),
        ("mongo:env:MY-URI/db/texts", "which is not the address of a collection"),
        ("mongo:env:EMPTY_URI//texts", "which is not the address of a collection"),
    ],
)
def test_mongo_query_names_the_option_the_address_and_its_form(
    monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setenv("EMPTY_URI", " ")
    with pytest.raises(AssayError, match=re.escape(message)):
        mongo_query("--output", address, {}, (), 1)


@pytest.mark.parametrize("address", ["mongodb://anna:secret@host/db", "mongodb+srv://anna:secret@host/db"])
def test_mongo_query_does_not_repeat_an_address_that_may_hold_a_password(address: str) -> None:
    with pytest.raises(AssayError, match="put the address into an environment variable") as error:
        mongo_query("--input", address, {}, (), 1)
    assert "secret" not in str(error.value)


def test_parse_filter_reads_extended_json() -> None:
    text = json.dumps({"when": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}, "lang": "de"})
    assert parse_filter(text) == {"when": {"$gt": datetime(2026, 1, 1, tzinfo=UTC)}, "lang": "de"}
    assert parse_filter(None) == parse_filter("{}") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{lang: 'de'}", "--filter is \"{lang: 'de'}\", which is not JSON: "),
        ("", "--filter is '', which is not JSON"),
        ("[1]", '--filter is \'[1]\'; give a JSON object, such as {"lang": "de"}'),
        ('{"$where": "sleep(1000)"}', "$where"),
        ('{"a": {"b": [{"$function": {}}]}}', "$function"),
        ('{"$oid": "aaaaaaaaaaaaaaaaaaaaaaaa"}', "--filter is a single value, ObjectId("),
        ('{"when": {"$date": "yesterday"}}', "--filter: "),
    ],
)
def test_parse_filter_names_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(AssayError, match=re.escape(message)) as error:
        parse_filter(text)
    assert "\n" not in str(error.value)


def test_read_filter_names_its_option() -> None:
    with pytest.raises(AssayError, match=re.escape("source.filter is a single value, ObjectId(")):
        read_filter({"$oid": "a" * 24}, "source.filter")
