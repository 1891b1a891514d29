"""Documents of a MongoDB collection, each exactly once, in the order of `_id`, in constant memory.

pymongo is imported on use, so that recipes can be checked without it.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.sources.bson_order import id_range_after
from assay.corpus.sources.mongo_connection import (
    TIME_LIMIT_EXCEEDED,
    MongoQuery,
    brief,
    bson_options,
    connect,
    open_collection,
    user_error,
)

if TYPE_CHECKING:
    from pymongo.collection import Collection

logger = logging.getLogger(__name__)

_COMPARING = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type")
_OF_LISTS = ("$all", "$elemMatch", "$size")
_JOINING = ("$and", "$or", "$nor", "$not")
# Neither code ($where, $function, $expr) nor patterns of unbounded cost ($regex).
ALLOWED_OPERATORS = frozenset((*_COMPARING, *_OF_LISTS, *_JOINING))
# CursorNotFound, CursorKilled, QueryPlanKilled, MaxTimeMSExpired: the server closed the cursor.
CURSOR_LOST = frozenset({43, 237, 175, TIME_LIMIT_EXCEEDED})
TRIES_WITHOUT_PROGRESS = 5
FIRST_PAUSE_S = 0.2


def read_mongo(query: MongoQuery) -> Iterator[Document]:
    """Yield the documents of a collection from one cursor sorted by `_id`, reopened after the last `_id` if it breaks.

    Raises:
        AssayError: the address or filter is rejected, the server cannot be reached, or the cursor broke
            several times at the same place.
    """
    for batch in read_encoded(query):
        yield from decode(batch)


def read_encoded(query: MongoQuery) -> Iterator[bytes]:
    """Yield the documents in encoded batches, as received, for other processes to decode."""
    if refusal := filter_error(query.filter, query.words.filter):
        raise AssayError(refusal)
    with connect(query) as client:
        yield from _scan(open_collection(client, query), query)


def decode(batch: bytes) -> Iterator[Document]:
    """Yield the documents of an encoded batch."""
    import bson

    for document in bson.decode_all(batch, bson_options()):
        yield Document(id_text(document["_id"]), document)


def refused_operators(filter_: Any) -> list[str]:
    """Return all operators in a filter that are not on the allow-list, such as `$where`."""
    if isinstance(filter_, Mapping):
        own = [key for key in map(str, filter_) if key.startswith("$") and key not in ALLOWED_OPERATORS]
        return own + [name for value in filter_.values() for name in refused_operators(value)]
    if isinstance(filter_, list | tuple):
        return [name for value in filter_ for name in refused_operators(value)]
    return []


def filter_error(filter_: Any, name: str) -> str | None:
    """Return one line that says why a filter is rejected; None if all its operators are on the allow-list.

    Args:
        filter_: filter of a query.
        name: name of the setting, for the message.
    """
    if not (refused := refused_operators(filter_)):
        return None
    return f"{name} holds the operator {refused[0]!r}; allowed are {' '.join(sorted(ALLOWED_OPERATORS))}"


def _scan(collection: "Collection[dict[str, Any]]", query: MongoQuery) -> Iterator[bytes]:
    from pymongo.errors import PyMongoError

    position: dict[str, Any] | None = None
    tries = 0
    while True:
        batch = b""
        try:
            with closing(_cursor(collection, query, position)) as cursor:
                while cursor.alive:
                    # The loop also ends at an empty batch, after which there may be more.
                    for encoded in cursor:
                        if encoded:
                            batch = encoded
                            yield batch
            return
        except PyMongoError as error:
            tries = 1 if batch else tries + 1
            if not _cursor_lost(error) or tries >= TRIES_WITHOUT_PROGRESS:
                raise user_error(query, error) from None
            logger.warning("the cursor on %s broke; resuming after the last _id (%s)", query.name, brief(query, error))
            time.sleep(FIRST_PAUSE_S * 2 ** (tries - 1))
        if batch:
            *_, last = decode(batch)
            position = id_range_after(last.values["_id"])


def _cursor(collection: "Collection[dict[str, Any]]", query: MongoQuery, position: Mapping[str, Any] | None) -> Any:
    conditions = [dict(condition) for condition in (query.filter, position) if condition]
    return collection.find_raw_batches(
        {"$and": conditions} if conditions else {},
        projection=dict.fromkeys(query.fields, 1) or None,
        sort=[("_id", 1)],
        batch_size=query.batch_size,
        max_time_ms=query.timeout_ms,
    )


def _cursor_lost(error: Exception) -> bool:
    """Return whether a new cursor may succeed; if no server was found, the driver has already waited."""
    from pymongo.errors import AutoReconnect, OperationFailure, ServerSelectionTimeoutError

    if isinstance(error, OperationFailure):
        return error.code in CURSOR_LOST
    return isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError)


def id_text(value: Any) -> str:
    """Return an `_id` of any type as readable text."""
    return value.hex() if isinstance(value, bytes) else str(value)
