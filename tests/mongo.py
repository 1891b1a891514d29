"""Where the MongoDB tests read: the stand-in, or the server that MONGODB_URI names."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId
from pymongo import MongoClient

from assay.corpus.sources.mongo_connection import MongoQuery
from demo.wire import WireServer

# Every type, in the order in which MongoDB sorts them, and several values of each.
MIXED_IDS: list[Any] = [
    *(None, -2.5, 3, 7, 2**40, "", "a", "b", "é", {"a": 2}, {"b": 1}),
    *(b"", b"ab", UUID(int=5)),
    *(ObjectId("0" * 24), ObjectId("f" * 24), False, True),
    *(datetime(1960, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Mongo:
    """A server and a database of the test's own; `server` is the stand-in, if it is one."""

    uri: str
    database: str
    server: WireServer | None

    def fill(self, collection: str, documents: Iterable[dict[str, Any]]) -> None:
        """Insert documents as they are."""
        with MongoClient[dict[str, Any]](self.uri, uuidRepresentation="standard") as client:
            client[self.database][collection].insert_many(list(documents))

    def query(self, collection: str, **settings: Any) -> MongoQuery:
        """A query on a collection of this database."""
        return MongoQuery(uri=self.uri, database=self.database, collection=collection, **settings)

    def breakable(self) -> WireServer:
        """The stand-in, whose cursors break when told."""
        if self.server is None:
            pytest.skip("a real server does not break its cursors on request")
        return self.server
