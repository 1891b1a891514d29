from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.corpus.cleaning import Cleaning

ALL = Cleaning(html=True, urls="token", whitespace=True)
# Pieces of which the interesting cases are made.
PIECES = [
    "<b>",
    "</b>",
    "<!-- x -->",
    "&amp;",
    "&#252;",
    "&nosuch;",
    "https://t.co/x",
    "www.a.de",
    " ",
    "\n\t",
    "ü",
    "a<b",
]


def test_cleaning_leaves_the_text_unchanged_by_default() -> None:
    text = "  <b>Süß</b> &amp; https://x.y\n"
    assert Cleaning().apply(text).text == text
    assert Cleaning().apply(text).raw_span(3, 5) == (3, 5)


@pytest.mark.parametrize(
    ("cleaning", "raw", "clean"),
    [
        (Cleaning(html=True), "a<br/>b &lt;c&gt; &#252;", "a b <c> ü"),
        (Cleaning(html=True), "1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        (Cleaning(html=True), "a<!-- no\nword -->b", "a b"),
        (Cleaning(urls="drop"), "see https://a.b/c?d=e now", "see  now"),
        (Cleaning(urls="token"), "see www.a.de", "see URL"),
        (Cleaning(whitespace=True), " a \n\t b ", "a b"),
        (ALL, " <p>up 3&nbsp;%</p> https://t.co/x ", "up 3 % URL"),
        (ALL, "", ""),
        (ALL, " \n", ""),
    ],
)
def test_cleaning_applies_each_setting(cleaning: Cleaning, raw: str, clean: str) -> None:
    assert cleaning.apply(raw).text == clean


def test_raw_span_maps_cleaned_spans_to_the_raw_text() -> None:
    raw = "<p>Tom &amp; Jerry</p>  https://t.co/x  win"
    clean = ALL.apply(raw)
    assert clean.text == "Tom & Jerry URL win"
    for word, expected in (("Tom & Jerry", "Tom &amp; Jerry"), ("URL", "https://t.co/x"), ("win", "win")):
        begin = clean.text.index(word)
        start, end = clean.raw_span(begin, begin + len(word))
        assert raw[start:end] == expected


texts = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=12).map("".join)
cleanings = st.builds(
    Cleaning,
    html=st.booleans(),
    urls=st.sampled_from(["keep", "drop", "token"]),
    whitespace=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(raw=texts, cleaning=cleanings)
def test_raw_span_is_monotonic_over_all_characters(raw: str, cleaning: Cleaning) -> None:
    clean = cleaning.apply(raw)
    spans = [clean.raw_span(position, position + 1) for position in range(len(clean.text))]
    assert all(0 <= start < end <= len(raw) for start, end in spans)
    assert all(before[0] <= after[0] and before[1] <= after[1] for before, after in pairwise(spans))
    # and a longer span covers those of all its characters
    if spans:
        assert clean.raw_span(0, len(spans)) == (spans[0][0], spans[-1][1])


@settings(max_examples=60, deadline=None)
@given(raw=texts)
def test_raw_span_keeps_unreplaced_characters(raw: str) -> None:
    clean = Cleaning(urls="token", whitespace=True).apply(raw)
    for position, character in enumerate(clean.text):
        start, end = clean.raw_span(position, position + 1)
        if end - start == 1 and character != " ":
            assert raw[start:end] == character


@pytest.mark.parametrize("urls", ["keep", "drop", "token"])
def test_cleaning_is_fast_for_a_megabyte_of_open_tags(urls: Literal["keep", "drop", "token"]) -> None:
    clean = Cleaning(html=True, urls=urls, whitespace=True).apply("<a " * 50_000)
    assert clean.text.startswith("<a <a")


def test_cleaning_is_fast_for_many_unclosed_comments() -> None:
    text = "<!-- " * 50_000
    assert Cleaning(html=True).apply(text).text == text
    assert Cleaning(html=True).apply("a<!-- <b>\nx --><!-- y -->b").text == "a  b"


@given(
    raw=texts,
    odd=st.sampled_from(["", "&#8203;", "&lt;br&gt;", "\x1c", "\x85", "\u00a0", "\u2028"]),
    cleaning=cleanings,
)
def test_text_equals_the_text_of_apply(raw: str, odd: str, cleaning: Cleaning) -> None:
    raw = f"{odd}{raw}{odd}"
    assert cleaning.text(raw) == cleaning.apply(raw).text
