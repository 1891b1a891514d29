"""A MongoDB collection as the source of a prediction.

A shard of a collection is a range of `_id`, fixed when the prediction starts. Documents that are inserted after the
last range belong to the next prediction.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pyarrow as pa

from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.sources.bson_order import id_range_between, id_range_until
from assay.corpus.sources.lines import Row
from assay.corpus.sources.mongo import id_text, read_mongo
from assay.corpus.sources.mongo_connection import MongoQuery, bson_options, hosts
from assay.serving.batch.chunks import ROWS_PER_CHUNK, InputChunk, RowChunk
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column, Scan

ID = "_id"


@dataclass(frozen=True)
class MongoCollectionSource:
    """The documents of a collection in the order of `_id`, with the fields that the query names."""

    query: MongoQuery

    @property
    def name(self) -> str:
        """Return `DATABASE.COLLECTION`."""
        return self.query.name

    @property
    def id_field(self) -> str:
        """Return `_id`."""
        return ID

    def identity(self) -> dict[str, Any]:
        """Return the collection, the filter and the fields as JSON. The content, which may change, is left out."""
        query = self.query
        collection = {"hosts": hosts(query.uri), "name": query.name}
        return {**collection, "filter": _extended(dict(query.filter)), "fields": list(query.fields)}

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Read all ids, and no other field, and cut them into shards."""
        starts: list[str] = []
        rows = 0
        previous_last: Any = MISSING
        last: Any = MISSING
        for document in read_mongo(replace(self.query, fields=(ID,))):
            rows, last = rows + 1, document.values[ID]
            if rows % shard_rows == 0:
                starts.append(_start(previous_last, last))
                previous_last = last
        if rows % shard_rows or not rows:
            starts.append(_start(previous_last, last))
        columns = [Column(name, pa.string(), as_json=True) for name in self.query.fields]
        return Scan(rows, [Column(ID, pa.string()), *columns], shard_rows, starts)

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """Read each shard with its own cursor."""
        for shard in shards:
            number = shard * scan.shard_rows
            documents = read_mongo(self._shard_query(scan.starts[shard]))
            while rows := [self._row(document.values, layout) for document in islice(documents, ROWS_PER_CHUNK)]:
                yield shard, RowChunk(list(enumerate(rows, number + 1)))
                number += len(rows)
            if number == shard * scan.shard_rows:
                yield shard, RowChunk([])  # all its documents were deleted meanwhile

    def _shard_query(self, start: str) -> MongoQuery:
        after, last = _id_range(start)
        id_filter = id_range_until(last) if after is MISSING else id_range_between(after, last)
        conditions = [dict(condition) for condition in (self.query.filter, id_filter) if condition]
        return replace(self.query, filter={"$and": conditions} if conditions else {})

    def _row(self, document: Mapping[str, Any], layout: Layout) -> Row:
        values = {name: get_path(document, name) for name in self.query.fields if name != ID}
        row = {ID: document[ID], **{name: value for name, value in values.items() if value is not MISSING}}
        if layout == "raw":
            return row
        row = {name: _extended(value) for name, value in row.items()}
        return {**row, ID: id_text(document[ID])} if layout == "table" else row


def _start(after: Any, last: Any) -> str:
    """Return the id range of a shard as text: after `after` (`MISSING` for the first shard), up to and with `last`."""
    from bson import encode

    options = bson_options()
    limits = {name: value for name, value in (("after", after), ("last", last)) if value is not MISSING}
    return base64.b64encode(encode(limits, codec_options=options)).decode()


def _id_range(start: str) -> tuple[Any, Any]:
    from bson import decode

    limits = decode(base64.b64decode(start), codec_options=bson_options())
    return limits.get("after", MISSING), limits.get("last", MISSING)


def _extended(value: Any) -> Any:
    """Return the value as extended JSON: types that JSON lacks become objects such as `{"$oid": ...}`."""
    from bson import json_util

    if value is None or isinstance(value, str | int | float):
        return value
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))
