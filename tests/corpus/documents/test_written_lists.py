import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.corpus.documents.remedies import GENERAL, remedy_of
from assay.corpus.documents.values import MAX_TEXT_LENGTH, MISSING, UnreadableError
from assay.corpus.documents.written_lists import MAX_DEPTH, list_in_cell, list_of, written_list

ENTITY = {"start": 0, "end": 4, "label": "ORG"}


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["EU", "rejects"]', ["EU", "rejects"]),
        ("['EU', \"it's\", 'a\\'b']", ["EU", "it's", "a'b"]),
        ("[u'EU', U\"it's\"]", ["EU", "it's"]),
        (" [3, 0]\n", [3, 0]),
        ("[]", []),
        ("[null, true]", [None, True]),
        ("[None, True]", [None, True]),
        ("[(0, 4, 'ORG')]", [[0, 4, "ORG"]]),
        ("[{'start': 0, 'end': 4, 'label': 'ORG'}]", [ENTITY]),
        ("[{'start': 0, 'end': 4, 'label': 'ORG'}\n {'start': 0, 'end': 4, 'label': 'ORG'}]", [ENTITY, ENTITY]),
        ("{'start': [0], 'end': [4]}", {"start": [0], "end": [4]}),
        ("['B-ORG' 'O']", ["B-ORG", "O"]),
        ("['B-ORG'\n 'O']", ["B-ORG", "O"]),
        ("[3 -1]", [3, -1]),
        ("[np.str_('EU'), np.str_(\"it's\")]", ["EU", "it's"]),
        ("[np.int64(3), np.float64(0.5)]", [3, 0.5]),
        ("['np.int64(3)', '[a' 'b, c]']", ["np.int64(3)", "[a", "b, c]"]),
    ],
)
def test_written_list_reads_the_notation_of_json_python_and_numpy(text: str, items: object) -> None:
    assert written_list(text) == items


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EU rejects",
        "[sic] a text",
        "['EU', 'rejects'",
        "['EU', rejects]",
        "['EU''rejects']",  # Python would join the two texts
        "['a']['b']",
        "['a', nan]",
        "[b'a']",
        "['a' ... 'b']",
        "[1, ..., 2]",
        "[__import__('os')]",
        "[array(['a'], dtype=object)]",
        "[" * 100_000 + "]" * 100_000,
        "[" + "-" * 100_000 + "1]",
        "[" + "9" * 100_000 + "]",
        "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2),
        "['" + "x" * MAX_TEXT_LENGTH + "']",
    ],
)
def test_written_list_takes_nothing_else_for_a_list(text: str) -> None:
    assert written_list(text) is None


TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")))


@given(TEXTS)
def test_written_list_gives_texts_back_whatever_they_hold(texts: list[str]) -> None:
    assert written_list(str(texts)) == texts
    assert written_list(str((*texts, texts))) is None
    assert written_list(json.dumps(texts)) == texts
    # numpy drops NUL characters at the end of a text, and has no text for an array of none.
    with np.printoptions(threshold=10_000):
        assert written_list(str(np.array(texts, dtype=object))) == texts


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_written_list_gives_numbers_back(numbers: list[int]) -> None:
    assert written_list(str(numbers)) == numbers
    assert written_list(str(np.array(numbers, dtype=np.int64))) == numbers


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (MISSING, "tags is missing"),
        (None, "tags is null"),
        (math.nan, "tags is not a list: nan"),
        (" ", "tags is empty"),
        ("O", "tags is not a list: O"),
        ("['O' ... 'O']", "tags is a shortened list: ['O' ... 'O']"),
        ("{'O': 1}", "tags is not a list: {'O': 1}"),
    ],
)
def test_list_of_names_what_is_no_list(value: object, reason: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        list_of(value, "tags")
    assert str(caught.value) == reason
    assert remedy_of(reason) != GENERAL


def test_list_of_takes_a_list_and_a_written_one() -> None:
    assert list_of(["O"], "tags") == list_of("['O']", "tags") == ["O"]


def test_list_in_cell_leaves_the_reason_to_its_caller() -> None:
    assert list_in_cell("no list ...", "tags") is None
