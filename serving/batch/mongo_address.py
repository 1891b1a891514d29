"""`mongo:env:VARIABLE/DATABASE/COLLECTION`: a collection without its password on the command line."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from assay.corpus.errors import AssayError
from assay.corpus.sources.extended_json import from_extended
from assay.corpus.sources.mongo import refusal_of
from assay.corpus.sources.mongo_connection import MongoQuery, MongoWords

FORM = "mongo:env:VARIABLE/DATABASE/COLLECTION"
_ADDRESS = re.compile(r"mongo:env:(?P<variable>\w+)/(?P<database>[^/]+)/(?P<collection>.+)")


def is_mongo(address: str) -> bool:
    """Whether a source or target is meant to be a collection."""
    return address.startswith(("mongo:", "mongodb:", "mongodb+srv:"))


def mongo_query(
    option: str, address: str, filter: Mapping[str, Any], fields: Sequence[str], timeout_s: float
) -> MongoQuery:
    """The collection behind an address.

    Args:
        option: what the user calls it, for errors.
        address: see `FORM`.
        filter: of documents.
        fields: what is read of each.
        timeout_s: until an unreachable server is an error.

    Raises:
        AssayError: another layout, the variable is not set, or pymongo is not installed.
    """
    if address.startswith("mongodb"):
        # Not shown: it may hold a password.
        raise AssayError(
            f"{option} is an address of MongoDB, and everybody on this machine sees what is on a command line; "
            f"put it into an environment variable, and give {option} {FORM}"
        )
    if not (match := _ADDRESS.fullmatch(address)):
        raise AssayError(f"{option} is {address!r}; a collection is named by {FORM}")
    variable = match["variable"]
    if not (uri := os.environ.get(variable, "").strip()):
        raise AssayError(f"{option} is {address}, but {variable} is not set; export {variable}=mongodb://HOST:27017")
    if find_spec("pymongo") is None:
        raise AssayError(f"{option} is {address}, but pymongo is not installed; pip install 'assay[mongo]'")
    words = MongoWords(variable, "--filter", "--timeout")
    return MongoQuery(uri, match["database"], match["collection"], filter, fields, timeout_s=timeout_s, words=words)


def parse_filter(text: str | None) -> dict[str, Any]:
    """A filter of MongoDB in extended JSON, such as `{"when": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}`.

    Raises:
        AssayError: not a JSON object, or with operators that are not on the allow-list.
    """
    if text is None:
        return {}
    try:
        values = json.loads(text)
    except ValueError as error:
        raise AssayError(f"--filter is {text!r:.200}, which is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise AssayError(f"--filter is {text!r:.200}; give a JSON object, such as {json.dumps({'lang': 'de'})}")
    return read_filter(values, "--filter")


def read_filter(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The same, where the JSON was read before; `name` is what the user calls it.

    Raises:
        AssayError: its extended JSON cannot be read, or it holds operators that are not on the allow-list.
    """
    try:
        found = from_extended(values)
    except ValueError as error:
        raise AssayError(f"{name}: {error}") from error
    if not isinstance(found, dict):
        raise AssayError(f"{name} is a single value, {found!r:.200}; give it under the name of its field")
    if refusal := refusal_of(found, name):
        raise AssayError(refusal)
    return found
