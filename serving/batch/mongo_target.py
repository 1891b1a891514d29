"""Answers as fields of MongoDB documents: doing a shard twice is the same as doing it once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.corpus.errors import AssayError
from assay.corpus.sources.lines import Row
from assay.corpus.sources.mongo_connection import MongoQuery, connect, hosts, open_collection
from assay.corpus.sources.mongo_updates import Fields, set_fields
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.output import Writer
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column, plain
from assay.serving.engine import Engine, Prediction
from assay.serving.json_objects import as_object

if TYPE_CHECKING:
    from pymongo.collection import Collection

ID = "_id"
ANSWER = "prediction"


@dataclass(frozen=True)
class MongoTarget:
    """Documents of a collection that get a field `prediction`.

    `in_place`: they are those that were read, and so there already; else documents that are not there are made, with
    the columns of the row. `id_field` is the column that holds their `_id`; `from_mongo`: the rows are documents, where
    null is an `_id` like any other, and a dot in the name of a column leads into an object.
    """

    query: MongoQuery
    id_field: str = ID
    in_place: bool = False
    from_mongo: bool = True

    @property
    def name(self) -> str:
        """`DATABASE.COLLECTION`."""
        return self.query.name

    @property
    def layout(self) -> Layout:
        """BSON holds what Python does."""
        return "raw"

    @property
    def suffix(self) -> None:
        """There are no files."""

    def identity(self) -> dict[str, Any]:
        """The collection, and what is the `_id`."""
        return {"hosts": hosts(self.query.uri), "name": self.query.name, "id": self.id_field}

    @contextmanager
    def open(self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int) -> Iterator[Writer]:
        """A writer over a connection of its own."""
        self._check(columns)
        with connect(self.query) as client:
            yield _MongoWriter(self, open_collection(client, self.query), engine)

    def publish(self) -> AbstractContextManager[None]:
        """There is nothing to give a name to."""
        return nullcontext()

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """There is nothing to join."""

    def _check(self, columns: Sequence[Column]) -> None:
        if self.in_place:
            return
        names = [column.name for column in columns]
        if self.id_field not in names:
            raise AssayError(f"--id is {self.id_field!r}, but there is no such column; name one of {', '.join(names)}")
        for name in names:
            if name == ANSWER or name.startswith("$") or not name or ("." in name and not self.from_mongo):
                raise AssayError(f"the column {name!r} cannot be a field beside the answers in MongoDB; rename it")


class _MongoWriter:
    def __init__(self, target: MongoTarget, collection: "Collection[dict[str, Any]]", engine: Engine) -> None:
        self._target = target
        self._collection = collection
        self._engine = engine
        self._model = {"name": engine.manifest.name, "digest": engine.digest}

    def write(
        self, chunk: InputChunk, good: Sequence[int], texts: Sequence[str], answers: Sequence[Prediction]
    ) -> Mapping[int, str]:
        target = self._target
        refused: dict[int, str] = {}
        updates: dict[int, Fields] = {}
        for index, row, text, answer in zip(good, chunk.rows(good), texts, answers, strict=True):
            own_id = row.get(target.id_field)
            if own_id is None and not target.from_mongo:
                refused[index] = f"{target.id_field} is missing"
            else:
                updates[index] = (_bson_id(own_id), self._fields(row, text, answer))
        places = list(updates)
        found = set_fields(self._collection, target.query, list(updates.values()), make=not target.in_place)
        return refused | {places[place]: reason for place, reason in found.items()}

    def _fields(self, row: Row, text: str, answer: Prediction) -> Row:
        target = self._target
        kept = {} if target.in_place else {name: row[name] for name in row if name not in (ID, target.id_field)}
        fields: Row = plain({**kept, ANSWER: {**as_object(text, answer, self._engine), "model": self._model}})
        return fields


def _bson_id(value: Any) -> Any:
    """The `_id`, also where a file of JSON spells it: `{"$oid": ...}`."""
    from bson import json_util

    if isinstance(value, dict) and any(str(key).startswith("$") for key in value):
        return json_util.loads(json.dumps(value))
    return plain(value)
