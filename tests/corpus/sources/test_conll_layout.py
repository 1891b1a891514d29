from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.conll_layout import UNKNOWN, is_comment, recognise_conll, split_line
from assay.corpus.sources.file_description import ConllLayout
from assay.corpus.sources.file_settings import FileSettings

LAYOUT = ConllLayout(width=2, columns={"tokens": 0, "tags": 1}, tabs=False)


def recognise(text: str, *, required: bool = False, **columns: int) -> ConllLayout | None:
    return recognise_conll(Path("rows.conll"), text, FileSettings(columns=columns), required=required)


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        ("EU B-ORG\nrejects O\n", LAYOUT),
        ("EU\tB-ORG\nNew York\tB-LOC\n", LAYOUT.model_copy(update={"tabs": True})),
        ("EU NNP I-NP B-ORG\n", ConllLayout(width=4, columns={"tokens": 0, "tags": 3}, tabs=False)),
        ("-DOCSTART- -X- O O\n\nEU B-ORG\r\nrejects O\r\n", LAYOUT),
        ("# id = 7\n#comment\nEU B-ORG\nrejects O\n", LAYOUT),
        # A numbered file, and GermEval with its second column of tags.
        ("1\tEU\tB-ORG\n2\trejects\tO\n", ConllLayout(width=3, columns={"tokens": 1, "tags": 2}, tabs=True)),
        ("0\tEU\tB-ORG\n1\trejects\tO\n", ConllLayout(width=3, columns={"tokens": 1, "tags": 2}, tabs=True)),
        ("1\tEU\tB-ORG\tO\n2\tso\tO\tO\n", ConllLayout(width=4, columns={"tokens": 1, "tags": 2}, tabs=True)),
        ("1\tEU\tNNP\tB-ORG\n", ConllLayout(width=4, columns={"tokens": 1, "tags": 3}, tabs=True)),
        # Tags before other columns, as in Universal NER, and a tab at the end of each line.
        ("1\tEU\tB-ORG\t-\tanna\n", ConllLayout(width=5, columns={"tokens": 1, "tags": 2}, tabs=True)),
        ("EU\tB-ORG\t\nso\tO\t\n", ConllLayout(width=3, columns={"tokens": 0, "tags": 1}, tabs=True)),
        # Numbers that are words: they begin with another one, or there are two columns.
        ("1 O\n2 O\n", LAYOUT),
        # Tags without prefixes, and tags in the first column.
        ("EU ORG\nrejects O\nthe O\n" * 4, LAYOUT.model_copy(update={"has_tags": False})),
        ("B-ORG EU\nO rejects\n", ConllLayout(width=2, columns={"tokens": 1, "tags": 0}, tabs=False)),
        ("7 CD O\nEU NNP B-ORG\n", ConllLayout(width=3, columns={"tokens": 0, "tags": 2}, tabs=False)),
    ],
)
def test_recognise_conll_finds_tokens_and_tags(text: str, layout: ConllLayout) -> None:
    assert recognise(text, required=True) == layout


@pytest.mark.parametrize("text", ["", "\n\n", "-DOCSTART- -X- O\n", "# comment\n", "hello\nworld\n", "text,label\n"])
def test_recognise_conll_is_none_without_columns(text: str) -> None:
    assert recognise(text, required=True) is None


def test_recognise_conll_allows_a_few_lines_of_another_width() -> None:
    assert recognise("EU B-ORG\n" * 19 + "EU\n") == LAYOUT
    assert recognise("EU B-ORG\n" * 18 + "EU\n") is None


def test_recognise_conll_takes_few_tags_without_prefixes_only_where_the_file_must_be_one() -> None:
    text = "Acme ORG\nopens O\n"
    assert recognise(text) is None
    assert recognise(text, required=True) == LAYOUT.model_copy(update={"has_tags": False})


def test_recognise_conll_needs_tags_in_nearly_all_lines() -> None:
    assert recognise("EU B-ORG\n" * 19 + "EU ORG\n") == LAYOUT
    assert recognise("EU B-ORG\n" * 18 + "EU ORG\n") is None
    assert recognise("EU ORG\n" + "EU B-ORG\n" * 99) is None  # the first line is no tag: two columns of words


def test_recognise_conll_follows_the_columns_that_are_set() -> None:
    layout = recognise("EU x B-ORG\nopens y O\n", tokens=1, tags=-1, pos=2)
    assert layout == ConllLayout(width=3, columns={"tokens": 0, "tags": 2, "pos": 1}, tabs=False)
    without_tags = recognise("EU x B-ORG\n", tokens=-3)
    assert without_tags == ConllLayout(width=3, columns={"tokens": 0}, tabs=False, has_tags=False)


@pytest.mark.parametrize("number", [4, -4])
def test_recognise_conll_refuses_a_column_that_the_file_lacks(number: int) -> None:
    with pytest.raises(
        AssayError, match=rf"source\.file\.columns\.tags is {number}, but rows\.conll has 3 columns; name one of them"
    ):
        recognise("EU x B-ORG\n", tokens=1, tags=number)


