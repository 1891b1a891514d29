"""A label that is probably wrong, and the row that holds it as a task for a person."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from assay.corpus.entity import Entity
from assay.corpus.splits import SplitName

IssueKind = Literal[
    "wrong class", "wrong label", "missing label", "wrong type", "wrong boundary", "missed entity", "extra entity"
]
CHARACTERS = 160


class LabelIssue(BaseModel):
    """A label that is probably wrong.

    `score` is the probability that the model gives to all other labels, from 0 to 1: the higher, the more probably the
    label is wrong. `start` and `end` are the characters of the text that an issue with an entity is
    about, else None. `given` and `proposed` are a class, a row label, or the type and words of entities; None where
    there is none.
    """

    model_config = ConfigDict(frozen=True)

    kind: IssueKind
    given: str | None
    proposed: str | None
    score: float
    start: int | None = None
    end: int | None = None

    @property
    def reason(self) -> str:
        """Return one line for the person who decides."""
        nothing = "without it" if self.kind in ("wrong label", "missing label") else "no entity"
        given, proposed = self.given or nothing, self.proposed or nothing
        return f"{self.kind}: labelled {given}, the model says {proposed} ({self.score:.2f})"


class LabelTask(BaseModel):
    """A row for a person to label: its text, its labels if it has some, what the model proposes, and why.

    `proposed_entities` are those of the row with the changes of its issues. `score` orders tasks, the highest first.
    `id` is that of the row; `split` is None for a row that has no labels yet.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    split: SplitName | None
    text: str
    text_pair: str | None
    label: str | None
    entities: tuple[Entity, ...] | None
    proposed_label: str | None
    proposed_entities: tuple[Entity, ...] | None
    labels: tuple[str, ...] | None = None
    proposed_labels: tuple[str, ...] | None = None
    score: float
    reason: str
    issues: list[LabelIssue] = []


def described(text: str, entities: Sequence[Entity]) -> str | None:
    """Return the types and words of entities; None for none."""
    return ", ".join(f"{entity.label} {shorten(text[entity.start : entity.end])!r}" for entity in entities) or None


def shorten(text: str) -> str:
    """Return a text of at most `CHARACTERS` characters."""
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
