"""Tag coverage: the share of entities that the tags of a tokenizer recover, measured before training."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.corpus.example import Entity, Example
from assay.models.untrained_encoder import untrained_encoder
from assay.recipes.recipe import ModelSection
from assay.serving.decoding import align_to_words, spans, tag_words
from assay.serving.encoding import EncodedText

# Longer than any text, since truncation does not matter for tag coverage.
WHOLE = 10_000_000
MOST_EXAMPLES = 3
ROWS_PER_CHUNK = 1_000


@dataclass(slots=True)
class TagCoverage:
    """Number of entities whose span and type the tags of their words recover.

    `half_words` counts entities that are trained and scored with another span; most of them begin or end inside a
    word. It includes entities that are left out because another entity has their word. `examples` describes the first
    lost entities.
    """

    entities: int = 0
    recovered: int = 0
    half_words: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Return the share of recovered entities."""
        return self.recovered / max(self.entities, 1)

    def add(self, row: Example, encoded: EncodedText) -> None:
        """Add one row with its words."""
        gold = row.entities or ()
        recovered = set(spans(tag_words(gold, encoded.words), encoded.words))
        lost = [entity for entity in gold if entity not in recovered]
        self.entities += len(gold)
        self.recovered += len(gold) - len(lost)
        if lost:
            whole = set(align_to_words(row.text, gold, encoded.words))
            self.half_words += sum(entity not in whole for entity in gold)
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append(_example(row, lost[0], recovered))


def tag_coverage(rows: list[Example], model: ModelSection) -> TagCoverage:
    """Measure the tag coverage of the recipe's tokenizer; a model from scratch trains its tokenizer on these rows.

    Raises:
        AssayError: the encoder's tokenizer could not be loaded.
    """
    encoder = untrained_encoder((row.text for row in rows), model, WHOLE)
    coverage = TagCoverage()
    for begin in range(0, len(rows), ROWS_PER_CHUNK):
        chunk = rows[begin : begin + ROWS_PER_CHUNK]
        for row, encoded in zip(chunk, encoder.encode([row.text for row in chunk]), strict=True):
            coverage.add(row, encoded)
    return coverage


def _example(row: Example, entity: Entity, recovered: Iterable[Entity]) -> str:
    overlapping = [
        candidate for candidate in sorted(recovered) if candidate.start < entity.end and entity.start < candidate.end
    ]
    outcome = (
        f"comes back as {row.text[overlapping[0].start : overlapping[0].end][:60]!r}"
        if overlapping
        else "does not come back"
    )
    return f"row {row.id!r}: {entity.label} {row.text[entity.start : entity.end][:60]!r} {outcome}"
