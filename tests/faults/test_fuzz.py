"""Unexpected requests and bytes: a response, or a 4xx that names the fault; the server never fails."""

import json
from collections.abc import Iterator
from pathlib import Path
from re import Pattern
from typing import Any

import pytest
import schemathesis
from bson import Code, DBRef, Regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from starlette.testclient import TestClient

from assay.corpus.cleaning import Cleaning
from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat, Fields
from assay.corpus.documents.raw_document import Document
from assay.corpus.errors import AssayError
from assay.corpus.sources.extended_json import VALUES
from assay.corpus.sources.files import iter_rows
from assay.corpus.sources.mongo import ALLOWED_OPERATORS, refused_operators
from assay.serving.batch.mongo_address import read_filter
from assay.serving.bundle import Bundle
from assay.serving.encoding import TextEncoder
from assay.serving.graph_check import check_graph
from assay.serving.http.app import make_app
from assay.serving.http.openapi import document
from tests.bundles import build_bundle
from tests.faults.counts import LONG, check_line, count, many
from tests.serving.http.conftest import LOCAL, make_parts

DECODERS = many(300, 17_000)  # for each of six
REQUESTS = many(20, 2_500)  # for each operation of the document, as told and not as told; making them takes long
ANY_REQUESTS = many(300, 100_000)
often = settings(max_examples=DECODERS, suppress_health_check=list(HealthCheck), deadline=None, database=None)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("toy"), {"good": "up", "bad": "down"}, {"Apple": "ORG"})


@pytest.fixture(scope="module")
def client(bundle: Bundle) -> Iterator[TestClient]:
    """Return a client of the server, with queues that a fuzzer cannot fill."""
    parts = make_parts(bundle, deadline=60.0)
    with TestClient(make_app(*parts), base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


SCHEMA = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))
OPERATIONS: list[Any] = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
# Making requests of a document takes long, so that the normal suite does it for one operation.
TRIED = OPERATIONS if LONG else [operation for operation in OPERATIONS if operation.path == "/predict"]
NAMES = [f"{operation.method.upper()} {operation.path}" for operation in TRIED]


