"""Documents of a MongoDB collection, each exactly once, in the order of `_id`, with flat memory.

pymongo is imported where it is used, so that recipes can be checked without it.
"""

import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from corpus.bson_order import behind
from corpus.document import Document
from corpus.errors import AssayError

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection

logger = logging.getLogger(__name__)

_COMPARING = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type")
_OF_LISTS = ("$all", "$elemMatch", "$size")
_JOINING = ("$and", "$or", "$nor", "$not")
# Neither code ($where, $function, $expr) nor patterns of unbounded cost ($regex).
ALLOWED_OPERATORS = frozenset((*_COMPARING, *_OF_LISTS, *_JOINING))
TIME_IS_UP = 50
# CursorNotFound, CursorKilled, QueryPlanKilled, MaxTimeMSExpired: the server gave the cursor up.
CURSOR_LOST = frozenset({43, 237, 175, TIME_IS_UP})
AUTHENTICATION_FAILED = 18
TRIES_WITHOUT_PROGRESS = 5
FIRST_PAUSE_S = 0.2


@dataclass(frozen=True)
class MongoQuery:
    """What is read from where. `uri` is the real address; it is in no error, log line or `repr`."""

    uri: str = field(repr=False)
    database: str
    collection: str
    filter: Mapping[str, Any] = field(default_factory=dict)
    fields: Sequence[str] = ()
    batch_size: int = 1000
    timeout_s: float = 30

    @property
    def name(self) -> str:
        """`DATABASE.COLLECTION`."""
        return f"{self.database}.{self.collection}"

    @property
    def timeout_ms(self) -> int:
        """`timeout_s` as the driver takes it; 0 would mean for ever."""
        return max(1, int(self.timeout_s * 1000))


def read_mongo(query: MongoQuery) -> Iterator[Document]:
    """Read a collection with one cursor sorted by `_id`, opened again behind the last `_id` when it breaks.

    Raises:
        AssayError: the address or filter is refused, the server cannot be reached, or the cursor broke
            several times at the same place.
    """
    if refused := refused_operators(query.filter):
        raise AssayError(
            f"source.filter holds the operator {refused[0]!r}; allowed are {' '.join(sorted(ALLOWED_OPERATORS))}"
        )
    with _connect(query) as client:
        for document in _scan(_open(client, query), query):
            yield Document(_id_text(document["_id"]), document)


def refused_operators(filter_: Any) -> list[str]:
    """Operators anywhere in the filter that are not on the allow-list, such as `$where`."""
    if isinstance(filter_, Mapping):
        own = [key for key in map(str, filter_) if key.startswith("$") and key not in ALLOWED_OPERATORS]
        return own + [name for value in filter_.values() for name in refused_operators(value)]
    if isinstance(filter_, list | tuple):
        return [name for value in filter_ for name in refused_operators(value)]
    return []


def _connect(query: MongoQuery) -> "MongoClient[dict[str, Any]]":
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
        raise AssayError("source.uri stands for no valid mongodb:// or mongodb+srv:// address; check it") from None
    try:
        client.admin.command("ping")
    except PyMongoError as error:
        client.close()
        raise _mendable(query, error) from None
    return client


def _open(client: "MongoClient[dict[str, Any]]", query: MongoQuery) -> "Collection[dict[str, Any]]":
    from bson.binary import UuidRepresentation
    from bson.codec_options import CodecOptions, DatetimeConversion

    options: CodecOptions[dict[str, Any]] = CodecOptions(
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        # Invalid UTF-8 then costs its own document only: lone surrogates are rejected later.
        unicode_decode_error_handler="surrogateescape",
    )
    return client[query.database].get_collection(query.collection, codec_options=options)


def _scan(collection: "Collection[dict[str, Any]]", query: MongoQuery) -> Iterator[dict[str, Any]]:
    from pymongo.errors import PyMongoError

    position: dict[str, Any] | None = None
    tries = 0
    while True:
        document = None
        try:
            with closing(_cursor(collection, query, position)) as cursor:
                while cursor.alive:
                    # The loop ends at an empty batch too, behind which there may be more.
                    for document in cursor:
                        yield document
            return
        except PyMongoError as error:
            tries = 1 if document else tries + 1
            if not _cursor_lost(error) or tries >= TRIES_WITHOUT_PROGRESS:
                raise _mendable(query, error) from None
            logger.warning(
                "the cursor on %s broke; going on behind the last _id (%s)", query.name, _brief(query, error)
            )
            time.sleep(FIRST_PAUSE_S * 2 ** (tries - 1))
        if document:
            position = behind(document["_id"])


def _cursor(collection: "Collection[dict[str, Any]]", query: MongoQuery, position: Mapping[str, Any] | None) -> Any:
    conditions = [dict(condition) for condition in (query.filter, position) if condition]
    return collection.find(
        {"$and": conditions} if conditions else {},
        projection=dict.fromkeys(query.fields, 1) or None,
        sort=[("_id", 1)],
        batch_size=query.batch_size,
        max_time_ms=query.timeout_ms,
    )


def _cursor_lost(error: Exception) -> bool:
    """Whether a new cursor may do better. Where no server was found, the driver has waited long enough."""
    from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError

    if isinstance(error, OperationFailure):
        return error.code in CURSOR_LOST
    return isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError)


def _mendable(query: MongoQuery, error: Exception) -> AssayError:
    """One line without secrets, and without the driver's error as its cause, which would print them."""
    from pymongo.errors import ConnectionFailure, OperationFailure

    where = f"MongoDB at {_hosts(query.uri)}"
    if isinstance(error, OperationFailure) and error.code == AUTHENTICATION_FAILED:
        return AssayError(f"{where} refused the user or password; check the address that source.uri stands for")
    if isinstance(error, OperationFailure) and error.code == TIME_IS_UP:
        return AssayError(
            f"{where}: {query.name} gave no document for {query.timeout_s:g} s; "
            "raise source.timeout_s, or add an index for source.filter"
        )
    if isinstance(error, ConnectionFailure):
        return AssayError(
            f"{where} cannot be reached within {query.timeout_s:g} s; "
            "start it, check the address that source.uri stands for, or raise source.timeout_s"
        )
    return AssayError(f"{where} refused to read {query.name}: {_brief(query, error)}")


def _brief(query: MongoQuery, error: Exception) -> str:
    """The driver's message in one line, without the server's whole reply and without credentials."""
    text = " ".join(str(error).partition(", full error")[0].split())
    credentials = _without_scheme(query.uri).rpartition("@")[0]
    password = credentials.partition(":")[2]
    for secret in filter(None, (query.uri, credentials, password, unquote(password))):
        text = text.replace(secret, "***")
    return f"{type(error).__name__}: {text}"


def _hosts(uri: str) -> str:
    """The hosts of an address, without user, password and options."""
    return re.split("[/?]", _without_scheme(uri).rpartition("@")[2])[0]


def _without_scheme(uri: str) -> str:
    return re.sub(r"^[a-z+]*://", "", uri)


def _id_text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
