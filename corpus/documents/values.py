"""Single values of a document, strictly checked: no guesses, and every rejection quotes the value."""

import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from numbers import Integral, Real
from typing import Any, Final

MAX_TEXT_LENGTH = 1_000_000
# Nested objects are read down to this many names, such as data.text.
MAX_NAMES = 3
UNIX_MILLISECONDS = 1e11
_UNIX = re.compile(r"\d{10}(\d{3})?", re.ASCII)
# A larger double is a measurement, not a count; `int` of a decimal may have a million digits.
LARGEST_WHOLE = 10**30


_shortener = reprlib.Repr()
_shortener.maxstring = _shortener.maxother = 100


class _Missing(Enum):
    MISSING = "missing"


MISSING: Final = _Missing.MISSING
"""Value of an absent field, as opposed to null."""


class UnreadableError(ValueError):
    """Error for an unusable value. `str` is `kind: detail`; the kind names the field and is equal for equal faults."""

    def __init__(self, kind: str, detail: Any = None) -> None:
        super().__init__(kind if detail is None else f"{kind}: {_show(detail)}")


def first_of(document: Mapping[str, Any], *names: str) -> Any:
    """Return the value of the first field that has one; null or MISSING where none has.

    Arrow gives each object the fields of all others, null where the object has none of its own.
    """
    values = [value for name in names if (value := get_path(document, name)) is not MISSING]
    return next((value for value in values if value is not None), None if values else MISSING)


def get_path(values: Mapping[str, Any], name: str) -> Any:
    """Return a field; a dotted name that is not a field reaches into nested objects, and into lists by number."""
    if name in values:
        return values[name]
    if "." not in name:
        return MISSING
    node: Any = values
    for part in name.split("."):
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return MISSING
    return node


def named_values(values: Mapping[str, Any], prefix: str = "", depth: int = MAX_NAMES) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a document with their values; those of nested objects by dotted names."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and depth > 1:
            yield from named_values(value, f"{name}.", depth - 1)
        else:
            yield name, value


def plain_text(value: Any, name: str, *, default: str | None = None) -> str:
    """Return a text that is not blank and that any store can hold.

    Args:
        value: the value in the source.
        name: name of the field, for the reason.
        default: result for a value that is missing or null.

    Raises:
        UnreadableError: not text, blank, longer than `MAX_TEXT_LENGTH`, or with NUL characters or lone surrogates.
    """
    if isinstance(value, str) and 0 < len(value) <= MAX_TEXT_LENGTH and value.isascii() and "\0" not in value:
        # Nearly every text takes this branch: it is called millions of times.
        if not value.isspace():
            return value
    elif default is not None and (value is MISSING or value is None):
        return default
    if value is MISSING:
        raise UnreadableError(f"{name} is missing")
    if value is None:
        raise UnreadableError(f"{name} is null")
    if not isinstance(value, str):
        raise UnreadableError(f"{name} is not text", f"{_show(value)} ({type(value).__name__})")
    if not value.strip():
        raise UnreadableError(f"{name} is empty")
    if len(value) > MAX_TEXT_LENGTH:
        raise UnreadableError(f"{name} is too long", f"{len(value)} characters, at most {MAX_TEXT_LENGTH}")
    _check_characters(value, name)
    return value


def is_missing(value: Any) -> bool:
    """Return whether a field is absent, null, or NaN of any numeric type, which tables write for absent values."""
    if value is MISSING or value is None:
        return True
    number = None if isinstance(value, str | int) else _real(value)
    return number is not None and number != number


def whole_number(value: Any) -> int | None:
    """Return a whole number of any numeric type as int: 5, 5.0, `Decimal("5")`, those of numpy and BSON; else None.

    Texts and booleans are not numbers.
    """
    if type(value) is int:
        return value
    number = _real(value)
    if number is None or not -LARGEST_WHOLE <= number <= LARGEST_WHOLE:
        return None
    whole = int(number)
    return whole if whole == number else None


