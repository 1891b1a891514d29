import pytest
import yaml

from assay.recipes.yaml_faults import describe_yaml_error
from assay.recipes.yaml_values import YamlError, read_yaml


def described(text: str) -> str:
    try:
        read_yaml(text)
    except YamlError:
        raise
    except yaml.YAMLError as error:
        return describe_yaml_error(error)
    raise AssertionError(f"{text!r} is YAML")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n\t- b", "line 2: a tab begins a value; indent with spaces"),
        ("a: 1\nb: 'x", "line 2: the quote that opens in line 2 is never closed; close it"),
        ('a: "x\nb: 1\nc: 2', "line 3: the quote that opens in line 1 is never closed; close it"),
        (
            "a: 1\nsome words\nb: 2",
            "line 3: a line without KEY: VALUE; add the colon, or put a text of several lines in quotes",
        ),
        (
            "a: b: c",
            "line 1: a colon where no key may be; indent keys of one section alike, and put a text with a colon in "
            "quotes",
        ),
        ("a: [1,\n  2\nb: 3", "line 3: the list that opens in line 1 is not closed; add ]"),
        ("a: {x: 1\nb: 3", "line 2: the mapping that opens in line 1 is not closed; add }"),
        (
            "a: 'x' y",
            "line 1: a value that does not continue the section of line 1; indent its keys alike, and put a text with "
            "quotes in it in quotes as a whole",
        ),
        ("a:\n  - x\n  y: 1", "line 3: an item that does not begin with '- ' like those of line 2; correct it"),
        ("a: *", "line 1: * and & begin a reference in YAML; put a text that has one in quotes"),
        ("a: @x", "line 1: a value begins with a character that YAML keeps; put it in quotes"),
        ("a: `x`", "line 1: a value begins with a character that YAML keeps; put it in quotes"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins; a recipe is one, remove the line ---"),
        ("  a: 1\nb: 2", "line 2: a line begins further left than the first one; indent them alike"),
        ("a: &x [*x]", "line 1: a reference to the list or mapping that it is in; remove it"),
        (
            "a: *x",
            "line 1: * begins a reference to a name that is not defined; put a text that has one in quotes",
        ),
        ("a: 1\nb: \x01", "it holds the control character '\\x01' at 8; remove it"),
    ],
)
def test_describe_yaml_error_says_in_plain_words_what_to_do(text: str, line: str) -> None:
    assert described(text) == line


@pytest.mark.parametrize("text", ["a: !!python/name:os.getcwd ''", "a: !x 1", "a: !!omap 1"])
def test_describe_yaml_error_of_another_kind_keeps_line_and_remedy(text: str) -> None:
    line = described(text)
    assert line.startswith("line ")
    assert line.endswith("; correct it, or put a text in quotes")
    assert "\n" not in line


def test_describe_yaml_error_of_bytes_names_the_encoding() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff".decode("utf-8")
    assert describe_yaml_error(caught.value) == "it is not UTF-8; save the file again as UTF-8"


def test_describe_yaml_error_without_a_mark_is_one_line() -> None:
    assert describe_yaml_error(yaml.YAMLError("a\n b")) == "a b"
