import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from assay.corpus.documents.fields import TagScheme
from assay.corpus.documents.tag_schemes import SCHEMES, TagDecoder
from assay.corpus.documents.values import UnreadableError
from assay.corpus.example import Entity

Span = tuple[int, int, str]  # first word, last word, type
# Prefixes of the first, inner, last and only word of an entity.
LETTERS = {"iob2": "BIIB", "bioes": "BIES", "bilou": "BILU", "bmewo": "BMEW"}
TAGS = st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])


@st.composite
def spans(draw: st.DrawFn, *, adjacent: bool = True) -> tuple[int, list[Span]]:
    """Draw a number of words and entities in it; without `adjacent`, a word stands between entities of one type."""
    found: list[Span] = []
    position = 0
    for gap, length, label in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from("AB")))):
        touches = bool(found) and gap == 0 and found[-1][2] == label
        position += gap + (touches and not adjacent)
        found.append((position, position + length - 1, label))
        position += length
    return position + draw(st.integers(0, 2)), found


def encode(words: int, entities: list[Span], scheme: str) -> list[str]:
    tags = ["O"] * words
    for (first, last, label), before in zip(entities, [None, *entities], strict=False):
        for word in range(first, last + 1):
            if scheme == "io":
                tags[word] = label
                continue
            if scheme == "iob1":
                touches = before is not None and before[1] == first - 1 and before[2] == label
                letter = "B" if word == first and touches else "I"
            else:
                letters = LETTERS[scheme]
                letter = letters[3] if first == last else letters[0 if word == first else 2 if word == last else 1]
            tags[word] = f"{letter}-{label}"
    return tags


def decode(tags: list[str], scheme: TagScheme | None = None) -> list[Span]:
    words = ["x" * (number % 3 + 1) for number in range(len(tags))]
    starts = [sum(map(len, words[:number])) + number for number in range(len(words))]
    entities = TagDecoder(scheme).entities(" ".join(words), words, starts, tags)
    ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
    return [(starts.index(entity.start), ends.index(entity.end), entity.label) for entity in entities]


@pytest.mark.parametrize("scheme", SCHEMES)
@given(spans())
def test_tag_decoder_inverts_each_scheme(scheme: TagScheme, drawn: tuple[int, list[Span]]) -> None:
    words, entities = drawn
    tags = encode(words, entities, scheme)

    assert decode(tags, scheme) == decode(tags) == entities


@given(spans(adjacent=False))
def test_tag_decoder_inverts_io_without_adjacent_entities(drawn: tuple[int, list[Span]]) -> None:
    words, entities = drawn

    assert decode(encode(words, entities, "io"), "io") == entities


@given(st.lists(TAGS, min_size=1, max_size=12))
def test_tag_decoder_gives_the_entities_of_seqeval(tags: list[str]) -> None:
    assert decode(tags) == [(first, last, label) for label, first, last in get_entities(tags)]


def test_tag_decoder_joins_adjacent_entities_of_io() -> None:
    assert decode(["A", "A", "B", "I-B", "O"], "io") == [(0, 1, "A"), (2, 3, "B")]


@pytest.mark.parametrize(
    ("tag", "scheme", "reason"),
    [
        ("X-A", None, "tag is neither O nor PREFIX-TYPE: X-A"),
        ("B-", None, "tag is neither O nor PREFIX-TYPE: B-"),
        ("ORG", None, "tag has no prefix: ORG"),
        ("o", None, "tag has no prefix: o"),
        ("S-A", "iob2", "tag is not of source.tagging.scheme: S-A in iob2"),
        ("L-A", "bioes", "tag is not of source.tagging.scheme: L-A in bioes"),
        (3, None, "tag is a number: 3"),
        (None, None, "tag is null"),
        ([], None, "tag is not text: [] (list)"),
    ],
)
def test_tag_decoder_rejects_other_tags(tag: object, scheme: TagScheme | None, reason: str) -> None:
    with pytest.raises(UnreadableError) as error:
        TagDecoder(scheme).entities("a", ["a"], [0], [tag])

    assert str(error.value) == reason


@pytest.mark.parametrize("names", [["O", "B-X", "I-X"], {"0": "O", "1": "B-X", "2": "I-X"}])
def test_tag_decoder_names_numbers(names: list[str] | dict[str, str]) -> None:
    decoder = TagDecoder(None, names)

    assert decoder.entities("a b c", ["a", "b", "c"], [0, 2, 4], [1, 2.0, 0]) == (Entity(0, 3, "X"),)
    assert decoder.entities("a b", ["a", "b"], [0, 2], ["B-X", "0"]) == (Entity(0, 1, "X"),)
    with pytest.raises(UnreadableError, match=r"tag is not in source\.tagging\.names: 7"):
        decoder.entities("a", ["a"], [0], [7])


def test_tag_decoder_leaves_out_white_space_at_the_edges_of_words() -> None:
    decoder = TagDecoder()

    assert decoder.entities("at  Hooli\u00a0", ["at", " Hooli\u00a0"], [0, 3], ["O", "B-X"]) == (Entity(4, 9, "X"),)
    with pytest.raises(UnreadableError, match="entity covers white space alone"):
        decoder.entities("at \u200b", ["at", "\u200b"], [0, 3], ["O", "B-X"])


def test_tags_with_an_underscore_are_no_bare_types() -> None:
    # As types of the scheme IO, B_ORG and I_ORG would be two of them.
    with pytest.raises(UnreadableError, match="tag is neither O nor PREFIX-TYPE: B_ORG"):
        TagDecoder().entities("Acme", ["Acme"], [0], ["B_ORG"])