@pytest.mark.parametrize(
    ("line", "tabs", "cells"),
    [
        ("EU  B-ORG \r\n", False, ["EU", "B-ORG"]),
        ("New York\tB-LOC\r\n", True, ["New York", "B-LOC"]),
        ("EU\t\n", True, ["EU", ""]),
    ],
)
def test_split_line_keeps_blanks_and_empty_cells_between_tabs(line: str, tabs: bool, cells: list[str]) -> None:
    assert split_line(line, tabs) == cells


@pytest.mark.parametrize(
    ("line", "comment"),
    [
        ("EU B-ORG", False),
        ("# B-TAG", False),  # the token # with a tag
        ("#hashtag O", False),
        ("# comment", True),
        ("# id = 7", True),
        ("#", True),
        ("# a longer comment", True),
    ],
)
def test_is_comment_leaves_hash_signs_with_a_tag_to_the_sentence(line: str, comment: bool) -> None:
    assert is_comment(line, LAYOUT) is comment


def test_is_comment_takes_any_tag_where_tags_have_no_prefix() -> None:
    assert not is_comment("# ORG", LAYOUT.model_copy(update={"has_tags": False}))


def test_recognise_conll_skips_a_line_of_names_above_sentences() -> None:
    sentences = "EU\tB-ORG\nrejects\tO\n\nSo\tO\n"
    layout = recognise("token\ttag\n" + sentences)
    assert layout == ConllLayout(width=2, columns={"tokens": 0, "tags": 1}, tabs=True, header=True)
    assert recognise("word\tner\r\n" + sentences.replace("\n", "\r\n")) == layout
    # A table of words without sentences is none, and neither is one whose first word is like a name.
    assert recognise("token\ttag\nEU\tB-ORG\nrejects\tO\n") is None
    assert recognise("word\tO\nEU\tB-ORG\n\nSo\tO\n") == ConllLayout(
        width=2, columns={"tokens": 0, "tags": 1}, tabs=True
    )


@pytest.mark.parametrize(
    ("header", "below", "columns"),
    [
        ("word tag lemma", "EU B-ORG eu\nrejects O reject\n\nSo O so\n", {"tokens": 0, "tags": 1}),
        ("tag word", "B-ORG EU\nO rejects\n\nO So\n", {"tokens": 1, "tags": 0}),
        ("Word Tag", "EU ORG\nrejects O\nthe O\n\n" * 4, {"tokens": 0, "tags": 1}),
        ("id word pos tag", "1 EU NNP B-ORG\n2 so RB O\n\n1 So RB O\n", {"tokens": 1, "tags": 3}),
    ],
)
def test_recognise_conll_skips_a_line_of_names_wherever_the_tags_stand(
    header: str, below: str, columns: dict[str, int]
) -> None:
    layout = recognise(f"{header}\n{below}", required=True)
    assert layout is not None
    assert (layout.header, layout.columns) == (True, columns)
    without_names = recognise(below, required=True)
    assert without_names is not None
    assert (without_names.header, without_names.columns) == (False, columns)


@pytest.mark.parametrize("number", ["3", "0.5", "-1", "1e-3", ",5"])
def test_recognise_conll_takes_no_table_of_numbers_for_universal_dependencies(number: str) -> None:
    assert recognise("".join("\t".join([str(row), number, *"34567890"]) + "\n" for row in range(20))) is None


UNIVERSAL = "# sent_id = s1\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tzu\tzu\tADP\t_\t_\t0\tr\t_\t_\n"


def test_recognise_conll_leaves_the_attribute_of_universal_dependencies_open() -> None:
    layout = recognise(UNIVERSAL)
    assert layout == ConllLayout(width=10, columns={}, tabs=True, attribute=UNKNOWN)
    columns = recognise(UNIVERSAL, required=True, tokens=2)  # those of the user count
    assert columns is not None
    assert columns.columns == {"tokens": 1}


def ten_columns(number: int, last: str) -> str:
    return "\t".join([str(number), f"a text of row {number}", *"axyz", str(number % 5), *"qr", last]) + "\n"


@pytest.mark.parametrize(
    "text",
    [
        "".join(ten_columns(number, "u") for number in range(60)),  # a last column without attributes
        "".join(ten_columns(number, "_") for number in range(7, 60)),  # numbers that begin elsewhere
        "".join(ten_columns(number, "a=b") + "\n" * (number % 9 == 0) for number in range(60)),  # and go on
    ],
)
def test_recognise_conll_takes_no_table_of_ten_columns_for_universal_dependencies(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.parametrize(
    "text",
    [
        UNIVERSAL.partition("\n")[2],
        f"{UNIVERSAL}\n{UNIVERSAL}",
        f"{UNIVERSAL}\r\n{UNIVERSAL}".replace("\n", "\r\n"),
        "".join(ten_columns(number % 7, "SpaceAfter=No") + "\n" * (number % 7 == 6) for number in range(60)),
    ],
)
def test_recognise_conll_knows_universal_dependencies_by_its_sentences(text: str) -> None:
    layout = recognise(text)
    assert layout is not None
    assert layout.attribute == UNKNOWN