def class_label(value: Any, name: str, names: Mapping[str, str], used: set[str] | None = None) -> str:
    """Return a class: a text, whole number (5.0 is 5) or boolean (`true`, `false`), renamed by `names`.

    A whole number matches the key `"5"` or `"5.0"`.

    Args:
        value: the value in the source.
        name: name of the field, for the reason.
        names: new names of classes.
        used: receives the key of `names` that renamed the class.

    Raises:
        UnreadableError: missing, null, blank or of another type.
    """
    keys: tuple[str, ...] = ()
    if isinstance(value, bool):
        value = str(value).lower()
    elif not isinstance(value, str) and (number := whole_number(value)) is not None:
        value = str(number)
        keys = (value, f"{value}.0")
    label = plain_text(value, name)
    key = next((key for key in keys or (label,) if key in names), None)
    if key is None:
        return label
    if used is not None:
        used.add(key)
    return names[key]


def folded(label: str) -> str:
    """Return a label in lower case, with single spaces between its words and none at its edges."""
    return " ".join(label.split()).lower()


def column(value: Any, name: str) -> str | None:
    """Return a value to group by, as text; None if missing, null, NaN or empty. 5 and 5.0 are the same value.

    Raises:
        UnreadableError: a list or an object.
    """
    if isinstance(value, str):
        _check_characters(value, name)
        return value or None
    if is_missing(value):
        return None
    if isinstance(value, Mapping | list | tuple):
        raise UnreadableError(f"{name} is not a single value", value)
    if isinstance(value, bool):
        return str(value).lower()
    whole = whole_number(value)
    text = str(value if whole is None else whole) if not isinstance(value, datetime) else value.isoformat()
    _check_characters(text, name)
    return text


def row_id(value: Any, name: str) -> str:
    """Return an id as text. Id types of databases (ObjectId, UUID, bytes) are supported.

    Raises:
        UnreadableError: missing, null, NaN, blank or a list.
    """
    if value is MISSING or value is None:
        raise UnreadableError(f"{name} is {'missing' if value is MISSING else 'null'}")
    text = value.hex() if isinstance(value, bytes) else column(value, name)
    return plain_text(text, name)


def iso_time(value: Any, name: str) -> str | None:
    """Return a time in ISO 8601 that sorts as text, in UTC if it has an offset; None if missing or null.

    A date becomes its midnight. A number, or a text of 10 or 13 digits, is a Unix time.

    Raises:
        UnreadableError: neither a time nor ISO 8601.
    """
    if is_missing(value) or value == "":
        return None
    number = float(value) if isinstance(value, str) and _UNIX.fullmatch(value) else _real(value)
    if number is not None:
        return _unix_time(number, value, name).isoformat()
    if isinstance(value, date) and not isinstance(value, datetime):  # a DATE column of Parquet
        value = datetime(value.year, value.month, value.day)
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (time.astimezone(UTC) if time.tzinfo else time).isoformat()
    except (TypeError, ValueError, OverflowError):  # the last hours of the year 9999 may be beyond it in UTC
        raise UnreadableError(f"{name} is not a time in ISO 8601", value) from None


def year(value: Any, name: str) -> str | None:
    """Return the year of an ISO 8601 or Unix time; None if missing or null.

    A Unix time from 10^11 on is in milliseconds: as seconds it would be after the year 5138.

    Raises:
            UnreadableError: not a time, or outside the calendar.
    """
    number = _real(value)
    if number is None:
        time = iso_time(value, name)
        return time and time[:4]
    return str(_unix_time(number, value, name).year)


def _unix_time(number: int | float | Decimal, value: Any, name: str) -> datetime:
    try:
        seconds = float(number) / (1 if -UNIX_MILLISECONDS < number < UNIX_MILLISECONDS else 1000)
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise UnreadableError(f"{name} is not a Unix time", value) from None


def _real(value: Any) -> int | float | Decimal | None:
    """Return a value of any numeric type as a number; None for other types."""
    if hasattr(value, "to_decimal"):  # Decimal128 of BSON
        value = value.to_decimal()
    if isinstance(value, Decimal) and not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if isinstance(value, int | float | Decimal):
        return None if isinstance(value, bool) else value
    if isinstance(value, Integral):  # numpy
        return int(value)
    return float(value) if isinstance(value, Real) else None


def _show(value: Any) -> str:
    """Return a short form of any value: `repr` itself fails on lists nested some hundred times."""
    if isinstance(value, str):
        return value if len(value) <= 200 else value[:200] + "…"
    return _shortener.repr(value)


def _check_characters(text: str, name: str) -> None:
    if "\0" in text:
        raise UnreadableError(f"{name} holds a NUL character", f"at {text.index(chr(0))}")
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableError(f"{name} is not valid Unicode", f"lone surrogate at {error.start}") from None
