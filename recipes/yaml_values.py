"""Read YAML with unique keys, kept as they are written, and with the scalars of YAML 1.2.

PyYAML follows YAML 1.1, in which `no` is false, `12:30` is 750, `010` is 8 and `1e-3` is a string.
"""

import re
import reprlib
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from assay.corpus.errors import AssayError

_TAG = "tag:yaml.org,2002:"
_NULL = f"{_TAG}null"
_BOOL = f"{_TAG}bool"
_RULES = {
    _BOOL: (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    f"{_TAG}int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    f"{_TAG}float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+0123456789.",
    ),
}
_FILTER = ("source", "filter")
_YES_NO = re.compile(r"y|n|yes|no|on|off", re.IGNORECASE)


class YamlError(AssayError):
    """YAML that can be parsed but is ambiguous or has no usable value."""


class _Loader(yaml.SafeLoader):
    """A safe loader with the scalars of YAML 1.2, except timestamps, which follow YAML 1.1."""

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        """Construct a value.

        Raises:
            YamlError: a scalar cannot be converted to the type that its tag or format implies.
        """
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An impossible date, a number with thousands of digits, `!!bool maybe`, `!!float ""`.
            if not isinstance(node, ScalarNode):
                raise
            raise YamlError(
                f"line {node.start_mark.line + 1}: {reprlib.repr(node.value)} cannot be read as "
                f"{node.tag.removeprefix(_TAG)}; if it is text, put it in quotes"
            ) from error


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _RULES]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _tag, (_pattern, _first) in _RULES.items():
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))


def _integer(loader: _Loader, node: ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _mapping(loader: _Loader, node: Node) -> dict[Hashable, Any]:
    """Construct a mapping with its keys as they are written.

    The mapping is returned only when it is complete, so that PyYAML refuses a mapping or list that contains itself.
    """
    if not isinstance(node, MappingNode):
        raise YamlError(f"line {node.start_mark.line + 1}: the value after !!map is not a mapping; remove the tag")
    _check_keys(node)
    loader.flatten_mapping(node)  # merges `<<`; the mapping's own keys come last and win
    return {_key(key): loader.construct_object(value, deep=True) for key, value in node.value}


def _sequence(loader: _Loader, node: Node) -> list[Any]:
    if not isinstance(node, SequenceNode):
        raise YamlError(f"line {node.start_mark.line + 1}: the value after !!seq is not a list; remove the tag")
    return [loader.construct_object(value, deep=True) for value in node.value]


_Loader.add_constructor(f"{_TAG}int", _integer)
_Loader.add_constructor(f"{_TAG}map", _mapping)
_Loader.add_constructor(f"{_TAG}seq", _sequence)


def read_yaml(text: str, inside: Sequence[str] = ()) -> Any:
    """Parse a YAML text.

    Args:
        text: a recipe, or the value of one of its keys.
        inside: path of this key; empty for a recipe.

    Raises:
        yaml.YAMLError: the text is not YAML.
        YamlError: a key is duplicated, empty or not text, a value cannot be read, or a filter holds `yes` or the like.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        values = loader.construct_document(node)
        _check_filters(node, inside)
        return values
    except RecursionError as error:
        raise YamlError("lists or mappings are nested too deeply; remove levels") from error
    finally:
        loader.dispose()


def _check_keys(node: MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        name = _key(key)
        if name in lines and key.tag != f"{_TAG}merge":
            raise YamlError(
                f"line {line}: the key {name!r} is already in line {lines[name]}, and the second value would silently "
                "win; remove one of them"
            )
        lines[name] = line


def _key(node: Node) -> str:
    """Return a key as it is written, but true and false in lower case, as labels of the source are read."""
    line = node.start_mark.line + 1
    if not isinstance(node, ScalarNode):
        raise YamlError(f"line {line}: a list or mapping cannot be a key; write a text")
    if node.tag == _NULL:
        raise YamlError(f'line {line}: a key is empty or null; name it, or put it in quotes: "null"')
    text: str = node.value
    return text.lower() if node.tag == _BOOL else text


def _check_filters(root: Node, inside: Sequence[str]) -> None:
    """Refuse `yes` and `no` in a filter of the source: they are booleans in YAML 1.1 and text in YAML 1.2.

    The nodes are already constructed, so `<<` is merged into them.
    """
    node: Node | None = root
    if tuple(inside[: len(_FILTER)]) != _FILTER[: len(inside)]:
        return
    for name in _FILTER[len(inside) :]:
        node = _children(node).get(name)
    for scalar in _plain_scalars(node):
        if _YES_NO.fullmatch(scalar.value):
            raise YamlError(
                f"line {scalar.start_mark.line + 1}: source.filter holds {scalar.value}, which may be a boolean or "
                f'text; write true or false, or "{scalar.value}" in quotes'
            )


def _children(node: Node | None) -> dict[str, Node]:
    """Return the values of a mapping by key; the mapping's own value wins over one merged by `<<`."""
    if not isinstance(node, MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}


def _plain_scalars(node: Node | None) -> Iterator[ScalarNode]:
    if isinstance(node, ScalarNode) and node.style is None:
        yield node
    for child in node.value if isinstance(node, SequenceNode) else _children(node).values():
        yield from _plain_scalars(child)
