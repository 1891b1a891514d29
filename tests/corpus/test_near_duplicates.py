import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.near_duplicates import normalise


@pytest.mark.parametrize(
    "text",
    ["Shares rise 5% ", "shares  RISE 12%", "Shares rise 5% https://t.co/x1", "www.news.example/a?b=1\nshares rise 7%"],
)
def test_case_urls_digits_and_white_space_do_not_count(text: str) -> None:
    assert normalise(text) == "shares rise 0%"


def test_texts_without_a_letter_keep_what_they_have() -> None:
    # given two texts that are all number or URL, they have nothing in common
    assert normalise("2024") != normalise("2025")
    assert normalise("https://a.example") != normalise("https://b.example")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("caf\u00e9 bar", "cafe\u0301 bar"),
        ("caf\u00e9", "CAFE\u200b\u0301"),
        ("a bar", "a \u200bbar"),
        ("a bar", "\ufeffa\u00a0b\u00adar"),
        ("office \u2460", "o\ufb03ce 1"),
        ("\uff21\uff22", "ab"),
        ("\u2764\ufe0f good", "\u2764 good"),
        ("\U0001f469\u200d\U0001f52c x", "\U0001f469\U0001f52c x"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),
        ("\u202eright\u202c", "right"),
        ("stra\u00dfe", "STRASSE"),
        ("\ud55c\uae00 \u3164x", "\u1112\u1161\u11ab\u1100\u1173\u11af x"),
        ("a\U000e0101b", "ab"),
    ],
)
def test_what_nobody_sees_does_not_count(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_every_format_character_goes() -> None:
    formats = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    assert len(formats) > 150
    assert {normalise(f"a{character}b") for character in formats} == {"ab"}


@given(text=st.text(), form=st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_forms_of_unicode_do_not_count_and_doing_it_twice_changes_nothing(text: str, form: Any) -> None:
    assert normalise(unicodedata.normalize(form, text)) == normalise(text)
    assert normalise(normalise(text)) == normalise(text)


def test_what_people_see_still_counts() -> None:
    texts = ["co-op", "coop", "resume", "r\u00e9sum\u00e9", "\u0e01\u0e32", "\u0e01", "\u2764 x", "\u2665 x"]
    assert len({normalise(text) for text in texts}) == len(texts)
