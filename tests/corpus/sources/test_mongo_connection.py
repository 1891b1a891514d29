from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePosixPath

import bson
import pytest
from bson import Decimal128
from pymongo.errors import AutoReconnect, ConfigurationError, OperationFailure

from assay.corpus.errors import AssayError
from assay.corpus.sources.mongo_connection import (
    AUTHENTICATION_FAILED,
    TIME_LIMIT_EXCEEDED,
    MongoQuery,
    MongoSettingNames,
    bson_options,
    connect,
    hosts,
    user_error,
)
from tests.mongo import Mongo

REMEDY = "; check address, query and permissions"
QUERY = MongoQuery("mongodb://anna:p%40ss@host:27017/?a=b", "d", "c", timeout_s=2)


@pytest.mark.parametrize(("seconds", "milliseconds"), [(30, 30_000), (0.3, 300), (0.0001, 1)])
def test_timeout_ms_never_disables_the_timeout(seconds: float, milliseconds: int) -> None:
    assert MongoQuery("mongodb://h", "d", "c", timeout_s=seconds).timeout_ms == milliseconds


def test_mongo_query_hides_its_address() -> None:
    assert "p%40ss" not in repr(QUERY)
    assert QUERY.name == "d.c"


@pytest.mark.parametrize("uri", ["", "http://host", "mongodb://", "mongodb://anna:ge/heim@host"])
def test_connect_refuses_an_address_without_quoting_it(uri: str) -> None:
    words = MongoSettingNames("--to", "--filter", "--timeout")
    with pytest.raises(AssayError) as caught:
        connect(MongoQuery(uri, "d", "c", words=words))
    assert str(caught.value) == "--to is not a valid mongodb:// or mongodb+srv:// address; check it"
    assert caught.value.__cause__ is None


def test_connect_returns_a_client_that_has_reached_its_server(mongo: Mongo) -> None:
    with connect(mongo.query("c")) as client:
        assert client.admin.command("ping")["ok"]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://anna:geheim@a:1,b:2/db?x=y", "a:1,b:2"),
        ("mongodb+srv://anna:ge@heim@cluster.example.org", "cluster.example.org"),
        ("mongodb://host", "host"),
        ("mongodb://host?tls=true", "host"),
    ],
)
def test_hosts_leaves_out_user_and_options(uri: str, expected: str) -> None:
    assert hosts(uri) == expected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            OperationFailure("Authentication failed.", AUTHENTICATION_FAILED),
            "MongoDB at host:27017 refused the user or password; check the address that source.uri stands for",
        ),
        (
            OperationFailure("operation exceeded time limit", TIME_LIMIT_EXCEEDED),
            "MongoDB at host:27017: d.c returned no document for 2 s; raise source.timeout_s, or add an index for "
            "source.filter",
        ),
        (
            AutoReconnect("connection closed"),
            "MongoDB at host:27017 cannot be reached within 2 s; start it, check the address that source.uri stands "
            "for, or raise source.timeout_s",
        ),
        (ConfigurationError("a\nb"), "MongoDB at host:27017 refused to read d.c: ConfigurationError: a b" + REMEDY),
    ],
    ids=lambda value: type(value).__name__,
)
def test_user_error_is_one_line_with_the_remedy(error: Exception, line: str) -> None:
    assert str(user_error(QUERY, error)) == line


def test_user_error_names_the_action() -> None:
    line = str(user_error(QUERY, OperationFailure("no access to d", 13), "write"))
    assert line == "MongoDB at host:27017 refused to write d.c: OperationFailure: no access to d" + REMEDY


def test_user_error_keeps_the_message_of_an_address_without_password() -> None:
    query = MongoQuery("mongodb://host", "d", "c")
    assert str(user_error(query, ConfigurationError("no host"))).endswith(": ConfigurationError: no host" + REMEDY)


@pytest.mark.parametrize("message", ["p%40ss", "p@ss", "anna:p%40ss", "mongodb://anna:p%40ss@host/?a=b"])
def test_user_error_removes_credentials(message: str) -> None:
    query = MongoQuery("mongodb://anna:p%40ss@host/?a=b", "d", "c")

    line = str(user_error(query, OperationFailure(f"cannot take {message},\nsorry, full error: {{}}", code=8000)))

    assert line == "MongoDB at host refused to read d.c: OperationFailure: cannot take ***, sorry" + REMEDY


def test_bson_options_encode_what_bson_lacks() -> None:
    values = {"n": Decimal("1.5"), "day": date(2024, 5, 31), "path": PurePosixPath("a/b")}
    decoded = bson.decode(bson.encode(values, codec_options=bson_options()), bson_options())
    assert decoded == {"n": Decimal128("1.5"), "day": datetime(2024, 5, 31, tzinfo=UTC), "path": "a/b"}


def test_bson_options_keep_what_python_cannot_decode_in_its_document() -> None:
    text = bson.encode({"text": "ab"}).replace(b"ab", b"a\xff")
    assert bson.decode(text, bson_options()) == {"text": "a\udcff"}
    beyond = bson.encode({"at": bson.datetime_ms.DatetimeMS(2**62)})
    assert bson.decode(beyond, bson_options())["at"] == bson.datetime_ms.DatetimeMS(2**62)
