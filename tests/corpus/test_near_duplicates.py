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
def test_normalise_ignores_case_urls_digits_and_white_space(text: str) -> None:
    assert normalise(text) == "shares rise 0%"


def test_normalise_keeps_texts_without_letters_apart() -> None:
    # given two texts that are all number or URL, they have nothing in common
    assert normalise("2024") != normalise("2025")
    assert normalise("https://a.example") != normalise("https://b.example")


@pytest.mark.parametrize(
    ("left", "right"),
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
def test_normalise_ignores_invisible_characters(left: str, right: str) -> None:
    assert normalise(left) == normalise(right)


def test_normalise_removes_every_format_character() -> None:
    formats = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Cf"]
    assert len(formats) > 150
    assert {normalise(f"a{character}b") for character in formats} == {"ab"}


@given(text=st.text(), form=st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_normalise_is_idempotent_and_ignores_unicode_forms(text: str, form: Any) -> None:
    assert normalise(unicodedata.normalize(form, text)) == normalise(text)
    assert normalise(normalise(text)) == normalise(text)


def test_normalise_keeps_visible_differences() -> None:
    texts = ["co-op", "coop", "resume", "r\u00e9sum\u00e9", "\u0e01\u0e32", "\u0e01", "\u2764 x", "\u2665 x"]
    assert len({normalise(text) for text in texts}) == len(texts)
