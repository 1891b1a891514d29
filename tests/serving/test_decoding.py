import time
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.example import Entity
from assay.serving.decoding import Transitions, align_to_words, bio_tags, softmax, spans, tag_words
from assay.serving.encoding import Word


@st.composite
def words_and_entities(draw: st.DrawFn) -> tuple[list[Word], list[Entity]]:
    """Draw words with gaps between them, and entities of whole words."""
    sizes = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1, max_size=12))
    words, at = [], 0
    for token, (gap, length) in enumerate(sizes):
        words.append(Word(token, at + gap, at + gap + length))
        at += gap + length
    entities, index = [], 0
    while index < len(words):
        length = draw(st.integers(1, 3))
        label = draw(st.sampled_from(["ORG", "PER", None]))
        last = min(index + length, len(words)) - 1
        if label is not None:
            entities.append(Entity(words[index].start, words[last].end, label))
        index = last + 1
    return words, entities


@given(words_and_entities())
def test_spans_inverts_tag_words(drawn: tuple[list[Word], list[Entity]]) -> None:
    words, entities = drawn
    assert spans(tag_words(entities, words), words) == entities


def test_tag_words_takes_the_whole_word_that_an_entity_cuts() -> None:
    words = [Word(0, 0, 5), Word(1, 6, 13)]
    assert tag_words([Entity(8, 10, "ORG")], words) == ["O", "B-ORG"]


@pytest.mark.parametrize(
    ("tags", "entities"),
    [
        (["I-A", "I-A", "O"], [Entity(0, 3, "A")]),
        (["B-A", "I-B", "O"], [Entity(0, 1, "A"), Entity(2, 3, "B")]),
        (["B-A", "B-A", "I-A"], [Entity(0, 1, "A"), Entity(2, 5, "A")]),
        (["O", "O", "O"], []),
    ],
)
def test_spans_reads_broken_tag_sequences_as_seqeval_does(tags: list[str], entities: list[Entity]) -> None:
    assert spans(tags, [Word(0, 0, 1), Word(1, 2, 3), Word(2, 4, 5)]) == entities


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("seed", range(5))
def test_best_path_finds_the_best_of_all_paths(length: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = Transitions(*(random.normal(size=shape).astype(np.float32) for shape in [(3,), (3,), (3, 3)]))
    emissions = random.normal(size=(length, 3)).astype(np.float32)

    def score(path: tuple[int, ...]) -> float:
        steps = sum(scores.between[a, b] for a, b in pairwise(path))
        return float(scores.start[path[0]] + scores.end[path[-1]] + steps + emissions[range(length), path].sum())

    best = max(product(range(3), repeat=length), key=score)
    assert tuple(scores.best_path(emissions)) == best


def test_softmax_sums_to_one_for_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 0, 1e4]], dtype=np.float32)), [[0.5, 0, 0.5]])


def test_bio_tags_start_with_outside_and_are_sorted_by_type() -> None:
    assert bio_tags(["PER", "ORG"]) == ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        (Entity(0, 4, "ORG"), Entity(0, 5, "ORG")),  # "Hool" of "Hooli"
        (Entity(1, 5, "ORG"), Entity(0, 5, "ORG")),
        (Entity(3, 8, "ORG"), Entity(0, 9, "ORG")),  # across two words, half of each
        (Entity(0, 9, "ORG"), Entity(0, 9, "ORG")),
        (Entity(10, 12, "ORG"), Entity(10, 12, "ORG")),  # in one span of two words
        (Entity(20, 25, "ORG"), Entity(20, 25, "ORG")),  # after the end of the read text
    ],
)
def test_widened_takes_whole_words_and_nothing_else(entity: Entity, expected: Entity) -> None:
    words = [Word(1, 0, 5), Word(2, 6, 9), Word(3, 10, 18)]
    assert align_to_words("Hooli buy two words later ones", [entity], words) == (expected,)


def test_widened_makes_one_of_two_halves_of_a_type() -> None:
    halves = [Entity(0, 2, "ORG"), Entity(2, 5, "ORG"), Entity(2, 5, "PER")]
    assert align_to_words("Hooli", halves, [Word(1, 0, 5)]) == (Entity(0, 5, "ORG"), Entity(0, 5, "PER"))


@st.composite
def separate_entities(draw: st.DrawFn) -> list[Entity]:
    """Draw entities at any offsets, one after the other."""
    entities, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 7)), max_size=10)):
        entities.append(Entity(at + gap, at + gap + length, draw(st.sampled_from(["ORG", "PER"]))))
        at += gap + length
    return entities


@given(words_and_entities(), separate_entities())
def test_widened_gives_the_entities_that_tags_represent(
    drawn: tuple[list[Word], list[Entity]], entities: list[Entity]
) -> None:
    words, _ = drawn
    # given white space after the last word, so that every word was read
    text = "x" * words[-1].end + " " * 99
    unread = [entity for entity in entities if entity.start >= words[-1].end]
    expected = spans(tag_words(entities, words), words)
    assert align_to_words(text, entities, words) == tuple(expected + unread)
    assert tag_words(align_to_words(text, entities, words), words) == tag_words(entities, words)


@pytest.mark.parametrize(
    ("text", "edges", "entities", "expected"),
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
def test_widened_gives_a_word_to_one_entity(
    text: str, edges: list[tuple[int, int]], entities: list[Entity], expected: list[tuple[int, int, str]]
) -> None:
    words = [Word(number, *edge) for number, edge in enumerate(edges)]
    assert align_to_words(text, entities, words) == tuple(Entity(*values) for values in expected)


def test_widened_scans_a_long_word_once() -> None:
    # given one word of 200,000 characters with 20,000 entities, which once took two minutes
    text = "x" * 200_000
    entities = [Entity(at, at + 5, "ORG") for at in range(1, 199_990, 10)]
    begin = time.process_time()
    assert align_to_words(text, entities, [Word(1, 0, len(text))]) == (Entity(0, len(text), "ORG"),)
    assert align_to_words(f"{text} x", entities, [Word(1, 0, len(text) + 2)]) == tuple(entities)
    overlapping = [Entity(0, 9, "PER"), *(Entity(5, end, "ORG") for end in range(10, 20_000))]
    assert len(align_to_words(text, overlapping, [Word(1, 0, len(text))])) == 2
    assert time.process_time() - begin < 5
