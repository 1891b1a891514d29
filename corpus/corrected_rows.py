"""The rows of a source as people have corrected them, and the record of every change."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from assay.corpus.documents.chunk import DocumentChunk
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.entity import Entity
from assay.corpus.example import Example, Head, from_batch, to_batch
from assay.corpus.overlay import AddedText, Correction, Overlay, corrected, is_complete, text_digest
from assay.corpus.plural import counted
from assay.corpus.snapshot import CorrectionCounts

CORRECTIONS = "corrections.jsonl"
ROWS_NAMED = 5


class Labels(BaseModel):
    """The labels of a row, as far as a recipe reads them."""

    model_config = ConfigDict(frozen=True)

    label: str | None = None
    labels: tuple[str, ...] | None = None
    entities: tuple[Entity, ...] | None = None


class CorrectedRow(BaseModel):
    """A row of a snapshot with its labels in the source, None for an added row, and those of a person."""

    model_config = ConfigDict(frozen=True)

    id: str
    before: Labels | None
    after: Labels
    author: str
    at: datetime


class CorrectedRows:
    """The corrections of one extraction.

    Args:
        overlay: the corrections.
        heads: heads of the recipe.
        values: reader of labels, by which they are named now.
        added_split: published split of added rows, for a recipe that reads published splits.
    """

    def __init__(
        self, overlay: Overlay, heads: Collection[Head], values: LabelValues, added_split: str | None = None
    ) -> None:
        self._overlay, latest = overlay, overlay.renamed(values).latest
        self._added_split = added_split
        self._heads = heads
        self._of_source = {row: one for row, one in latest.items() if one.decision == "corrected" and one.added is None}
        self._added = {row: one for row, one in latest.items() if one.added is not None}
        self._ids, self._texts = pa.array(list(self._of_source)), self._added_texts()
        self._done: list[CorrectedRow] = []
        self._found: set[str] = set()  # ids of corrections whose row the source holds
        self._seen: set[AddedText] = set()  # those of added rows that the source holds
        self._stale: list[str] = []
        self._incomplete: list[str] = []

    def correct(self, chunk: DocumentChunk) -> DocumentChunk:
        """Return a chunk with the labels of the corrections; without a correction it is the same chunk."""
        batch = chunk.batch
        if self._texts:
            pairs = zip(batch["text"].to_pylist(), batch["text_pair"].to_pylist(), strict=True)
            self._seen.update(self._texts.intersection(AddedText(text=text, text_pair=pair) for text, pair in pairs))
        if not self._of_source or not pc.any(pc.is_in(batch["id"], self._ids)).as_py():
            return chunk
        return replace(chunk, batch=to_batch([self._correct(row) for row in from_batch(batch)], batch.schema))

    def added(self) -> Iterator[Example]:
        """Yield the rows that the source does not hold; a text that it has come to hold is not added again."""
        for row_id, correction in self._added.items():
            text = correction.added
            if text is None or text in self._seen:
                continue
            at = correction.at.isoformat()
            bare = Example(row_id, text.text, text.text_pair, split=self._added_split, time=at)
            example = corrected(bare, correction, self._heads)
            if is_complete(example, self._heads):
                self._note(None, example, correction)
                yield example
            else:
                self._incomplete.append(row_id)

    def counts(self) -> CorrectionCounts:
        """Return what the corrections did, after the last chunk."""
        added = sum(row.before is None for row in self._done)
        return CorrectionCounts(
            overlay=str(self._overlay.digest),
            corrected=len(self._done) - added,
            added=added,
            stale=len(self._stale),
            absent=len(self._absent),
            incomplete=len(self._incomplete),
        )

    def left_out(self) -> list[str]:
        """Return a line for each reason for which corrections change nothing, with rows and remedy."""
        label_the_rest = "label the rest, and apply it, too (assay labels apply)"
        lasting = "name a field with lasting ids in source.fields.id, or remove them with assay erase"
        reasons = (
            (f"{counted(len(self._stale), 'correction')} of another text", self._stale, "label the rows again"),
            (f"{counted(len(self._absent), 'correction')} of missing rows", self._absent, lasting),
            (f"{counted(len(self._incomplete), 'added row')} labelled in part", self._incomplete, label_the_rest),
        )
        return [f"{what} left out ({_named(rows)}); {remedy}" for what, rows, remedy in reasons if rows]

    def save(self, folder: Path) -> None:
        """Write every change into the folder of the snapshot."""
        write_corrected_rows(self._done, folder)

    @property
    def _absent(self) -> list[str]:
        return [row for row in self._of_source if row not in self._found]

    def _correct(self, example: Example) -> Example:
        correction = self._of_source.get(example.id)
        if correction is None:
            return example
        self._found.add(example.id)
        if correction.text_digest != text_digest(example.text, example.text_pair):
            self._stale.append(example.id)
            return example
        changed = corrected(example, correction, self._heads)
        if changed != example:  # the source may have come to hold the same labels
            self._note(example, changed, correction)
        return changed

    def _note(self, before: Example | None, after: Example, correction: Correction) -> None:
        self._done.append(
            CorrectedRow(
                id=after.id,
                before=None if before is None else _labels(before),
                after=_labels(after),
                author=correction.author,
                at=correction.at,
            )
        )

    def _added_texts(self) -> set[AddedText]:
        return {correction.added for correction in self._added.values() if correction.added is not None}


def _named(rows: Sequence[str]) -> str:
    """Return the rows by their ids, the first few of many."""
    more = len(rows) - ROWS_NAMED
    return ", ".join(rows[:ROWS_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def correction_summary(counts: CorrectionCounts) -> str:
    """Return what corrections did in a few words."""
    parts = {
        f"{counts.corrected:,} corrected by people": counts.corrected,
        f"{counts.added:,} added by people": counts.added,
        f"{counted(counts.stale, 'correction')} of another text": counts.stale,
        f"{counted(counts.absent, 'correction')} of missing rows": counts.absent,
        f"{counted(counts.incomplete, 'added row')} labelled in part": counts.incomplete,
    }
    return ", ".join(text for text, count in parts.items() if count) or "nothing corrected"


def write_corrected_rows(rows: Sequence[CorrectedRow], folder: Path) -> None:
    """Write the changes that corrections made into the folder of a snapshot; no file without a change."""
    if rows:
        lines = "".join(row.model_dump_json() + "\n" for row in rows)
        (folder / CORRECTIONS).write_text(lines, encoding="utf-8")


def read_corrected_rows(folder: Path) -> list[CorrectedRow]:
    """Return the changes that corrections made to the rows of a snapshot; none where its source was not corrected."""
    path = folder / CORRECTIONS
    if not path.exists():
        return []
    # Only \n ends a line: a label may hold U+2028.
    lines = path.read_text(encoding="utf-8").split("\n")
    return [CorrectedRow.model_validate_json(line) for line in lines if line]


def _labels(example: Example) -> Labels:
    return Labels(label=example.label, labels=example.labels, entities=example.entities)
