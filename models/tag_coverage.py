"""Which share of the entities a tokenizer can give back: known from the data before anything is trained."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from assay.corpus.example import Entity, Example
from assay.models.scratch import train_tokenizer
from assay.models.tokenizer import load_tokenizer
from assay.recipes.recipe import Model
from assay.serving.decoding import spans, tag_words, widened
from assay.serving.encoding import EncodedText, TextEncoder

# No text is this long: what a model cuts off is no matter of words.
WHOLE = 10_000_000
MOST_EXAMPLES = 3
ROWS_A_CHUNK = 1_000


@dataclass(slots=True)
class TagCoverage:
    """How many entities come back with their span and type from the tags of their words.

    `half_words` counts those that are learnt and scored as another span: most begin or end inside a word. It includes
    those that are left out, as another entity has their word.
    `examples` says of the first lost ones what comes back in their place.
    """

    entities: int = 0
    recovered: int = 0
    half_words: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Entities that come back, of all."""
        return self.recovered / max(self.entities, 1)

    def add(self, row: Example, encoded: EncodedText) -> None:
        """Take one row and its words."""
        gold = row.entities or ()
        back = set(spans(tag_words(gold, encoded.units), encoded.units))
        lost = [entity for entity in gold if entity not in back]
        self.entities += len(gold)
        self.recovered += len(gold) - len(lost)
        if lost:
            whole = set(widened(row.text, gold, encoded.units))
            self.half_words += sum(entity not in whole for entity in gold)
            if len(self.examples) < MOST_EXAMPLES:
                self.examples.append(_example(row, lost[0], back))


def tag_coverage(rows: list[Example], model: Model) -> TagCoverage:
    """Measure the recipe's tokenizer on rows; a model from scratch gets its tokenizer from these rows.

    Raises:
        AssayError: the encoder's tokenizer could not be loaded.
    """
    if model.scratch is None:
        tokenizer = load_tokenizer(model)
    else:
        texts = (model.cleaning.apply(row.text).text for row in rows)
        tokenizer = train_tokenizer(texts, model.scratch.vocabulary)
    encoder = TextEncoder(tokenizer.backend_tokenizer, WHOLE, model.cleaning)
    found = TagCoverage()
    for begin in range(0, len(rows), ROWS_A_CHUNK):
        chunk = rows[begin : begin + ROWS_A_CHUNK]
        for row, encoded in zip(chunk, encoder.encode([row.text for row in chunk]), strict=True):
            found.add(row, encoded)
    return found


def _example(row: Example, entity: Entity, back: Iterable[Entity]) -> str:
    near = [other for other in sorted(back) if other.start < entity.end and entity.start < other.end]
    instead = f"comes back as {row.text[near[0].start : near[0].end][:60]!r}" if near else "does not come back"
    return f"row {row.id!r}: {entity.label} {row.text[entity.start : entity.end][:60]!r} {instead}"