POSTS = ["/predict", "/v2/models/toy/infer", "/invocations"]
WORDS = ["text", "texts", "rows", "text_pair", "inputs", "instances", "dataframe_split", "dataframe_records", "columns"]
WORDS += ["data", "name", "shape", "datatype", "outputs", "id", "parameters", "BYTES", "good"]
FORMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)
BODIES = FORMS.map(lambda value: json.dumps(value).encode())


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as told", "not as told"])
@pytest.mark.parametrize("operation", TRIED, ids=NAMES)
def test_server_survives_requests_generated_from_its_openapi(
    client: TestClient, operation: Any, mode: GenerationMode
) -> None:
    tried = 0
    examples = REQUESTS if operation.method == "post" else max(1, REQUESTS // 20)

    @settings(max_examples=examples, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(case=operation.as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        nonlocal tried
        tried += 1
        sent = as_sent(case)
        response = client.request(**sent)
        # who asks for an answer within a millisecond may be told that it has passed
        hurried = response.status_code == 504 and "x-deadline-ms" in map(str.lower, sent["headers"])
        assert response.status_code < 500 or hurried, response.text
        if response.status_code >= 400 and operation.method == "post":
            assert "\n" not in response.json()["error"]

    try:
        send()
    except Unsatisfiable:
        pytest.skip("nothing of it can be told wrongly")
    count("requests that the OpenAPI document allows or forbids (schemathesis)", tried, "requests, no 5xx")


@settings(max_examples=ANY_REQUESTS, suppress_health_check=list(HealthCheck), deadline=None, database=None)
@given(path=st.sampled_from(POSTS), body=st.binary(max_size=80) | BODIES)
def test_server_survives_requests_of_any_bytes(client: TestClient, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (200, 400, 404, 413, 422), response.text
    assert response.status_code == 200 or "\n" not in response.json()["error"]


def test_server_fuzzing_counts_requests() -> None:
    count("requests of random bytes and of JSON of any form (hypothesis)", ANY_REQUESTS, "requests, no 5xx")


def as_sent(case: Any) -> dict[str, Any]:
    """Return the request for the test client, without header values that no HTTP client can send."""
    words = case.as_transport_kwargs(base_url=LOCAL)
    names = ("method", "url", "headers", "params", "data", "json")
    sent = {name: words[name] for name in names if words.get(name) is not None}
    if "data" in sent:
        sent["content"] = sent.pop("data")
    sent["headers"] = {name: value for name, value in sent.get("headers", {}).items() if value.isprintable()}
    return sent


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
LINES = st.one_of(
    st.binary(max_size=80),
    ANYTHING.map(lambda value: json.dumps(value).encode()),
    ANYTHING.map(lambda value: json.dumps(value).encode()[:-1]),
)


@often
@given(lines=st.lists(LINES, max_size=5))
def test_file_reader_survives_any_line(tmp_path: Path, lines: list[bytes]) -> None:
    for suffix in (".jsonl", ".csv", ".tsv", ".json", ".conll", ".bson", ".txt"):
        path = tmp_path / f"rows{suffix}"
        path.write_bytes(b"\n".join(lines))
        try:
            list(iter_rows(path))
        except AssayError as error:
            check_line(error)


ROWS = DocumentFormat(
    fields=Fields(
        label="label", entities="entities", time="time", group="group", split="split", slices={"year": "time:year"}
    )
)
READER = DocumentReader(ROWS, needs_label=True, needs_entities=True)
KEYS = st.sampled_from(["text", "label", "entities", "time", "group", "split", "id", "_id", "start", "end", "value"])
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(), inner, max_size=4),
    max_leaves=12,
)


@often
@given(values=st.dictionaries(KEYS, NESTED, max_size=8))
def test_document_reader_returns_rows_or_rejects(values: dict[str, Any]) -> None:
    rows, rejects = READER.read(Document("1", values))
    assert len(rows) + len(rejects) == 1
    assert all(reason for _, reason, _ in rejects)


PARSE_KEYS = st.sampled_from(["Text", "Entities", "sentiment", "isRepost", "text", "start", "end", "label"])
PARSED = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.floats() | st.text(max_size=6) | st.sampled_from(["a b", "up"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARSE_KEYS, inner, max_size=5),
    max_leaves=14,
)
SENTENCES = st.fixed_dictionaries(
    {"Text": st.text(max_size=9) | PARSED, "sentiment": st.sampled_from(["up", "down"]) | PARSED},
    optional={"Entities": st.lists(st.dictionaries(PARSE_KEYS, PARSED, max_size=4), max_size=3) | PARSED},
)


@often
@given(values=st.fixed_dictionaries({"Parse": st.lists(SENTENCES | PARSED, max_size=4) | PARSED, "isRepost": PARSED}))
def test_document_reader_fast_path_equals_the_slow_path(values: dict[str, Any]) -> None:
    quick = DocumentReader(DocumentFormat(format="parse"), needs_label=True, needs_entities=True)
    slow = DocumentReader(DocumentFormat(format="parse"), needs_label=True, needs_entities=True)
    slow._plain = None
    assert repr(quick.read(Document("1", values))) == repr(slow.read(Document("1", values)))


@often
@given(data=st.binary(max_size=300), at=st.integers(0, 2_000), flipped=st.integers(1, 255))
def test_graph_check_survives_any_graph(bundle: Bundle, data: bytes, at: int, flipped: int) -> None:
    whole = bytearray(bundle.model_path.read_bytes())
    whole[at % len(whole)] ^= flipped
    for model in (data, bytes(whole), bytes(whole[: at % len(whole)])):
        try:
            check_graph(model, Path("model.onnx"))
        except AssayError as error:
            check_line(error)


@often
@given(text=st.text(max_size=200), pair=st.none() | st.text(max_size=50))
def test_engine_offsets_refer_to_the_raw_text(bundle: Bundle, text: str, pair: str | None) -> None:
    encoder = TextEncoder.from_file(bundle.tokenizer_path, 16, Cleaning())
    (encoded,) = encoder.encode([text], [pair])
    assert all(0 <= unit.start <= unit.end <= len(text) for unit in encoded.words)


NO_VALUES = ["$ref", "$id", "$code", "$regularExpression", "$options", "$symbol", "$dbPointer"]
OPERATORS = st.sampled_from(
    [
        "$where",
        "$function",
        "$expr",
        "$regex",
        "$gt",
        "$in",
        "$eq",
        "$or",
        "a",
        "$jsonSchema",
        *sorted(VALUES),
        *NO_VALUES,
    ]
)


@often
@given(
    filter_=st.recursive(st.text() | st.integers(), lambda inner: st.dictionaries(OPERATORS, inner) | st.lists(inner))
)
def test_mongo_filter_passes_only_allowed_operators(filter_: Any) -> None:
    left = {key for key in keys_of(filter_) if key.startswith("$")} - ALLOWED_OPERATORS
    assert set(refused_operators(filter_)) == left
    # Nor does what pymongo's reader of extended JSON makes of others.
    if isinstance(filter_, dict):
        try:
            found = read_filter(filter_, "--filter")
        except AssayError as error:
            check_line(error)
        else:
            assert not set(keys_of(found)) - ALLOWED_OPERATORS - {"a"}
            assert not any(isinstance(value, Code | DBRef | Pattern | Regex) for value in values_of(found))


def test_decoder_fuzzing_counts_inputs() -> None:
    count("random bytes, documents, graphs, texts and filters into the decoders (hypothesis)", 6 * DECODERS, "inputs")


def values_of(value: Any) -> Iterator[Any]:
    """Yield all nested values."""
    yield value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from values_of(inner)


def keys_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)
