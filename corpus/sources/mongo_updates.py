"""Fields set in documents of a MongoDB collection by their `_id`: doing it twice is the same as doing it once."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.corpus.sources.mongo_connection import MongoQuery, user_error

if TYPE_CHECKING:
    from pymongo import UpdateOne
    from pymongo.collection import Collection

TRIES = 5
FIRST_PAUSE_S = 0.2
# Two writers made one document at the same moment: the second finds it when it tries again.
DUPLICATE = 11000

Fields = tuple[Any, Mapping[str, Any]]
"""The `_id` of a document, and what to set in it."""


def set_fields(
    collection: "Collection[dict[str, Any]]", query: MongoQuery, updates: Sequence[Fields], *, make: bool
) -> dict[int, str]:
    """Set fields of documents, in bulk and again where the connection breaks.

    Args:
        collection: where they lie.
        query: names it in errors.
        updates: what to set where.
        make: whether documents that are not there are made.

    Returns:
        Why the server, or BSON, refused an update, by its index: the others are done.

    Raises:
        AssayError: the server cannot be reached, or refuses all.
    """
    from pymongo.errors import PyMongoError

    waiting = list(range(len(updates)))
    refused: dict[int, str] = {}
    for attempt in range(1, TRIES + 1):
        orders = [_order(*updates[index], make) for index in waiting]
        try:
            again = _write(collection, orders, waiting, refused)
        except PyMongoError as error:
            if attempt == TRIES or not _may_pass(error):
                raise user_error(query, error, "write") from None
            again = waiting
        if not again:
            return refused
        waiting = again
        time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
    return refused | dict.fromkeys(waiting, "the _id is there already, and cannot be written")


def _order(id_: Any, fields: Mapping[str, Any], make: bool) -> "UpdateOne":
    from pymongo import UpdateOne

    # $eq takes an _id that is an object as it is, and never for operators.
    return UpdateOne({"_id": {"$eq": id_}}, {"$set": dict(fields)}, upsert=make)


def _write(
    collection: "Collection[dict[str, Any]]", orders: "list[UpdateOne]", indices: list[int], refused: dict[int, str]
) -> list[int]:
    """Send orders at once; gives what is to be tried again, and adds to `refused`."""
    from bson.errors import BSONError
    from pymongo.errors import BulkWriteError, DocumentTooLarge

    try:
        collection.bulk_write(orders, ordered=False)
    except BulkWriteError as error:
        return _sort_out(error, indices, refused)
    except (BSONError, DocumentTooLarge, OverflowError, UnicodeError) as error:
        # Some document is none that BSON can hold, and the driver does not say which.
        if len(orders) == 1:
            refused[indices[0]] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return []
        half = len(orders) // 2
        parts = (orders[:half], indices[:half]), (orders[half:], indices[half:])
        return [index for part in parts for index in _write(collection, *part, refused)]
    return []


def _sort_out(error: Any, indices: list[int], refused: dict[int, str]) -> list[int]:
    again = []
    for fault in error.details.get("writeErrors", []):
        index = indices[fault["index"]]
        if fault["code"] == DUPLICATE:
            again.append(index)
        else:
            refused[index] = " ".join(f"refused by MongoDB: {fault['errmsg']}".split())[:300]
    if error.details.get("writeConcernErrors"):
        return indices  # written, but not where it outlives a failure of the server
    return again


def _may_pass(error: Exception) -> bool:
    """Whether the same write may do better soon."""
    from pymongo.errors import AutoReconnect, PyMongoError, ServerSelectionTimeoutError

    if isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError):
        return True
    return isinstance(error, PyMongoError) and error.has_error_label("RetryableWriteError")
