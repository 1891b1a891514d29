"""What a server wrote of its inputs and answers, and labels that came later."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.document import BadRow
from corpus.entity import Entity
from corpus.errors import AssayError
from corpus.example import Example
from corpus.files import iter_rows
from corpus.values import class_label, column, iso_time
from recipes.recipe import Recipe
from serving.engine import ScoredEntity
from serving.http.answer_log import PATTERN
from tasks.scoring.answers import Answer

PREFIX = "log:"


@dataclass(frozen=True)
class Logged:
    """A row of the log. `example` has the text, where the server was allowed to keep it.

    `group` is the request of rows that were sent together; a label that names a group overrides it.
    """

    time: str | None
    bundle: str
    group: str | None
    answer: Answer
    example: Example | None


@dataclass(frozen=True)
class Label:
    """What was right for a row: its class, its entities, or both; and the group it belongs to, where that is known."""

    label: str | None
    entities: tuple[Entity, ...] | None
    group: str | None = None


Labels = Mapping[str, Label]


def read_log(folder: Path, labels: Labels) -> Iterator[Logged | BadRow]:
    """The rows of all files of a folder, in the order of their names.

    A server that was killed leaves a line half-written, which comes as a `BadRow`.

    Raises:
        AssayError: there is no log.
    """
    files = sorted(folder.glob(PATTERN))
    if not files:
        raise AssayError(f"{folder} holds no {PATTERN}: name the folder that assay serve --log writes to")
    for path in files:
        for number, row in iter_rows(path):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                yield _logged(row, labels)
            except (KeyError, TypeError, ValueError) as error:
                yield BadRow(f"{path.name}:{number}", f"no row of a log: {error}", None)


def read_labels(path: Path, recipe: Recipe) -> dict[str, Label]:
    """Read labels by the id of the row: `{"id": …, "label": …}`, or `"entities"` with start, end and label; `"group"`.

    Raises:
        AssayError: the file cannot be read, or a row of it.
    """
    found = {}
    for number, row in iter_rows(path):
        if isinstance(row, BadRow):
            raise AssayError(f"{path}: {row.reason}, in row {number}; mend the file of labels")
        try:
            label, entities = row.get("label"), row.get("entities")
            found[str(row["id"])] = Label(
                label=None if label is None else class_label(label, "label", recipe.source.label_map),
                entities=None if entities is None else tuple(sorted(map(_entity, entities))),
                group=column(row.get("group"), "group"),
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"{path}: row {number} is no label ({error})"
            raise AssayError(f"{what}; it needs id, and label or entities") from error
    return found


def _entity(values: Mapping[str, Any]) -> Entity:
    return Entity(int(values["start"]), int(values["end"]), str(values["label"]))


def _logged(row: Mapping[str, Any], labels: Labels) -> Logged:
    right = labels.get(row["id"], Label(None, None))
    entities = [ScoredEntity(one["start"], one["end"], one["label"], one["score"]) for one in row["entities"]]
    answer = Answer(
        id=row["id"],
        gold=right.label,
        predicted=row.get("label"),
        probabilities=(row["confidence"],) if "confidence" in row else (),
        gold_entities=right.entities,
        predicted_entities=tuple(entities),
        characters=row["characters"],
        truncated=row["truncated"],
        slices={},
    )
    group = right.group or _request(row)
    text = row.get("text")
    example = None
    if text is not None:
        pair = row.get("text_pair")
        example = Example(row["id"], text, pair, label=right.label, entities=right.entities, group=group)
    return Logged(iso_time(row["at"], "at"), row["digest"], group, answer, example)


def _request(row: Mapping[str, Any]) -> str | None:
    """Name the request that a row came in with others: they are `ID/0`, `ID/1`, … of one time."""
    name, _, number = row["id"].rpartition("/")
    return f"{name} {row['at']}" if name and number.isdecimal() else None
