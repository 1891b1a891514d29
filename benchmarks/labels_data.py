"""Data of `make bench-labels`: rows, corrupted labels, and frozen states of a pre-trained encoder."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from rich.progress import track

from assay.corpus.entity import Entity
from assay.serving.decoding import spans, tag_words
from assay.serving.words import Word
from benchmarks.encoder import minilm_folder

DATA = Path(__file__).parents[2] / "shared" / "data"
CACHE = Path(__file__).parents[1] / ".assay" / "bench-labels"
FILES = {
    "twitter_financial": "twitter_financial/twitter_financial_train.jsonl",
    "sentfin": "sentfin/sentfin_train.jsonl",
    "snips": "snips/snips_train.jsonl",
}
ROWS = 10_000
# The third layer tells words apart, the last one sentences.
LAYERS = (3, 6)
BATCH = 64
How = Literal["random", "confusion"]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class LabelledRows:
    """Rows of a data set with their labels, and the states of a frozen encoder.

    `sentences` holds the mean last state of each text (rows x width), `states` the states of its words (words x
    width) for all texts one after the other.
    """

    name: str
    texts: list[str]
    classes: list[str]
    label: Array
    entities: list[tuple[Entity, ...]] | None
    sentences: Array
    words: list[list[Word]]
    states: Array

    @property
    def begins(self) -> Array:
        """Number of the first word of each text, and the number of all words."""
        return np.concatenate([[0], np.cumsum([len(words) for words in self.words])])


def read_rows(name: str) -> LabelledRows:
    """Read a data set: `ROWS` rows, drawn once; the encoder's states are kept on disk."""
    lines = (DATA / FILES[name]).read_text(encoding="utf-8").splitlines()
    drawn = np.random.default_rng(0).permutation(len(lines))[:ROWS]
    rows = [json.loads(lines[number]) for number in drawn]
    texts = [row["text"] if "text" in row else " ".join(row["tokens"]) for row in rows]
    labels = [str(row[{"snips": "intent", "sentfin": "sentiment"}.get(name, "label")]) for row in rows]
    classes = sorted(set(labels))
    label = np.array([classes.index(one) for one in labels])
    sentences, words, states = _states(name, texts)
    return LabelledRows(name, texts, classes, label, _entities(name, rows), sentences, words, states)


def _entities(name: str, rows: Sequence[dict[str, Any]]) -> list[tuple[Entity, ...]] | None:
    if name == "twitter_financial":
        return None
    if name == "sentfin":
        return [tuple(Entity(one["start"], one["end"], one["label"]) for one in row["entities"]) for row in rows]
    found = []
    for row in rows:
        ends = np.cumsum([len(token) + 1 for token in row["tokens"]]) - 1
        words = [Word(0, int(end) - len(token), int(end)) for token, end in zip(row["tokens"], ends, strict=True)]
        found.append(tuple(spans(row["tags"], words)))
    return found


def _states(name: str, texts: Sequence[str]) -> tuple[Array, list[list[Word]], Array]:
    path = CACHE / f"{name}.npz"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        sentences, states, counts, places = _encode(texts)
        np.savez(path, sentences=sentences, states=states, counts=counts, spans=places)
    kept = np.load(path)
    ends = np.cumsum(kept["counts"])
    words = [
        [Word(number, int(start), int(end)) for number, (start, end) in enumerate(kept["spans"][begin:stop])]
        for begin, stop in zip([0, *ends[:-1]], ends, strict=True)
    ]
    return kept["sentences"].astype(np.float32), words, kept["states"]


