"""Conditions on the columns of a row, such as `year < 2010 and main_category in ("Books", "Music")`.

A condition is written in Python's syntax. Only comparisons with constants or other columns, `and`, `or` and `not` are
allowed. A column is read as text or as a number, depending on what it is compared with.
"""

import ast
from collections.abc import Iterator
from typing import Literal

ColumnKind = Literal["text", "number"]
# Columns that every row has in addition to the slice columns of its source.
LABEL, TEXT_LENGTH = "label", "text_length"
BUILT_IN: dict[str, ColumnKind] = {LABEL: "text", TEXT_LENGTH: "number"}

LONGEST = 1000
_NESTED = ast.Name | ast.List | ast.Tuple
_ALLOWED = "comparisons of columns with text or numbers, `and`, `or`, `not`"


def columns_of(condition: str) -> dict[str, ColumnKind]:
    """Return the columns of a condition, and whether each is read as text or as a number.

    Raises:
        ValueError: it is not a condition, or uses a column both as text and as a number; the error quotes it.
    """
    kinds = dict(BUILT_IN)
    columns: dict[str, ColumnKind] = {}
    for comparison in _comparisons(parse_condition(condition), condition):
        kind = _kind(comparison, condition)
        for column in _columns(comparison):
            if kinds.setdefault(column, kind) != kind:
                raise ValueError(f"{condition!r} takes {column!r} as {kind}, but it is {kinds[column]}")
            columns[column] = kind
    return columns


def parse_condition(condition: str) -> ast.expr:
    """Return the syntax tree of a condition.

    Raises:
        ValueError: it is too long, or is not valid Python syntax.
    """
    if len(condition) > LONGEST:
        raise ValueError(f"{condition[:40]!r}... has {len(condition)} characters; shorten it to {LONGEST} at most")
    try:
        return ast.parse(condition.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{condition!r} cannot be parsed; write {_ALLOWED}, such as `year < 2010`") from error


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
            raise ValueError(f"{condition!r} holds {ast.unparse(node)!r}; only {_ALLOWED} are allowed")


def _columns(comparison: ast.Compare) -> list[str]:
    return [operand.id for operand in _operands(comparison) if isinstance(operand, ast.Name)]


def _operands(comparison: ast.Compare) -> tuple[ast.expr, ...]:
    return comparison.left, *comparison.comparators


def _kind(comparison: ast.Compare, condition: str) -> ColumnKind:
    """Return text if a column is compared with text, else number. Text has no order."""
    kinds = {kind for operand in _operands(comparison) for kind in _constant_kinds(operand, condition)}
    for operator, right in zip(comparison.ops, comparison.comparators, strict=True):
        if isinstance(operator, ast.Is | ast.IsNot):
            raise ValueError(f"{condition!r} compares with `is`; write == or !=")
        if isinstance(operator, ast.In | ast.NotIn) != isinstance(right, ast.List | ast.Tuple):
            raise ValueError(f"{condition!r}: `in` needs a list, and a list needs `in`, as in `column in (1, 2)`")
        if "text" in kinds and isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
            raise ValueError(f"{condition!r} orders text; use < and > only with numbers, without quotes")
    if len(kinds) > 1 or not _columns(comparison) or isinstance(comparison.left, ast.List | ast.Tuple):
        raise ValueError(f"{condition!r} holds {ast.unparse(comparison)!r}; compare a column with text or with numbers")
    return kinds.pop() if kinds else "number"


def _constant_kinds(operand: ast.expr, condition: str) -> Iterator[ColumnKind]:
    """Yield the kinds of the constants in an operand of a comparison; a column has none."""
    match operand:
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
            raise ValueError(f"{condition!r} holds {ast.unparse(operand)!r}; only {_ALLOWED} are allowed")
