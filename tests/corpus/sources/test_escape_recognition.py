from pathlib import Path

import pytest

from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import iter_rows, recognised_escape
from assay.corpus.sources.recognition import describe_file

PLAIN = "".join(f"k{number},shirt {number},good\n" for number in range(20))
HEADER = "id,text,label\n"


def described(folder: Path, text: str, name: str = "a.csv") -> str | None:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    layout = describe_file(path).table
    assert layout is not None
    return layout.escape


@pytest.mark.parametrize(
    "text",
    [
        HEADER + PLAIN + 'x,"he said \\"no\\"",bad\n',
        HEADER + PLAIN + 'x,"he said \\"no\\", and left",bad\n',
        HEADER + 'x,"a \\"b\\"\nc",bad\n' + PLAIN,
        HEADER + PLAIN + "x,one\\, two,bad\n",
        (HEADER + PLAIN + "x,one\\,two,bad\ny,two\\\nlines,bad\n").replace(",", "\t"),
        HEADER + "".join(f'k{number},"\\"{number}\\", and so",bad\n' for number in range(9_000)),  # longer than a block
    ],
)
def test_a_backslash_is_recognised_where_rows_are_valid_with_it_alone(tmp_path: Path, text: str) -> None:
    assert described(tmp_path, text) == "\\"
    assert all(isinstance(row, dict) for _, row in iter_rows(tmp_path / "a.csv"))
    assert "escaped by \\" in str(describe_file(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    "text",
    [
        HEADER + PLAIN,
        HEADER + PLAIN + 'x,"C:\\new\\",bad\n',
        HEADER + PLAIN + 'x,"he said \\""no\\"", and left",bad\n',
        HEADER + PLAIN + 'x,C:\\new\\,bad\ny,"one \\"two\\"\n',
        HEADER + "".join(f'k{number},"C:\\new\\",good\n' for number in range(5)) + 'x,"he said \\"no\\"",bad\n',
    ],
)
def test_a_backslash_is_a_character_of_the_text_elsewhere(tmp_path: Path, text: str) -> None:
    assert described(tmp_path, text) is None


def test_recognised_escape_is_that_of_any_file(tmp_path: Path) -> None:
    described(tmp_path, HEADER + PLAIN, "a.csv")
    described(tmp_path, HEADER + PLAIN + 'x,"he said \\"no\\"",bad\n', "b.csv")
    (tmp_path / "c.jsonl").write_text('{"text": "a"}\n')
    files = [tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.jsonl"]

    assert recognised_escape(files, FileSettings()) == "\\"
    assert recognised_escape([files[0], files[2]], FileSettings()) is None
