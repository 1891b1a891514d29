"""Rows as the model reads them: cleaned text, with entities marked as in `[Acme](ORG) opens a plant`."""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

from assay.corpus.cleaning import Cleaning
from assay.corpus.entity import Entity
from assay.corpus.example import Example
from assay.evaluation.data_report import SampleRow

SAMPLES = 3
MOST_ROWS = 20_000  # looked through for rows with labels that the others lack
PAIR = " ⟷ "  # between the texts of a pair


def sample_rows(rows: Iterable[Example], cleaning: Cleaning, count: int = SAMPLES) -> list[SampleRow]:
    """Return the first rows that together hold as many classes and entity types as possible."""
    return [_sample(row, cleaning) for row in _covering(list(itertools.islice(rows, MOST_ROWS)), count)]


def marked_text(text: str, entities: Collection[Entity], cleaning: Cleaning) -> str:
    """Return the cleaned text with its entities in brackets and their types behind them."""
    clean = cleaning.apply(text)
    starts = clean.starts if clean.starts is not None else range(len(text))
    ends = clean.ends if clean.ends is not None else range(1, len(text) + 1)
    parts, done = [], 0
    for entity in sorted(entities, key=lambda entity: (entity.start, entity.end)):
        begin, end = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
        if begin < done or end <= begin:  # overlaps the one before, or is cleaned away
            continue
        parts += [clean.text[done:begin], f"[{clean.text[begin:end]}]({entity.label})"]
        done = end
    return "".join([*parts, clean.text[done:]])


def _sample(row: Example, cleaning: Cleaning) -> SampleRow:
    text = marked_text(row.text, row.entities or (), cleaning)
    if row.text_pair is not None:
        text += PAIR + cleaning.text(row.text_pair)
    several = None if row.labels is None else list(row.labels)
    return SampleRow(id=row.id, label=row.label, text=text, labels=several)


def _covering(rows: list[Example], count: int) -> list[Example]:
    """Choose rows that add a class, then rows that add an entity type, then others; rows with entities first."""
    chosen: list[int] = []
    with_entities = [position for position, row in enumerate(rows) if row.entities]
    for labels_of in (_classes, _types):
        covered = {label for position in chosen for label in labels_of(rows[position])}
        for position in itertools.chain(with_entities, range(len(rows))):
            new = labels_of(rows[position]) - covered
            if new and len(chosen) < count:
                chosen.append(position)
                covered |= new
    others = (position for position in range(len(rows)) if position not in chosen)
    chosen += itertools.islice(others, count - len(chosen))
    return [rows[position] for position in sorted(chosen)]


def _classes(row: Example) -> set[str]:
    return {*(() if row.label is None else (row.label,)), *(row.labels or ())}


def _types(row: Example) -> set[str]:
    return {entity.label for entity in row.entities or ()}
