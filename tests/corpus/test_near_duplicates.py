import pytest

from corpus.near_duplicates import normalise


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
