import time
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.example import Entity
from assay.serving.decoding import Transitions, bio_tags, softmax, spans, tag_words, widened
from assay.serving.encoding import Word


@st.composite
def units_and_entities(draw: st.DrawFn) -> tuple[list[Word], list[Entity]]:
    """Units with gaps between them, and entities made of whole units."""
    sizes = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=12))
    units, at = [], 0
    for token, (gap, length) in enumerate(sizes):
        units.append(Word(token, at + gap, at + gap + length))
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
def test_entities_become_tags_and_tags_the_same_entities(drawn: tuple[list[Word], list[Entity]]) -> None:
    units, entities = drawn
    assert spans(tag_words(entities, units), units) == entities


def test_an_entity_that_cuts_a_unit_takes_the_whole_of_it() -> None:
    units = [Word(0, 0, 5), Word(1, 6, 13)]
    assert tag_words([Entity(8, 10, "ORG")], units) == ["O", "B-ORG"]


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
    assert spans(tags, [Word(0, 0, 1), Word(1, 2, 3), Word(2, 4, 5)]) == found


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
    units = [Word(1, 0, 5), Word(2, 6, 9), Word(3, 10, 18)]
    assert widened("Hooli buy two words later ones", [entity], units) == (wanted,)


def test_widened_makes_one_of_two_halves_of_a_type() -> None:
    halves = [Entity(0, 2, "ORG"), Entity(2, 5, "ORG"), Entity(2, 5, "PER")]
    assert widened("Hooli", halves, [Word(1, 0, 5)]) == (Entity(0, 5, "ORG"), Entity(0, 5, "PER"))


@st.composite
def entities_apart(draw: st.DrawFn) -> list[Entity]:
    """Entities at any offsets, one behind the other."""
    found, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 7)), max_size=10)):
        found.append(Entity(at + gap, at + gap + length, draw(st.sampled_from(["ORG", "PER"]))))
        at += gap + length
    return found


@given(units_and_entities(), entities_apart())
def test_widened_entities_are_those_that_the_tags_of_the_entities_say(
    drawn: tuple[list[Word], list[Entity]], entities: list[Entity]
) -> None:
    units, _ = drawn
    # given white space behind the last unit, as every word was read
    text = "x" * units[-1].end + " " * 99
    unread = [entity for entity in entities if entity.start >= units[-1].end]
    wanted = spans(tag_words(entities, units), units)
    assert widened(text, entities, units) == tuple(wanted + unread)
    assert tag_words(widened(text, entities, units), units) == tag_words(entities, units)


@pytest.mark.parametrize(
    ("text", "edges", "entities", "wanted"),
    [
        ("foobar baz", [(0, 6), (7, 10)], [Entity(0, 3, "A"), Entity(3, 10, "B")], [(0, 6, "A"), (7, 10, "B")]),
        ("BASFBayer", [(0, 9)], [Entity(0, 4, "A"), Entity(4, 9, "B")], [(0, 9, "A")]),
        ("北京上海", [(0, 3), (3, 4)], [Entity(0, 2, "A"), Entity(2, 4, "A")], [(0, 3, "A"), (3, 4, "A")]),
        ("“Apple” is", [(1, 6), (8, 10)], [Entity(0, 7, "A")], [(1, 6, "A")]),
        ("ab cd ef", [(0, 2)], [Entity(0, 5, "A")], [(0, 5, "A")]),  # the end was not read
        ("Is Apple!", [(0, 2), (3, 8)], [Entity(3, 9, "A")], [(3, 8, "A")]),
        ("ab\u200bcd", [(0, 5)], [Entity(0, 2, "A"), Entity(3, 5, "A")], [(0, 2, "A"), (3, 5, "A")]),
        ("ab cd", [], [Entity(0, 2, "A")], [(0, 2, "A")]),
    ],
)
def test_widened_gives_a_unit_to_one_entity(
    text: str, edges: list[tuple[int, int]], entities: list[Entity], wanted: list[tuple[int, int, str]]
) -> None:
    units = [Word(number, *edge) for number, edge in enumerate(edges)]
    assert widened(text, entities, units) == tuple(Entity(*one) for one in wanted)


def test_widened_looks_once_into_a_long_unit() -> None:
    # given one word of 200,000 characters with 20,000 halves, which took two minutes
    text = "x" * 200_000
    entities = [Entity(at, at + 5, "ORG") for at in range(1, 199_990, 10)]
    begin = time.process_time()
    assert widened(text, entities, [Word(1, 0, len(text))]) == (Entity(0, len(text), "ORG"),)
    assert widened(f"{text} x", entities, [Word(1, 0, len(text) + 2)]) == tuple(entities)
    overlapping = [Entity(0, 9, "PER"), *(Entity(5, end, "ORG") for end in range(10, 20_000))]
    assert len(widened(text, overlapping, [Word(1, 0, len(text))])) == 2
    assert time.process_time() - begin < 5
