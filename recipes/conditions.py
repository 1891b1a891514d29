"""Conditions on the columns of a row, such as `year < 2010 and main_category in ("Books", "Music")`.

A condition is written in Python's syntax, of which only comparisons with constants or other columns, `and`, `or`
and `not` are allowed. What a column is compared with says how it is read: as text or as a number.
"""

import ast
from collections.abc import Iterator
from typing import Literal

ColumnKind = Literal["text", "number"]
# What every row has besides the slice columns of its source.
LABEL, TEXT_LENGTH = "label", "text_length"
BUILT_IN: dict[str, ColumnKind] = {LABEL: "text", TEXT_LENGTH: "number"}

LONGEST = 1000
_NESTED = ast.Name | ast.List | ast.Tuple
_ALLOWED = "comparisons of columns with text or numbers, `and`, `or`, `not`"


def columns_of(condition: str) -> dict[str, ColumnKind]:
    """The columns that a condition speaks of, and how each is read.

    Raises:
        ValueError: it is no condition, or uses a column as text and as a number; the line names the condition.
    """
    kinds = dict(BUILT_IN)
    named: dict[str, ColumnKind] = {}
    for comparison in _comparisons(parse_condition(condition), condition):
        kind = _kind(comparison, condition)
        for column in _columns(comparison):
            if kinds.setdefault(column, kind) != kind:
                raise ValueError(f"{condition!r} takes {column!r} as {kind}, but it is {kinds[column]}")
            named[column] = kind
    return named


def parse_condition(condition: str) -> ast.expr:
    """The syntax tree of a condition.

    Raises:
        ValueError: it is too long or not in Python's syntax.
    """
    if len(condition) > LONGEST:
        raise ValueError(f"{condition[:40]!r}... has {len(condition)} characters; a condition has {LONGEST} at most")
    try:
        return ast.parse(condition.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{condition!r} cannot be read; it takes {_ALLOWED}, such as `year < 2010`") from error


def _comparisons(node: ast.expr, condition: str) -> Iterator[ast.Compare]:
    match node:
        case ast.BoolOp(values=parts):
            for part in parts:
                yield from _comparisons(part, condition)
        case ast.UnaryOp(op=ast.Not(), operand=part):
            yield from _comparisons(part, condition)
        case ast.Compare():
            yield node
        case _:
            raise ValueError(f"{condition!r} holds {ast.unparse(node)!r}; it takes only {_ALLOWED}")


def _columns(comparison: ast.Compare) -> list[str]:
    return [
        split_name.id for split_name in (comparison.left, *comparison.comparators) if isinstance(split_name, ast.Name)
    ]


def _kind(comparison: ast.Compare, condition: str) -> ColumnKind:
    """Text where a column is compared with text, else number. Text has no order."""
    split_of = (comparison.left, *comparison.comparators)
    kinds = {kind for split_name in split_of for kind in _constant_kinds(split_name, condition)}
    for operator, right in zip(comparison.ops, comparison.comparators, strict=True):
        if isinstance(operator, ast.Is | ast.IsNot):
            raise ValueError(f"{condition!r} compares with `is`; write == or !=")
        if isinstance(operator, ast.In | ast.NotIn) != isinstance(right, ast.List | ast.Tuple):
            raise ValueError(f"{condition!r}: a list goes with `in`, as in `column in (1, 2)`")
        if "text" in kinds and isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            raise ValueError(f"{condition!r} orders text; < and > are for numbers, without quotes")
    if len(kinds) > 1 or not _columns(comparison) or isinstance(comparison.left, ast.List | ast.Tuple):
        raise ValueError(f"{condition!r} holds {ast.unparse(comparison)!r}; compare a column with text or with numbers")
    return kinds.pop() if kinds else "number"


def _constant_kinds(split_name: ast.expr, condition: str) -> Iterator[ColumnKind]:
    """Kinds of the constants on one side of a comparison; a column has none."""
    match split_name:
        case ast.Name():
            return
        case ast.Constant(value=str()):
            yield "text"
        case ast.Constant(value=value) | ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if isinstance(
            value, int | float
        ) and not isinstance(value, bool):
            yield "number"
        case ast.List(elts=parts) | ast.Tuple(elts=parts) if parts and not any(isinstance(x, _NESTED) for x in parts):
            for part in parts:
                yield from _constant_kinds(part, condition)
        case _:
            raise ValueError(f"{condition!r} holds {ast.unparse(split_name)!r}; it takes only {_ALLOWED}")
