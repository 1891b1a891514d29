"""Where the MongoDB tests read: the stand-in, or the server that MONGODB_URI names."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from pymongo import MongoClient

from assay.corpus.sources.mongo_connection import MongoQuery
from demo.wire import WireServer


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
