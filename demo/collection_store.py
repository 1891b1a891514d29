"""Commands of the MongoDB stand-in, over documents in memory.

Filters, sort keys, updates and pipelines are evaluated by mongomock. The stand-in is good enough to demonstrate and
test a reader of the responses, but no proof of the behaviour of MongoDB.
"""

import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import bson
import mongomock
from bson.raw_bson import RawBSONDocument
from mongomock.filtering import resolve_sort_key
from pymongo.errors import PyMongoError

from demo.matching import Document, matching, project

FIRST_BATCH = 101
LATER_BATCH = 1_000
LARGEST_BATCH = 12 * 1024 * 1024
CURSOR_NOT_FOUND = 43
HELLO = {
    "isWritablePrimary": True,
    "ismaster": True,
    "helloOk": True,
    "maxBsonObjectSize": 16 * 1024 * 1024,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}


class ConnectionCutError(Exception):
    """The connection must be closed without a response."""


class CommandError(Exception):
    """A response with `ok: 0`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Faults:
    """Cursor faults: each time `after` more documents were sent, the next getMore fails, `times` times in all."""

    after: int = 0
    times: int = 0
    cut: bool = False
    sent: int = 0

    def room(self, wanted: int) -> int:
        """Return how many of the wanted documents may be sent before the next fault."""
        return min(wanted, self.after - self.sent) if self.times else wanted

    def strike(self) -> None:
        """Raise the next fault, if it is due.

        Raises:
            CommandError: CursorNotFound.
            ConnectionCutError: with `cut`.
        """
        if not self.times or self.sent < self.after:
            return
        self.times, self.sent = self.times - 1, 0
        if self.cut:
            raise ConnectionCutError
        raise CommandError(CURSOR_NOT_FOUND, "cursor broken on purpose")


@dataclass
class Rows:
    """The documents of a collection by `_id`, and their order, cached until the next write."""

    by_id: dict[bytes, Document] = field(default_factory=dict)
    ordered: list[Document] | None = None

    def put(self, document: Document) -> None:
        """Insert or replace by `_id`."""
        self.by_id[bson.encode({"_id": document["_id"]})] = document
        self.ordered = None

    def drop(self, document: Document) -> None:
        """Remove by `_id`."""
        del self.by_id[bson.encode({"_id": document["_id"]})]
        self.ordered = None

    def in_order(self) -> list[Document]:
        """Return all documents in the order of `_id`."""
        if self.ordered is None:
            self.ordered = sorted(self.by_id.values(), key=lambda document: resolve_sort_key("_id", document))
        return self.ordered


class Store:
    """Databases, open cursors and the commands on them. `respond` may be called from several threads."""

    def __init__(self) -> None:
        self.faults = Faults()
        self._collections: dict[str, dict[str, Rows]] = {}
        self._cursors: dict[int, tuple[str, Iterator[Document]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def respond(self, command: Document) -> Document:
        """Return the response to a command, which may be an error.

        Raises:
            ConnectionCutError: the connection must be closed.
        """
        name = next(iter(command))
        handler: Callable[[Document], Document] | None = getattr(self, f"_do_{name.lower()}", None)
        try:
            if handler is None:
                raise CommandError(59, f"no such command: {name!r}")
            with self._lock:
                return {**handler(command), "ok": 1.0}
        except CommandError as error:
            return {"ok": 0.0, "code": error.code, "errmsg": str(error)}
        except (PyMongoError, NotImplementedError, TypeError, ValueError) as error:
            # Raised by mongomock for unknown and refused operations.
            return {"ok": 0.0, "code": 2, "errmsg": f"{type(error).__name__}: {error}"}

    def _rows(self, command: Document) -> Rows:
        database = self._collections.setdefault(command["$db"], {})
        return database.setdefault(next(iter(command.values())), Rows())

    def _do_hello(self, _: Document) -> Document:
        return dict(HELLO)

    _do_ismaster = _do_hello

    def _do_ping(self, _: Document) -> Document:
        return {}

    _do_endsessions = _do_ping

    def _do_buildinfo(self, _: Document) -> Document:
        return {"version": "7.0.0", "versionArray": [7, 0, 0, 0]}

    def _do_listdatabases(self, _: Document) -> Document:
        return {"databases": [{"name": name, "sizeOnDisk": 0, "empty": False} for name in self._collections]}

    def _do_listcollections(self, command: Document) -> Document:
        names = self._collections.get(command["$db"], {})
        batch = [{"name": name, "type": "collection", "options": {}, "info": {}} for name in names]
        return {"cursor": {"id": 0, "ns": f"{command['$db']}.$cmd.listCollections", "firstBatch": batch}}

    def _do_insert(self, command: Document) -> Document:
        rows = self._rows(command)
        errors = []
        for index, document in enumerate(command["documents"]):
            if bson.encode({"_id": document["_id"]}) in rows.by_id:
                errors.append({"index": index, "code": 11000, "errmsg": f"duplicate _id {document['_id']!r}"})
                if command.get("ordered", True):
                    break
            else:
                rows.put(document)
        return {"n": len(command["documents"]) - len(errors), **({"writeErrors": errors} if errors else {})}

    def _do_delete(self, command: Document) -> Document:
        rows = self._rows(command)
        count = 0
        for order in command["deletes"]:
            matches = list(matching(rows.in_order(), order["q"]))
            for document in matches[:1] if order.get("limit") else matches:
                rows.drop(document)
                count += 1
        return {"n": count}

    def _do_update(self, command: Document) -> Document:
        rows = self._rows(command)
        matched = modified = 0
        for order in command["updates"]:
            before = list(matching(rows.in_order(), order["q"]))
            scratch = _scratch(before)
            update = scratch.update_many if order.get("multi") else scratch.update_one
            if not any(key.startswith("$") for key in order["u"]):
                update = scratch.replace_one
            result = update(order["q"], order["u"], upsert=order.get("upsert", False))
            for document in scratch.find():
                rows.put(document)
            matched += result.matched_count + (result.upserted_id is not None)
            modified += result.modified_count
        return {"n": matched, "nModified": modified}

    def _do_drop(self, command: Document) -> Document:
        self._collections.get(command["$db"], {}).pop(command["drop"], None)
        return {}

    def _do_dropdatabase(self, command: Document) -> Document:
        self._collections.pop(command["$db"], None)
        return {}

    def _do_count(self, command: Document) -> Document:
        return {"n": sum(1 for _ in matching(self._rows(command).in_order(), command.get("query", {})))}

    def _do_aggregate(self, command: Document) -> Document:
        pipeline = list(command["pipeline"])
        documents: Iterable[Document] = self._rows(command).in_order()
        while pipeline and "$match" in pipeline[0]:
            documents = matching(documents, pipeline.pop(0)["$match"])
        if pipeline == [{"$group": {"_id": 1, "n": {"$sum": 1}}}]:
            # The pipeline of count_documents, for which mongomock would copy every document.
            count = sum(1 for _ in documents)
            documents = [{"_id": 1, "n": count}] if count else []
        elif pipeline:
            documents = _scratch(documents).aggregate(pipeline)
        return self._open_cursor(command, iter(documents), command.get("cursor", {}).get("batchSize"))

    def _do_find(self, command: Document) -> Document:
        documents = self._rows(command).in_order()
        sort = command.get("sort") or {}
        if sort and dict(sort) != {"_id": 1}:
            documents = list(matching(documents, command.get("filter") or {}))
            for key, direction in reversed(sort.items()):
                documents.sort(key=functools.partial(resolve_sort_key, key), reverse=direction < 0)
        matches = matching(documents, command.get("filter") or {})
        skip, limit = command.get("skip", 0), abs(command.get("limit", 0))
        selected = itertools.islice(matches, skip, skip + limit if limit else None)
        projection = command.get("projection") or {}
        projected = (project(document, projection) for document in selected) if projection else selected
        return self._open_cursor(command, projected, command.get("batchSize"), command.get("singleBatch", False))

    def _do_getmore(self, command: Document) -> Document:
        number = command["getMore"]
        if number not in self._cursors:
            raise CommandError(CURSOR_NOT_FOUND, f"cursor id {number} not found")
        self.faults.strike()
        namespace, documents = self._cursors[number]
        batch, over = self._take(documents, command.get("batchSize", LATER_BATCH))
        if over:
            del self._cursors[number]
        return {"cursor": {"id": 0 if over else bson.Int64(number), "ns": namespace, "nextBatch": batch}}

    def _do_killcursors(self, command: Document) -> Document:
        killed = [number for number in command["cursors"] if self._cursors.pop(number, None)]
        return {"cursorsKilled": killed, "cursorsNotFound": [], "cursorsAlive": [], "cursorsUnknown": []}

    def _open_cursor(
        self, command: Document, documents: Iterator[Document], size: int | None, single: bool = False
    ) -> Document:
        namespace = f"{command['$db']}.{next(iter(command.values()))}"
        batch, over = self._take(documents, FIRST_BATCH if size is None else size)
        number = 0 if over or single else next(self._numbers)
        if number:
            self._cursors[number] = namespace, documents
        return {"cursor": {"id": bson.Int64(number), "ns": namespace, "firstBatch": batch}}

    def _take(self, documents: Iterator[Document], size: int) -> tuple[list[RawBSONDocument], bool]:
        """Return the next documents, encoded, and whether the cursor is exhausted."""
        batch: list[RawBSONDocument] = []
        allowed, length = self.faults.room(size), 0
        while len(batch) < allowed and length < LARGEST_BATCH:
            document = next(documents, None)
            if document is None:
                return batch, True
            batch.append(RawBSONDocument(bson.encode(document)))
            length += len(batch[-1].raw)
            self.faults.sent += 1
        return batch, False


def _scratch(documents: Iterable[Document]) -> Any:
    """Return a mongomock collection of the documents."""
    collection: Any = mongomock.MongoClient().scratch.documents
    if documents := list(documents):
        collection.insert_many(documents)
    return collection
