from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.example import Entity
from serving.decoding import Transitions, bio_tags, softmax, spans, tag_units, widened
from serving.encoding import Unit


@st.composite
def units_and_entities(draw: st.DrawFn) -> tuple[list[Unit], list[Entity]]:
    """Units with gaps between them, and entities made of whole units."""
    sizes = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=12))
    units, at = [], 0
    for token, (gap, length) in enumerate(sizes):
        units.append(Unit(token, at + gap, at + gap + length))
        at += gap + length
    entities, index = [], 0
    while index < len(units):
        length = draw(st.integers(1, 3))
        label = draw(st.sampled_from(["ORG", "PER", None]))
        last = min(index + length, len(units)) - 1
        if label is not None:
            entities.append(Entity(units[index].start, units[last].end, label))
        index = last + 1
    return units, entities


@given(units_and_entities())
def test_entities_become_tags_and_tags_the_same_entities(drawn: tuple[list[Unit], list[Entity]]) -> None:
    units, entities = drawn
    assert spans(tag_units(entities, units), units) == entities


def test_an_entity_that_cuts_a_unit_takes_the_whole_of_it() -> None:
    units = [Unit(0, 0, 5), Unit(1, 6, 13)]
    assert tag_units([Entity(8, 10, "ORG")], units) == ["O", "B-ORG"]


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["I-A", "I-A", "O"], [Entity(0, 3, "A")]),
        (["B-A", "I-B", "O"], [Entity(0, 1, "A"), Entity(2, 3, "B")]),
        (["B-A", "B-A", "I-A"], [Entity(0, 1, "A"), Entity(2, 5, "A")]),
        (["O", "O", "O"], []),
    ],
)
def test_broken_tag_sequences_are_read_as_seqeval_does(tags: list[str], found: list[Entity]) -> None:
    assert spans(tags, [Unit(0, 0, 1), Unit(1, 2, 3), Unit(2, 4, 5)]) == found


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_viterbi_finds_the_best_of_all_paths(length: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = Transitions(*(random.normal(size=shape).astype(np.float32) for shape in [(3,), (3,), (3, 3)]))
    emissions = random.normal(size=(length, 3)).astype(np.float32)

    def score(path: tuple[int, ...]) -> float:
        steps = sum(scores.between[a, b] for a, b in pairwise(path))
        return float(scores.start[path[0]] + scores.end[path[-1]] + steps + emissions[range(length), path].sum())

    best = max(product(range(3), repeat=length), key=score)
    assert tuple(scores.best_path(emissions)) == best


def test_softmax_sums_to_one_also_for_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0, 1e4]], dtype=np.float32)), [[0.5, 0, 0.5]])


def test_tags_begin_with_outside_and_are_sorted_by_type() -> None:
    assert bio_tags(["PER", "ORG"]) == ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("entity", "wanted"),
    [
        (Entity(0, 4, "ORG"), Entity(0, 5, "ORG")),  # "Hool" of "Hooli"
        (Entity(1, 5, "ORG"), Entity(0, 5, "ORG")),
        (Entity(3, 8, "ORG"), Entity(0, 9, "ORG")),  # across two words, half of each
        (Entity(0, 9, "ORG"), Entity(0, 9, "ORG")),
        (Entity(10, 12, "ORG"), Entity(10, 12, "ORG")),  # in a unit of two words
        (Entity(20, 25, "ORG"), Entity(20, 25, "ORG")),  # behind what was read
    ],
)
def test_widened_takes_whole_words_and_nothing_else(entity: Entity, wanted: Entity) -> None:
    units = [Unit(1, 0, 5), Unit(2, 6, 9), Unit(3, 10, 18)]
    assert widened("Hooli buy two words later ones", [entity], units) == (wanted,)


def test_widened_makes_one_of_two_halves_of_a_type() -> None:
    halves = [Entity(0, 2, "ORG"), Entity(2, 5, "ORG"), Entity(2, 5, "PER")]
    assert widened("Hooli", halves, [Unit(1, 0, 5)]) == (Entity(0, 5, "ORG"), Entity(0, 5, "PER"))


@given(units_and_entities(), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=6))
def test_widened_entities_have_the_tags_of_the_entities(
    drawn: tuple[list[Unit], list[Entity]], spans_drawn: list[tuple[int, int]]
) -> None:
    units, _ = drawn
    entities = [Entity(start, start + length, "ORG") for start, length in spans_drawn]
    assert all(at >= 0 for entity in widened("x" * 99, entities, units) for at in (entity.start, entity.end))
    apart = sorted(entities)[:1]
    assert tag_units(widened("x" * 99, apart, units), units) == tag_units(apart, units)
