import pytest

from assay.corpus.documents.fields import TagScheme
from assay.corpus.documents.tag_schemes import TagDecoder
from assay.corpus.documents.tag_uses import TagCounter, TagUse, merged, schemes_of

IO = "IO or IOB1"


def uses_of(*rows: str, scheme: TagScheme | None = None) -> list[TagUse]:
    """Read rows of tags, of which the first is r0."""
    decoder, counter = TagDecoder(scheme), TagCounter()
    for number, row in enumerate(rows):
        tags = row.split()
        words = list("abcdefgh")[: len(tags)]
        decoder.entities(" ".join(words), words, range(0, 2 * len(words), 2), tags)
        counter.add(decoder.marks, f"r{number}")
    return counter.take()


def found(*rows: str, scheme: TagScheme | None = None) -> list[tuple[str, int, str | None]]:
    return [(use.scheme, use.rows, use.example) for use in schemes_of(uses_of(*rows, scheme=scheme))]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-A I-A B-A O", "IOB2"),
        ("I-A I-A B-A O", "IOB1"),
        ("B-A E-A S-A O", "BIOES"),
        ("B-A L-A U-A O", "BILOU"),
        ("B-A M-A E-A W-A", "BMEWO"),
        ("I-A I-A O I-B", IO),
    ],
)
def test_rows_of_one_scheme_show_it(tags: str, scheme: str) -> None:
    assert found(tags, "O O", "O") == [(scheme, 1, "r0")]


def test_rows_count_for_the_scheme_of_most_rows_that_they_suit() -> None:
    assert found("B-A E-A", "B-A E-A O", "W-A O", "B-A M-A E-A") == [("BMEWO", 4, "r0")]
    assert found("I-A O", "I-A B-A") == [("IOB1", 2, "r0")]


def test_schemes_of_names_each_scheme_of_a_mixed_source() -> None:
    assert found("B-A I-A O", "S-A O", "B-A O", "B-A E-A") == [("IOB2", 2, "r0"), ("BIOES", 2, "r1")]
    assert found("B-A I-A", "I-B O", "B-A O") == [("IOB2", 2, "r0"), (IO, 1, "r1")]
    assert found("S-A O", "U-A O", "U-A") == [("BILOU", 2, "r1"), ("BIOES", 1, "r0")]


@pytest.mark.parametrize("tags", ["B-A O I-A", "S-A O U-A", "B-A I-A O S-A"])
def test_schemes_of_knows_rows_that_show_several(tags: str) -> None:
    [use] = schemes_of(uses_of(tags))

    prefixes = ", ".join(sorted({tag[0] for tag in tags.split()} - {"O"}))
    assert (use.scheme, use.is_mixed) == (f"no single scheme (prefixes {prefixes})", True)


def test_bare_types_are_io() -> None:
    assert found("ORG O", scheme="io") == [("IO", 1, "r0")]


def test_a_scheme_says_what_it_cannot_express() -> None:
    [bare], [either], [iob2] = (
        schemes_of(uses_of("ORG", scheme="io")),
        schemes_of(uses_of("I-A")),
        schemes_of(uses_of("B-A")),
    )

    assert bare.with_limit == "IO, in which adjacent entities of one type are read as one"
    assert either.with_limit.startswith("IO or IOB1, which are read alike: no tag begins with B, so adjacent")
    assert iob2.with_limit == "IOB2"


def test_merged_adds_the_rows_of_chunks() -> None:
    assert merged([*uses_of("B-A", "B-A"), *uses_of("S-A", "B-A")]) == [
        TagUse(marks=("B", "B begins", "open end"), rows=3, example="r0"),
        TagUse(marks=("S",), rows=1, example="r0"),
    ]


def test_tag_counter_starts_again_after_take() -> None:
    counter = TagCounter()
    counter.add(frozenset({"S"}), "r0")

    assert (len(counter.take()), counter.take()) == (1, [])
