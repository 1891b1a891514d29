"""Connections to MongoDB, and errors of theirs that a person can mend, without a password in any of them.

pymongo is imported where it is used, so that recipes can be checked without it.
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

TIME_IS_UP = 50
AUTHENTICATION_FAILED = 18


class MongoWords(NamedTuple):
    """What a user calls the settings that mend an error."""

    uri: str
    filter: str
    timeout: str


RECIPE_WORDS = MongoWords("source.uri", "source.filter", "source.timeout_s")


@dataclass(frozen=True)
class MongoQuery:
    """What is read from where, or written. `uri` is the real address; it is in no error, log line or `repr`."""

    uri: str = field(repr=False)
    database: str
    collection: str
    filter: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[str] = ()
    batch_size: int = 1000
    timeout_s: float = 30
    words: MongoWords = RECIPE_WORDS

    @property
    def name(self) -> str:
        """`DATABASE.COLLECTION`."""
        return f"{self.database}.{self.collection}"

    @property
    def timeout_ms(self) -> int:
        """`timeout_s` as the driver takes it; 0 would mean for ever."""
        return max(1, int(self.timeout_s * 1000))


def connect(query: MongoQuery) -> "MongoClient[dict[str, Any]]":
    """A client that has reached its server.

    Raises:
        AssayError: the address is none, or the server cannot be reached.
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
        raise AssayError(
            f"{query.words.uri} stands for no valid mongodb:// or mongodb+srv:// address; check it"
        ) from None
    try:
        client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        raise user_error(query, error) from None
    return client


def open_collection(client: "MongoClient[dict[str, Any]]", query: MongoQuery) -> "Collection[dict[str, Any]]":
    """The collection of a query, with `bson_options`."""
    return client[query.database].get_collection(query.collection, codec_options=bson_options())


def bson_options() -> "CodecOptions[dict[str, Any]]":
    """How BSON becomes Python and back."""
    from bson.binary import UuidRepresentation
    from bson.codec_options import CodecOptions, DatetimeConversion, TypeRegistry

    return CodecOptions(
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        # Invalid UTF-8 then costs its own document only: lone surrogates are rejected later.
        unicode_decode_error_handler="surrogateescape",
        type_registry=TypeRegistry(fallback_encoder=_as_bson),
    )


def _as_bson(value: Any) -> Any:
    """What columns of a file may hold and BSON does not."""
    from bson import Decimal128

    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return str(value)


def user_error(query: MongoQuery, error: Exception, doing: str = "read") -> AssayError:
    """One line without secrets, and without the driver's error as its cause, which would print them."""
    from pymongo.errors import ConnectionFailure, OperationFailure

    where = f"MongoDB at {hosts(query.uri)}"
    if isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED:
        return AssayError(f"{where} refused the user or password; check the address that {query.words.uri} stands for")
    if isinstance(error, OperationFailure) and error.code == TIME_IS_UP:
        return AssayError(
            f"{where}: {query.name} gave no document for {query.timeout_s:g} s; "
            f"raise {query.words.timeout}, or add an index for {query.words.filter}"
        )
    if isinstance(error, ConnectionFailure):
        return AssayError(
            f"{where} cannot be reached within {query.timeout_s:g} s; "
            f"start it, check the address that {query.words.uri} stands for, or raise {query.words.timeout}"
        )
    return AssayError(f"{where} refused to {doing} {query.name}: {brief(query, error)}")


def brief(query: MongoQuery, error: Exception) -> str:
    """The driver's message in one line, without the server's whole reply and without credentials."""
    text = " ".join(str(error).partition(", full error")[0].split())
    credentials = _without_scheme(query.uri).rpartition("@")[0]
    password = credentials.partition(":")[2]
    for secret in filter(None, (query.uri, credentials, password, unquote(password))):
        text = text.replace(secret, "***")
    return f"{type(error).__name__}: {text}"


def hosts(uri: str) -> str:
    """The hosts of an address, without user, password and options."""
    return re.split("[/?]", _without_scheme(uri).rpartition("@")[2])[0]


def _without_scheme(uri: str) -> str:
    return re.sub(r"^[a-z+]*://", "", uri)
