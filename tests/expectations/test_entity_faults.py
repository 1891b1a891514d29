import random
from collections.abc import Callable, Iterator

import pytest

from assay.corpus.example import Entity
from assay.expectations import entity_faults as entities

TEXT = "Acme Corp of New York rose"
ACME = Entity(0, 9, "ORG")
NEW_YORK = Entity(13, 21, "PLACE")
CHECKS = [
    entities.outside,
    entities.empty,
    entities.untyped,
    entities.padded,
    entities.overlapping,
    entities.cutting_words,
    entities.lost_in_tags,
]


@pytest.mark.parametrize("find", CHECKS)
def test_faults_are_empty_for_valid_entities(find: Callable[..., Iterator[Entity]]) -> None:
    # given neighbours, whole words, punctuation and accents as combining marks
    text = "Acme Corp, cafe\u0301 (Paris)-Lyon"
    sound = [Entity(0, 4, "A"), Entity(5, 9, "A"), Entity(11, 16, "B"), Entity(18, 23, "C-D"), Entity(25, 29, "C-D")]
    assert list(find(text, sound)) == []


@pytest.mark.parametrize(
    ("find", "faulty"),
    [
        (entities.outside, Entity(22, 99, "ORG")),
        (entities.outside, Entity(-3, 4, "ORG")),
        (entities.outside, Entity(99, 12, "ORG")),
        (entities.empty, Entity(5, 5, "ORG")),
        (entities.empty, Entity(9, 5, "ORG")),
        (entities.empty, Entity(9, 10, "ORG")),
        (entities.untyped, Entity(22, 26, " ")),
        (entities.padded, Entity(21, 26, "ORG")),
        (entities.overlapping, Entity(5, 12, "ORG")),
        (entities.overlapping, Entity(13, 21, "ORG")),
        (entities.cutting_words, Entity(22, 24, "ORG")),
        (entities.cutting_words, Entity(24, 26, "ORG")),
        (entities.lost_in_tags, Entity(5, 12, "ORG")),
    ],
)
def test_faults_are_found_among_valid_entities(find: Callable[..., Iterator[Entity]], faulty: Entity) -> None:
    assert faulty in set(find(TEXT, [ACME, NEW_YORK, faulty]))


@pytest.mark.parametrize("edge", [" ", "\u00a0", "\u200b", "\u200f", "\ufeff", "\u2060", "\u200d", "\x96"])
def test_padded_finds_invisible_characters_at_the_edges(edge: str) -> None:
    text = f"at {edge}Acme{edge} {edge}"
    bare, wide, alone = Entity(4, 8, "ORG"), Entity(3, 9, "ORG"), Entity(9, 11, "ORG")
    assert entities.in_order(text, [bare])
    assert not entities.in_order(text, [wide])
    assert list(entities.padded(text, [bare, wide])) == [wide]
    assert list(entities.empty(text, [bare, wide, alone])) == [alone]
    assert list(entities.lost_in_tags(text, [bare])) == list(entities.cutting_words(text, [bare])) == []


def test_overlapping_finds_all_entities_inside_a_long_one() -> None:
    # given an entity over the whole text and two inside it, the second of which begins after the first has ended
    whole = Entity(0, 26, "ALL")
    assert list(entities.overlapping(TEXT, [NEW_YORK, whole, ACME])) == [whole, NEW_YORK]


def test_lost_in_tags_skips_entities_that_cut_a_word() -> None:
    # given two entities inside one word, whose tags cannot tell them apart
    parts = [Entity(0, 3, "A"), Entity(3, 7, "B")]
    assert list(entities.cutting_words("NewYork", parts)) == parts
    assert list(entities.lost_in_tags("NewYork", parts)) == []


@pytest.mark.parametrize(
    ("tags", "valid"),
    [
        ([], True),
        (["O", "B-A", "I-A", "B-A", "B-C-D", "I-C-D"], True),
        (["I-A"], False),
        (["B-A", "I-C-D"], False),
        (["B-A", "O", "I-A"], False),
        (["B-X"], False),
    ],
)
def test_is_valid_bio_requires_i_to_continue_its_type(tags: list[str], valid: bool) -> None:
    assert entities.is_valid_bio(tags, {"A", "C-D"}) is valid


def test_in_order_implies_no_faults() -> None:
    draw = random.Random(4)
    seen = {True: 0, False: 0}
    for _ in range(20_000):
        text = "".join(draw.choices("ab1 _-é\u0301\u00a0", k=draw.randrange(1, 12)))
        cuts = sorted(draw.choices(range(-1, len(text) + 2), k=2 * draw.randrange(3)))
        pairs = [Entity(cuts[at], cuts[at + 1], draw.choice("XY")) for at in range(0, len(cuts), 2)]
        faults = [entity for find in CHECKS for entity in find(text, pairs)]
        if entities.in_order(text, pairs):
            assert not faults, (text, pairs)
        seen[not faults] += 1
    assert min(seen.values()) > 1_000
