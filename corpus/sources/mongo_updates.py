"""Idempotent updates of fields in documents of a MongoDB collection, by `_id`."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assay.corpus.sources.mongo_connection import MongoQuery, user_error

if TYPE_CHECKING:
    from pymongo import UpdateOne
    from pymongo.collection import Collection

TRIES = 5
FIRST_PAUSE_S = 0.2
# Two writers inserted one document at the same time: the second succeeds when it tries again.
DUPLICATE = 11000

FieldUpdate = tuple[Any, Mapping[str, Any]]
"""The `_id` of a document, and the values to set."""


def set_fields(
    collection: "Collection[dict[str, Any]]", query: MongoQuery, updates: Sequence[FieldUpdate], *, make: bool
) -> dict[int, str]:
    """Set fields of documents in bulk, and retry when the connection breaks.

    Args:
        collection: the collection to update.
        query: its address, for errors.
        updates: `_id` and values of each document.
        make: insert missing documents.

    Returns:
        Reasons of the server or BSON for rejected updates, by index; all other updates are written.

    Raises:
        AssayError: the server cannot be reached, or rejects all updates.
    """
    from pymongo.errors import PyMongoError

    pending = list(range(len(updates)))
    rejected: dict[int, str] = {}
    for attempt in range(1, TRIES + 1):
        operations = [_update(*updates[index], make) for index in pending]
        try:
            retry = _write(collection, operations, pending, rejected)
        except PyMongoError as error:
            if attempt == TRIES or not _is_transient(error):
                raise user_error(query, error, "write") from None
            retry = pending
        if not retry:
            return rejected
        pending = retry
        time.sleep(FIRST_PAUSE_S * 2 ** (attempt - 1))
    return rejected | dict.fromkeys(pending, "the _id already exists and cannot be written")


def _update(id_: Any, fields: Mapping[str, Any], make: bool) -> "UpdateOne":
    from pymongo import UpdateOne

    # $eq matches an _id that is an object literally, never as operators.
    return UpdateOne({"_id": {"$eq": id_}}, {"$set": dict(fields)}, upsert=make)


def _write(
    collection: "Collection[dict[str, Any]]",
    operations: "list[UpdateOne]",
    indices: list[int],
    rejected: dict[int, str],
) -> list[int]:
    """Send updates in one bulk write; return the indices to retry, and add to `rejected`."""
    from bson.errors import BSONError
    from pymongo.errors import BulkWriteError, DocumentTooLarge

    try:
        collection.bulk_write(operations, ordered=False)
    except BulkWriteError as error:
        return _failed_writes(error, indices, rejected)
    except (BSONError, DocumentTooLarge, OverflowError, UnicodeError) as error:
        # BSON cannot hold one of the documents, and the driver does not say which.
        if len(operations) == 1:
            rejected[indices[0]] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            return []
        half = len(operations) // 2
        parts = (operations[:half], indices[:half]), (operations[half:], indices[half:])
        return [index for part in parts for index in _write(collection, *part, rejected)]
    return []


def _failed_writes(error: Any, indices: list[int], rejected: dict[int, str]) -> list[int]:
    retry = []
    for fault in error.details.get("writeErrors", []):
        index = indices[fault["index"]]
        if fault["code"] == DUPLICATE:
            retry.append(index)
        else:
            rejected[index] = " ".join(f"rejected by MongoDB: {fault['errmsg']}".split())[:300]
    if error.details.get("writeConcernErrors"):
        return indices  # written, but not durably
    return retry


def _is_transient(error: Exception) -> bool:
    """Return whether the same write may succeed soon."""
    from pymongo.errors import AutoReconnect, PyMongoError, ServerSelectionTimeoutError

    if isinstance(error, AutoReconnect) and not isinstance(error, ServerSelectionTimeoutError):
        return True
    return isinstance(error, PyMongoError) and error.has_error_label("RetryableWriteError")
