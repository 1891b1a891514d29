import pytest

from assay.corpus.scripts import KINDS, Kind, inside_word, split_signs


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("aZé9ñЖعक한½", Kind.LETTER),
        ("北々〇かカーｶทกㄅꀀ𠀀", Kind.SIGN),
        ("\u0301\u093f\u0e31\u3099\uff9e\u200d\u1161\ufe0f", Kind.MARK),
        (" \u00a0\u3000\t\n\u200b\u2028", Kind.SPACE),
        ("\u200c\u200f\ufeff\u00ad\x07", Kind.JOINER),
        (".,_-。「・🎉฿$", Kind.OTHER),
        ("๕", Kind.LETTER),
    ],
)
def test_kinds_of_characters(characters: str, kind: Kind) -> None:
    assert {KINDS[character] for character in characters} == {kind}


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("Apple", [1, 2, 3, 4]),
        ("a b", []),
        ("北京", []),
        ("cafe\u0301s", [1, 2, 3, 4, 5]),
        ("ที่", [1, 2]),
        ("A北1", []),
        ("a\u200d b\u200dc", [4, 5]),
        ("a\u200d", []),
    ],
)
def test_inside_word_at_each_offset(text: str, inside: list[int]) -> None:
    assert [at for at in range(len(text) + 1) if inside_word(text, at)] == inside


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Apple", ["Apple"]),
        ("北京A1", ["北", "京", "A1"]),
        ("AがB", ["A", "が", "B"]),
        ("か\u3099き", ["か\u3099", "き"]),
    ],
)
def test_split_signs_divides_scripts_without_spaces(text: str, parts: list[str]) -> None:
    assert [text[start:end] for start, end in split_signs(text, 0, len(text))] == parts
