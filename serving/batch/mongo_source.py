"""MongoDB collections as source of a prediction.

A shard of a collection is a range of `_id`, settled when the prediction begins: what is inserted behind the last of
them meanwhile belongs to the next prediction.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.sources.bson_order import between, up_to
from assay.corpus.sources.lines import Row
from assay.corpus.sources.mongo import id_text, read_mongo
from assay.corpus.sources.mongo_connection import MongoQuery, bson_options, hosts
from assay.serving.batch.chunks import ROWS_PER_CHUNK, InputChunk, RowChunk
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column, Scan

if TYPE_CHECKING:
    pass

ID = "_id"


@dataclass(frozen=True)
class MongoCollectionSource:
    """Documents of a collection in the order of `_id`; of each, the fields that the query names."""

    query: MongoQuery

    @property
    def name(self) -> str:
        """`DATABASE.COLLECTION`."""
        return self.query.name

    @property
    def id_field(self) -> str:
        """`_id`."""
        return ID

    def identity(self) -> dict[str, Any]:
        """The collection and what is read of it; not its content, which may change at any time."""
        query = self.query
        where = {"hosts": hosts(query.uri), "name": query.name}
        return {**where, "filter": _extended(dict(query.filter)), "fields": list(query.fields)}

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Look through the ids, and through nothing else."""
        starts: list[str] = []
        rows = 0
        edge: Any = MISSING
        last: Any = MISSING
        for document in read_mongo(replace(self.query, fields=(ID,))):
            rows, last = rows + 1, document.values[ID]
            if rows % shard_rows == 0:
                starts.append(_start(edge, last))
                edge = last
        if rows % shard_rows or not rows:
            starts.append(_start(edge, last))
        kept = [Column(name, pa.string(), as_json=True) for name in self.query.fields]
        return Scan(rows, [Column(ID, pa.string()), *kept], shard_rows, starts)

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """Read each shard with a cursor of its own."""
        for shard in shards:
            number = shard * scan.shard_rows
            documents = read_mongo(self._part(scan.starts[shard]))
            while rows := [self._row(document.values, layout) for document in islice(documents, ROWS_PER_CHUNK)]:
                yield shard, RowChunk(list(enumerate(rows, number + 1)))
                number += len(rows)
            if number == shard * scan.shard_rows:
                yield shard, RowChunk([])  # its documents are gone by now; it is done nevertheless

    def _part(self, start: str) -> MongoQuery:
        after, last = _edges(start)
        part = up_to(last) if after is MISSING else between(after, last)
        conditions = [dict(condition) for condition in (self.query.filter, part) if condition]
        return replace(self.query, filter={"$and": conditions} if conditions else {})

    def _row(self, document: Mapping[str, Any], layout: Layout) -> Row:
        values = {name: get_path(document, name) for name in self.query.fields if name != ID}
        row = {ID: document[ID], **{name: value for name, value in values.items() if value is not MISSING}}
        if layout == "raw":
            return row
        row = {name: _extended(value) for name, value in row.items()}
        return {**row, ID: id_text(document[ID])} if layout == "table" else row


def _start(after: Any, last: Any) -> str:
    """Where a shard begins (behind `after`, if that is anything) and ends, as text."""
    from bson import encode

    options = bson_options()
    edges = {name: value for name, value in (("after", after), ("last", last)) if value is not MISSING}
    return base64.b64encode(encode(edges, codec_options=options)).decode()


def _edges(start: str) -> tuple[Any, Any]:
    from bson import decode

    edges = decode(base64.b64decode(start), codec_options=bson_options())
    return edges.get("after", MISSING), edges.get("last", MISSING)


def _extended(value: Any) -> Any:
    """The value as JSON holds it: what JSON does not know as MongoDB's own tools write it, such as `{"$oid": ...}`."""
    from bson import json_util

    if value is None or isinstance(value, str | int | float):
        return value
    return json.loads(json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS))
