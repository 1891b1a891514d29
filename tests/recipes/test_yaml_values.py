import math
from datetime import date
from typing import Any

import pytest
import yaml

from assay.recipes.yaml_values import YamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# a comment", None),
        ("~", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1e-3", 0.001),
        ("1E5", 100_000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("1.2.3", "1.2.3"),
        ("0b1", "0b1"),
        ("2026-01-31", date(2026, 1, 31)),
        ("'7'", "7"),
        ("!!str 7", "7"),
        ("!!int '7'", 7),
        ("[1, [a], {b: 2}]", [1, ["a"], {"b": 2}]),
    ],
)
def test_read_yaml_reads_the_scalars_of_yaml_1_2(text: str, value: Any) -> None:
    read = read_yaml(text)
    assert read == value
    assert type(read) is type(value)


def test_read_yaml_keeps_keys_as_they_are_written() -> None:
    text = "{1: a, 1.0: b, 010: c, no: d, TRUE: e, 2026-01-31: f, '': g, 'null': h}"
    keys = ["1", "1.0", "010", "no", "true", "2026-01-31", "", "null"]
    assert read_yaml(text) == dict(zip(keys, "abcdefgh", strict=True))


def test_read_yaml_merges_mappings_whose_own_keys_win() -> None:
    text = "base: &b {x: 1, y: {z: 1}}\nown: {<<: *b, x: 2}\nagain: {<<: [*b, {w: 3}]}\n"
    values = read_yaml(text)
    assert values["own"] == {"x": 2, "y": {"z": 1}}
    assert values["again"] == {"x": 1, "y": {"z": 1}, "w": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: 2\na: 3",
            "line 3: the key 'a' is already in line 1, and the second value would silently win",
        ),
        ("{true: 1, True: 2}", "line 1: the key 'true' is already in line 1"),
        ("a: {1: x, '1': y}", "the key '1' is already"),
        ("a: 1\n~: 2", 'line 2: a key is empty or null; name it, or put it in quotes: "null"'),
        ("? [a, b]\n: 1", "line 1: a list or mapping cannot be a key; write a text"),
        ("a:\n  - 2026-02-30", "line 2: '2026-02-30' cannot be read as timestamp; if it is text, put it in quotes"),
        ("!!bool maybe", "line 1: 'maybe' cannot be read as bool"),
        ("!!map [a]", "line 1: the value after !!map is not a mapping; remove the tag"),
        ("!!seq {a: b}", "line 1: the value after !!seq is not a list; remove the tag"),
        ("[" * 2_000 + "]" * 2_000, "lists or mappings are nested too deeply; remove levels"),
    ],
)
def test_read_yaml_refuses_what_is_ambiguous_with_the_line(text: str, message: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[1", "a: *b", "&a [*a]", "!!python/name:os.getcwd", "--- a\n--- b", "!!str [a]"])
def test_read_yaml_leaves_other_faults_to_the_caller(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("source: {filter: {seen: no}}", ()),
        ("source:\n  filter:\n    a: {$in: [x, Yes]}", ()),
        ("{filter: {seen: off}}", ("source",)),
        ("{seen: no}", ("source", "filter")),
        ("no", ("source", "filter", "seen")),
        ("[yes]", ("source", "filter", "a", "$in")),
    ],
)
def test_read_yaml_refuses_yes_and_no_in_a_filter(text: str, inside: tuple[str, ...]) -> None:
    with pytest.raises(YamlError, match=r"line \d: source\.filter holds \w+, which may be a boolean or text; write"):
        read_yaml(text, inside)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("source: {filter: {seen: 'no'}}", ()),
        ("source: {filter: {yes: 1}}", ()),  # a name of a field
        ("source: {label_map: {a: no}}", ()),
        ("validation: {filter: {seen: no}}", ()),
        ("no", ("source", "path")),
        ("no", ("validation", "filter")),
        ("[source, filter, no]", ()),
        ("source: [{filter: no}]", ()),
        ("base: &b {filter: {seen: no}}\nsource: {<<: *b, filter: {}}", ()),  # the merged filter is replaced
    ],
)
def test_read_yaml_accepts_yes_and_no_elsewhere(text: str, inside: tuple[str, ...]) -> None:
    read_yaml(text, inside)