def _encode(texts: Sequence[str]) -> tuple[Array, Array, Array, Array]:
    """Return the states of texts and words by the frozen encoder, the words per text, and their spans.

    The state of a word is the mean of its tokens.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder())
    model: Any = AutoModel.from_pretrained(minilm_folder()).eval()
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    sentences: dict[int, Array] = {}
    states: dict[int, Array] = {}
    places: dict[int, list[tuple[int, int]]] = {}
    for begin in track(range(0, len(order), BATCH), "encoding"):
        numbers = order[begin : begin + BATCH]
        batch = tokenizer([texts[number] for number in numbers], padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            layers = model(**batch, output_hidden_states=True).hidden_states
        both = torch.cat([layers[layer] for layer in LAYERS], -1).numpy()
        for place, number in enumerate(numbers):
            encoding = batch.encodings[place]
            tokens: dict[int, list[int]] = {}
            for token, word in enumerate(encoding.word_ids):
                if word is not None:
                    tokens.setdefault(word, []).append(token)
            used = int(batch["attention_mask"][place].sum())
            sentences[number] = layers[-1][place, :used].mean(0).numpy()
            states[number] = np.stack([both[place, group].mean(0) for group in tokens.values()])
            places[number] = [
                (encoding.offsets[group[0]][0], encoding.offsets[group[-1]][1]) for group in tokens.values()
            ]
    rows = range(len(texts))
    return (
        np.stack([sentences[row] for row in rows]).astype(np.float16),
        np.concatenate([states[row] for row in rows]).astype(np.float16),
        np.array([len(places[row]) for row in rows]),
        np.array([span for row in rows for span in places[row]]),
    )


def corrupt_classes(label: Array, share: float, how: How, confusion: Array, seed: int) -> tuple[Array, Array]:
    """Return labels of which a share is wrong, and the rows of these.

    Args:
        label: the labels.
        share: share of the rows to corrupt.
        how: another class at random, or the one that a model confuses with the right one.
        confusion: right class x predicted class, counts of a model.
        seed: seed of the draw.
    """
    draw = np.random.default_rng(seed)
    rows = draw.choice(len(label), round(share * len(label)), replace=False)
    wrong, classes = label.copy(), len(confusion)
    for row in rows:
        weights = np.ones(classes) if how == "random" else confusion[label[row]] + 1e-3
        weights[label[row]] = 0
        wrong[row] = draw.choice(classes, p=weights / weights.sum())
    return wrong, rows


@dataclass(frozen=True)
class Corruption:
    """A corrupted entity: the row, and the span of the entity before and after."""

    row: int
    start: int
    end: int


def corrupt_entities(
    rows: LabelledRows, share: float, how: How, confusion: dict[str, list[str]], seed: int
) -> tuple[list[tuple[Entity, ...]], list[Corruption]]:
    """Return entities of which a share is wrong, and where.

    At random: an entity is removed, gets another boundary (a word more or less) or, where there are several types,
    another type, each equally often. By confusion: its type is the one that a model confuses with it most, or, where
    there is a single type, its boundary moves by a word.
    """
    draw = np.random.default_rng(seed)
    assert rows.entities is not None
    given = [list(entities) for entities in rows.entities]
    places = [(row, number) for row, entities in enumerate(given) for number in range(len(entities))]
    types = sorted({entity.label for entities in given for entity in entities})
    kinds = ["missed", "boundary", *(["type"] if len(types) > 1 else [])]
    corruptions = []
    for place in draw.choice(len(places), round(share * len(places)), replace=False):
        row, number = places[place]
        entity = given[row][number]
        kind = str(draw.choice(kinds)) if how == "random" else kinds[-1]
        if kind == "type":
            others = confusion.get(entity.label) if how == "confusion" else None
            changed = Entity(
                entity.start, entity.end, str(draw.choice(others or [one for one in types if one != entity.label]))
            )
        elif kind == "boundary":
            changed = _moved(entity, rows.words[row], rows.entities[row], draw)
        else:
            changed = Entity(entity.start, entity.start, entity.label)  # of no word: removed below
        given[row][number] = changed
        corruptions.append(Corruption(row, min(entity.start, changed.start), max(entity.end, changed.end)))
    return [tuple(sorted(one for one in row if one.start < one.end)) for row in given], corruptions


def _moved(entity: Entity, words: list[Word], others: Sequence[Entity], draw: np.random.Generator) -> Entity:
    """Return an entity with one word more or less, or without any where neither is possible."""
    owned = [number for number, tag in enumerate(tag_words([entity], words)) if tag != "O"]
    choices = []
    if len(owned) > 1:
        choices += [(words[owned[1]].start, entity.end), (entity.start, words[owned[-2]].end)]
    if owned and owned[-1] + 1 < len(words):
        choices.append((entity.start, words[owned[-1] + 1].end))
    if owned and owned[0] > 0:
        choices.append((words[owned[0] - 1].start, entity.end))
    free = [
        (start, end)
        for start, end in choices
        if not any(one != entity and one.start < end and start < one.end for one in others)
    ]
    start, end = free[draw.integers(len(free))] if free else (entity.start, entity.start)
    return Entity(start, end, entity.label)
