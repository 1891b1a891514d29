"""Values of the data in Markdown: a parser finds only text."""

import random

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from assay.corpus.markdown import cell, row

HOSTILE = [
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example>",
    "https://evil.example www.evil.example a@evil.example mailto:a@evil.example",
    "[a]: https://evil.example",
    "a | b \\| c \\",
    "`code` ``x",
    "one\ntwo\r\nthree\x0bfour\u2028five\x00",
    "# head",
    "- item",
    "1. item",
    "> quote",
    "---",
    "~~~ fence",
    "**bold** _it_ ~~gone~~ $x$",
    "&lt;b&gt; &#91;x&#93;(y)",
    "[^1] [x][y]",
    "",
    "\\",
]
PIECES = [*"[]()!<>|\\`*_~#-+=:.@/&;$ \n\t1a", "http://x.y", "www.", "&lt;", "<b>"]
MARKUP = {"link_open", "image", "html_inline", "html_block", "code_inline", "em_open", "strong_open", "s_open", "fence"}


def parse(text: str) -> list[Token]:
    blocks = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [*blocks, *(child for block in blocks for child in block.children or ())]


def shown(text: str) -> str:
    return "".join(token.content for token in parse(text) if token.type in ("text", "text_special"))


def test_cell_breaks_addresses_that_renderers_link() -> None:
    assert cell("see https://a.example") == "see https\\://a.example"
    assert cell("www.a.example, a@b.example, mailto:a") == "www\\.a.example, a\\@b.example, mailto\\:a"


def generated() -> list[str]:
    draw = random.Random(3)
    return ["".join(draw.choices(PIECES, k=draw.randint(1, 14))) for _ in range(1500)]


@pytest.mark.parametrize("values", [HOSTILE, generated()], ids=["written", "generated"])
def test_row_keeps_hostile_values_as_text(values: list[str]) -> None:
    for value in values:
        table = f"| a | b |\n|---|---|\n{row(value, 'end')}"
        tokens = parse(table)
        kinds = [token.type for token in tokens]
        assert not MARKUP & set(kinds), value
        assert kinds.count("td_open") == 2, value
        assert kinds.count("tr_open") == 2, value


@pytest.mark.parametrize("values", [HOSTILE, generated()], ids=["written", "generated"])
def test_cell_on_its_own_line_is_one_paragraph(values: list[str]) -> None:
    for value in values:
        kinds = {token.type for token in parse(cell(value))}
        assert kinds <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}, value
        expected = " ".join(value.replace("\x00", "\ufffd").split())
        assert shown(cell(value)) == expected, value
