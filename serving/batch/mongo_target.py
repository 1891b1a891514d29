"""Predictions as fields of MongoDB documents. Writing a shard twice gives the same documents as writing it once."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.corpus.errors import AssayError
from assay.corpus.sources.lines import Row
from assay.corpus.sources.mongo_connection import MongoQuery, connect, hosts, open_collection
from assay.corpus.sources.mongo_updates import FieldUpdate, set_fields
from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.output import Writer
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column, plain
from assay.serving.engine import Engine, Prediction
from assay.serving.json_objects import as_object
from assay.serving.prediction_options import ALL, PredictionOptions

if TYPE_CHECKING:
    from pymongo.collection import Collection

ID = "_id"
PREDICTION = "prediction"


@dataclass(frozen=True)
class MongoTarget:
    """The documents of a collection, which get a field `prediction`.

    Args:
        query: the collection.
        id_field: column that holds the `_id` of a document.
        in_place: the documents are those that were read, so they exist already. Otherwise missing documents are created
            with the columns of the row.
        from_mongo: the rows are MongoDB documents, in which None is a valid `_id` and a dot in the name of a column
            leads into an object.
        options: what to write of a prediction.
    """

    query: MongoQuery
    id_field: str = ID
    in_place: bool = False
    from_mongo: bool = True
    options: PredictionOptions = ALL

    @property
    def name(self) -> str:
        """Return `DATABASE.COLLECTION`."""
        return self.query.name

    @property
    def layout(self) -> Layout:
        """Return `raw`: BSON holds the types of Python."""
        return "raw"

    @property
    def suffix(self) -> None:
        """Return None: a shard has no file of its own."""

    def identity(self) -> dict[str, Any]:
        """Return the collection, the column of the `_id` and the options."""
        place = {"hosts": hosts(self.query.uri), "name": self.query.name, "id": self.id_field}
        return {**place, "options": asdict(self.options)}

    @contextmanager
    def open(self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int) -> Iterator[Writer]:
        """Yield a writer with its own connection."""
        self._check(columns)
        with connect(self.query) as client:
            yield _MongoWriter(self, open_collection(client, self.query), engine)

    def publish(self) -> AbstractContextManager[None]:
        """Return an empty context: there is no file to rename."""
        return nullcontext()

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """Do nothing: the writers have written all documents."""

    def _check(self, columns: Sequence[Column]) -> None:
        if self.in_place:
            return
        names = [column.name for column in columns]
        if self.id_field not in names:
            raise AssayError(f"--id is {self.id_field!r}, but there is no such column; name one of {', '.join(names)}")
        for name in names:
            if name == PREDICTION or name.startswith("$") or not name or ("." in name and not self.from_mongo):
                raise AssayError(f"the column {name!r} cannot be a field beside the predictions in MongoDB; rename it")


class _MongoWriter:
    def __init__(self, target: MongoTarget, collection: "Collection[dict[str, Any]]", engine: Engine) -> None:
        self._target = target
        self._collection = collection
        self._engine = engine
        self._model = {"name": engine.manifest.name, "digest": engine.digest}

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        target = self._target
        refused: dict[int, str] = {}
        updates: dict[int, FieldUpdate] = {}
        for index, row, text, prediction in zip(indices, chunk.rows(indices), texts, predictions, strict=True):
            document_id = row.get(target.id_field)
            if document_id is None and not target.from_mongo:
                refused[index] = f"{target.id_field} is missing; add it, or name another column with --id"
            else:
                updates[index] = (_bson_id(document_id), self._fields(row, text, prediction))
        updated = list(updates)
        failed = set_fields(self._collection, target.query, list(updates.values()), make=not target.in_place)
        return refused | {updated[position]: reason for position, reason in failed.items()}

    def _fields(self, row: Row, text: str, prediction: Prediction) -> Row:
        target = self._target
        columns = {} if target.in_place else {name: row[name] for name in row if name not in (ID, target.id_field)}
        predicted = as_object(text, prediction, self._engine, target.options)
        fields: Row = plain({**columns, PREDICTION: {**predicted, "model": self._model}})
        return fields


def _bson_id(value: Any) -> Any:
    """Return the `_id` as BSON, also from extended JSON such as `{"$oid": ...}`."""
    from bson import json_util

    if isinstance(value, dict) and any(str(key).startswith("$") for key in value):
        return json_util.loads(json.dumps(value))
    return plain(value)
