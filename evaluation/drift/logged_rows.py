"""Rows of the prediction log of a server, and labels that arrived later."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.corpus.documents.entity_spans import without_space
from assay.corpus.documents.label_values import LabelValues, read_if_any
from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.documents.row_labels import RowLabels
from assay.corpus.documents.values import (
    MISSING,
    UnreadableError,
    column,
    is_missing,
    iso_time,
    plain_text,
    row_id,
    whole_number,
)
from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.sources.files import iter_rows
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.recipes.recipe import Recipe
from assay.serving.engine import ScoredEntity, ScoredLabel
from assay.serving.http.prediction_log import PATTERN

PREFIX = "log:"


@dataclass(frozen=True)
class LoggedRow:
    """A row of the prediction log. `example` holds the text if the server was allowed to store it.

    `group` is the request of rows that were sent together, unless the label of the row names another group.
    """

    time: str | None
    bundle: str
    group: str | None
    prediction: LabelledPrediction
    example: Example | None


@dataclass(frozen=True)
class Label:
    """Gold labels of a row: its class, its entities, its row labels or several of them, and its group if known."""

    label: str | None
    entities: tuple[Entity, ...] | None
    group: str | None = None
    labels: tuple[str, ...] | None = None

    def entities_in(self, text: str, row: str) -> tuple[Entity, ...] | None:
        """Return the entities without white space at their edges, like the entities of a source.

        Raises:
            AssayError: an entity lies outside the text, or covers white space alone.
        """
        if self.entities is None:
            return None
        return tuple(sorted(_without_white_space(text, entity, row) for entity in self.entities))


Labels = Mapping[str, Label]


def read_log(folder: Path, labels: Labels) -> Iterator[LoggedRow | InvalidRow]:
    """Yield the rows of all log files of a folder, in the order of their names.

    A killed server may leave an incomplete line, which becomes an `InvalidRow`.

    Raises:
        AssayError: the folder holds no log.
    """
    files = sorted(folder.glob(PATTERN))
    if not files:
        raise AssayError(f"{folder} holds no {PATTERN}: name the folder that assay serve --log writes to")
    for path in files:
        for number, row in iter_rows(path):
            if isinstance(row, InvalidRow):
                yield row
                continue
            try:
                yield _logged(row, labels)
            except (KeyError, TypeError, ValueError) as error:
                yield InvalidRow(f"{path.name}:{number}", f"not a row of a prediction log: {error}", None)


def read_labels(path: Path, recipe: Recipe) -> dict[str, Label]:
    """Read labels by the id of the row.

    A row of the file is `{"id": …, "label": …}`, or has `"entities"` with start, end and label, or a list `"labels"`;
    `"group"` is optional. A label that the model predicts under this name is read as it is, any other one as in the
    source of the recipe: one that means none there is none here.

    Raises:
        AssayError: the file or one of its rows cannot be read.
    """
    labels_by_id, values = {}, LabelValues(recipe.source, renamed=True)
    row_labels = RowLabels(recipe.source, values)
    for number, row in iter_rows(path):
        if isinstance(row, InvalidRow):
            raise AssayError(f"{path}: {row.reason}, in row {number}; fix the file of labels")
        try:
            label, entities, several = row.get("label"), row.get("entities", MISSING), row.get("labels")
            labels_by_id[row_id(row.get("id", MISSING), "id")] = Label(
                label=None if is_missing(label) else read_if_any(values.read_class, label, "label"),
                entities=None if is_missing(entities) else _entities(entities),
                group=column(row.get("group"), "group"),
                labels=None if is_missing(several) else read_if_any(row_labels.of, several, "labels"),
            )
        except (KeyError, TypeError, ValueError) as error:
            problem = f"{path}: row {number} is not a label ({error})"
            raise AssayError(f"{problem}; it needs id, and label, labels or entities") from error
    return labels_by_id


def _entities(values: Any) -> tuple[Entity, ...]:
    return tuple(sorted(map(_entity, values)))


def _entity(values: Mapping[str, Any]) -> Entity:
    start, end = (_offset(values, name) for name in ("start", "end"))
    if not 0 <= start < end:
        raise UnreadableError("the entity is empty", f"{start}:{end}")
    return Entity(start, end, plain_text(values["label"], "entity.label"))


def _offset(values: Mapping[str, Any], name: str) -> int:
    number = whole_number(values[name])
    if number is None:
        raise UnreadableError(f"entity.{name} is not a whole number", values[name])
    return number


def _without_white_space(text: str, entity: Entity, row: str) -> Entity:
    start, end = without_space(text, entity.start, min(entity.end, len(text)))
    if entity.end > len(text) or start == end:
        problem = "lies outside the text" if entity.end > len(text) else "covers white space alone"
        raise AssayError(
            f"the label of row {row!r}: entity {entity.start}:{entity.end} {problem}; fix the file of labels"
        )
    return Entity(start, end, entity.label)


def _logged(row: Mapping[str, Any], labels: Labels) -> LoggedRow:
    name = row_id(row["id"], "id")
    label = labels.get(name, Label(None, None))
    entities = [
        ScoredEntity(
            entity["start"], entity["end"], entity["label"], entity["score"], bool(entity.get("abstained", False))
        )
        for entity in row["entities"]
    ]
    scored = [
        ScoredLabel(one["label"], one["score"], bool(one.get("abstained", False))) for one in row.get("labels", ())
    ]
    # A model that decides classes, labels or entities alone logs one key for the row.
    parts: list[ScoredLabel | ScoredEntity] = [*scored, *entities]
    of_row = bool(row.get("abstained", False)) and not any(part.abstained for part in parts)
    prediction = LabelledPrediction(
        id=name,
        gold=label.label,
        predicted=row.get("label"),
        probabilities=(row["confidence"],) if "confidence" in row else (),
        gold_entities=label.entities,
        predicted_entities=tuple(entities),
        characters=row["characters"],
        truncated=row["truncated"],
        slices={},
        label_abstained=bool(row.get("label_abstained", of_row)),
        gold_labels=label.labels,
        predicted_labels=tuple(scored),
        # The log holds how sure the model is of all labels together.
        label_probabilities=(row["label_confidence"],) if "label_confidence" in row else (),
    )
    group = label.group or _request(name, row["at"])
    text = row.get("text")
    example = None
    if text is not None:
        pair, gold = row.get("text_pair"), label.entities_in(text, name)
        example = Example(name, text, pair, label=label.label, entities=gold, group=group, labels=label.labels)
    return LoggedRow(iso_time(row["at"], "at"), row["digest"], group, prediction, example)


def _request(row: str, time: str) -> str | None:
    """Return a name of the request of a row; rows of one request have the ids `ID/0`, `ID/1`, … and the same time."""
    name, _, number = row.rpartition("/")
    return f"{name} {time}" if name and number.isdecimal() else None
