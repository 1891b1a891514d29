"""Connections to MongoDB, and their errors as one line for users, without passwords.

pymongo is imported on use, so that recipes can be checked without it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from assay.corpus.errors import AssayError

if TYPE_CHECKING:
    from bson.codec_options import CodecOptions
    from pymongo import MongoClient
    from pymongo.collection import Collection

TIME_LIMIT_EXCEEDED = 50
AUTHENTICATION_FAILED = 18


class MongoSettingNames(NamedTuple):
    """Names of the settings in error messages, as the user knows them."""

    uri: str
    filter: str
    timeout: str


RECIPE_WORDS = MongoSettingNames("source.uri", "source.filter", "source.timeout_s")


@dataclass(frozen=True)
class MongoQuery:
    """A collection and what to read or write. `uri` is the real address; no error, log line or `repr` holds it."""

    uri: str = field(repr=False)
    database: str
    collection: str
    filter: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[str] = ()
    batch_size: int = 1000
    timeout_s: float = 30
    words: MongoSettingNames = RECIPE_WORDS

    @property
    def name(self) -> str:
        """`DATABASE.COLLECTION`."""
        return f"{self.database}.{self.collection}"

    @property
    def timeout_ms(self) -> int:
        """`timeout_s` in milliseconds for the driver; at least 1, since 0 disables the timeout."""
        return max(1, int(self.timeout_s * 1000))


def connect(query: MongoQuery) -> "MongoClient[dict[str, Any]]":
    """Return a client that has reached its server.

    Raises:
        AssayError: the address is invalid, or the server cannot be reached.
    """
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    milliseconds = query.timeout_ms
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(
            query.uri,
            appname="assay",
            serverSelectionTimeoutMS=milliseconds,
            connectTimeoutMS=milliseconds,
            socketTimeoutMS=2 * milliseconds,  # the server's own limit, max_time_ms, comes first
        )
    except (PyMongoError, ValueError):
        # The driver's message may quote a part of the password.
        raise AssayError(f"{query.words.uri} is not a valid mongodb:// or mongodb+srv:// address; check it") from None
    try:
        client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        raise user_error(query, error) from None
    return client


def open_collection(client: "MongoClient[dict[str, Any]]", query: MongoQuery) -> "Collection[dict[str, Any]]":
    """Return the collection of a query, with `bson_options`."""
    return client[query.database].get_collection(query.collection, codec_options=bson_options())


def bson_options() -> "CodecOptions[dict[str, Any]]":
    """Return the options for encoding and decoding BSON."""
    from bson.binary import UuidRepresentation
    from bson.codec_options import CodecOptions, DatetimeConversion, TypeRegistry

    return CodecOptions(
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        # Invalid UTF-8 then affects only its own document: lone surrogates are rejected later.
        unicode_decode_error_handler="surrogateescape",
        type_registry=TypeRegistry(fallback_encoder=_as_bson),
    )


def _as_bson(value: Any) -> Any:
    """Convert values of file columns that BSON lacks."""
    from bson import Decimal128

    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return str(value)


def user_error(query: MongoQuery, error: Exception, action: str = "read") -> AssayError:
    """Return an error of one line without secrets; the driver's error would print them and is not its cause."""
    from pymongo.errors import ConnectionFailure, OperationFailure

    where = f"MongoDB at {hosts(query.uri)}"
    if isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED:
        return AssayError(f"{where} refused the user or password; check the address that {query.words.uri} stands for")
    if isinstance(error, OperationFailure) and error.code == TIME_LIMIT_EXCEEDED:
        return AssayError(
            f"{where}: {query.name} returned no document for {query.timeout_s:g} s; "
            f"raise {query.words.timeout}, or add an index for {query.words.filter}"
        )
    if isinstance(error, ConnectionFailure):
        return AssayError(
            f"{where} cannot be reached within {query.timeout_s:g} s; "
            f"start it, check the address that {query.words.uri} stands for, or raise {query.words.timeout}"
        )
    reason = brief(query, error)
    return AssayError(f"{where} refused to {action} {query.name}: {reason}; check address, query and permissions")


def brief(query: MongoQuery, error: Exception) -> str:
    """Return the driver's message in one line, without the full reply of the server and without credentials."""
    text = " ".join(str(error).partition(", full error")[0].split())
    credentials = _without_scheme(query.uri).rpartition("@")[0]
    password = credentials.partition(":")[2]
    for secret in filter(None, (query.uri, credentials, password, unquote(password))):
        text = text.replace(secret, "***")
    return f"{type(error).__name__}: {text}"


def hosts(uri: str) -> str:
    """Return the hosts of an address, without user, password and options."""
    return re.split("[/?]", _without_scheme(uri).rpartition("@")[2])[0]


def _without_scheme(uri: str) -> str:
    return re.sub(r"^[a-z+]*://", "", uri)
