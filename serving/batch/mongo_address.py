"""The address `mongo:env:VARIABLE/DATABASE/COLLECTION` of a collection, which keeps passwords off the command line."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from assay.corpus.errors import AssayError
from assay.corpus.extras import install_command
from assay.corpus.sources.extended_json import from_extended
from assay.corpus.sources.mongo import filter_error
from assay.corpus.sources.mongo_connection import MongoQuery, MongoSettingNames

ADDRESS_FORMAT = "mongo:env:VARIABLE/DATABASE/COLLECTION"
_ADDRESS = re.compile(r"mongo:env:(?P<variable>\w+)/(?P<database>[^/]+)/(?P<collection>.+)")


def is_mongo(address: str) -> bool:
    """Return whether the address is that of a MongoDB collection."""
    return address.startswith(("mongo:", "mongodb:", "mongodb+srv:"))


def mongo_query(
    option: str, address: str, filter: Mapping[str, Any], fields: Sequence[str], timeout_s: float
) -> MongoQuery:
    """Return the query that an address stands for.

    Args:
        option: name of the command-line option, for messages.
        address: see `ADDRESS_FORMAT`.
        filter: selects the documents.
        fields: fields to read from each document.
        timeout_s: seconds until an unreachable server is an error.

    Raises:
        AssayError: the address is malformed, its variable is not set, or pymongo is not installed.
    """
    if address.startswith("mongodb"):
        # The message leaves the address out, since it may hold a password.
        raise AssayError(
            f"{option} is an address of MongoDB, and every user of this machine can read command lines; "
            f"put the address into an environment variable, and give {option} {ADDRESS_FORMAT}"
        )
    if not (match := _ADDRESS.fullmatch(address)):
        raise AssayError(f"{option} is {address!r}, which is not the address of a collection; write {ADDRESS_FORMAT}")
    variable = match["variable"]
    if not (uri := os.environ.get(variable, "").strip()):
        raise AssayError(f"{option} is {address}, but {variable} is not set; export {variable}=mongodb://HOST:27017")
    if find_spec("pymongo") is None:
        raise AssayError(f"{option} is {address}, but pymongo is not installed; run {install_command('mongo')}")
    words = MongoSettingNames(variable, "--filter", "--timeout")
    return MongoQuery(uri, match["database"], match["collection"], filter, fields, timeout_s=timeout_s, words=words)


def parse_filter(text: str | None) -> dict[str, Any]:
    """Parse a MongoDB filter in extended JSON, such as `{"when": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}`.

    Raises:
        AssayError: the text is not a JSON object, or holds operators that are not on the allow-list.
    """
    if text is None:
        return {}
    try:
        values = json.loads(text)
    except ValueError as error:
        example = json.dumps({"lang": "de"})
        raise AssayError(f"--filter is {text!r:.200}, which is not JSON: {error}; write it as {example}") from error
    if not isinstance(values, dict):
        raise AssayError(f"--filter is {text!r:.200}; give a JSON object, such as {json.dumps({'lang': 'de'})}")
    return read_filter(values, "--filter")


def read_filter(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read a MongoDB filter in extended JSON that was parsed before.

    Args:
        values: the parsed JSON.
        name: name of the option, for messages.

    Raises:
        AssayError: the extended JSON is invalid, or holds operators that are not on the allow-list.
    """
    try:
        filter = from_extended(values)
    except ValueError as error:
        raise AssayError(f"{name}: {error}") from error
    if not isinstance(filter, dict):
        raise AssayError(f"{name} is a single value, {filter!r:.200}; give it under the name of its field")
    if refusal := filter_error(filter, name):
        raise AssayError(refusal)
    return filter
