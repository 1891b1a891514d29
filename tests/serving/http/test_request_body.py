import asyncio
import gzip
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from starlette.types import Message

from assay.serving.bundle import Bundle
from assay.serving.http.client_connection import CLIENT_CONNECTION, ClientConnection
from assay.serving.http.error_responses import Refusal
from assay.serving.http.request_body import content_type_of, read_body
from assay.serving.http.server_settings import Limits
from tests.serving.http.conftest import Serve

JSON = {"Content-Type": "application/json"}
LIMITS = Limits(body=10, body_seconds=0.05)


class Sender:
    """A client that sends the parts of a body, and then nothing more or a disconnect."""

    def __init__(self, parts: Iterable[bytes], *, ends: bool = True, disconnects: bool = False) -> None:
        self.parts = list(parts)
        self.sent = 0
        self._ends = ends
        self._disconnects = disconnects

    async def __call__(self) -> Message:
        if self.sent < len(self.parts):
            self.sent += 1
            more = self.sent < len(self.parts) or not self._ends
            return {"type": "http.request", "body": self.parts[self.sent - 1], "more_body": more}
        if self._disconnects:
            return {"type": "http.disconnect"}
        await asyncio.sleep(5)
        raise AssertionError("the body was awaited for ever")


def request(sender: Sender, /, state: dict[str, Any] | None = None, **headers: Any) -> Request:
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": lines, "state": state or {}}
    return Request(scope, sender)


def read(*parts: bytes, limits: Limits = LIMITS, types: tuple[str, ...] = (), **headers: Any) -> bytes:
    return asyncio.run(read_body(request(Sender(parts or (b"",)), **headers), limits, types))


def refusal(sender: Sender, limits: Limits = LIMITS, types: tuple[str, ...] = (), **headers: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        asyncio.run(read_body(request(sender, **headers), limits, types))
    return caught.value


@pytest.mark.parametrize(
    ("header", "content_type"),
    [
        ("application/json", "application/json"),
        (" Application/JSON ; charset=utf-8", "application/json"),
        ("", ""),
        (";charset=utf-8", ""),
    ],
)
def test_content_type_of_is_without_case_and_parameters(header: str, content_type: str) -> None:
    assert content_type_of(request(Sender([]), content_type=header)) == content_type


def test_content_type_of_a_request_without_the_header_is_empty() -> None:
    assert content_type_of(request(Sender([]))) == ""


def test_read_body_joins_the_parts_up_to_the_limit() -> None:
    assert read(b"01234", b"", b"56789") == b"0123456789"
    assert read(content_length="10") == b""


def test_read_body_stops_at_the_part_that_exceeds_the_limit() -> None:
    sender = Sender([b"01234", b"567890", b"never asked for"])
    refused = refusal(sender)
    assert (refused.status_code, refused.reason) == (413, "too_large")
    assert sender.sent == 2


@pytest.mark.parametrize("length", ["11", "9" * 400])
def test_read_body_believes_a_length_above_the_limit_and_reads_nothing(length: str) -> None:
    sender = Sender([b"short"])
    assert refusal(sender, content_length=length).status_code == 413
    assert sender.sent == 0


@pytest.mark.parametrize("length", ["", "-11", "soon", "1e9"])
def test_read_body_counts_bytes_where_the_length_is_no_number(length: str) -> None:
    assert read(b"0123456789", content_length=length) == b"0123456789"
    assert refusal(Sender([b"0123456789a"]), content_length=length).status_code == 413


def test_read_body_refuses_a_body_that_is_not_sent_in_time() -> None:
    refused = refusal(Sender([b"01"], ends=False))
    assert (refused.status_code, refused.reason, refused.detail) == (
        408, "slow", "the body was not sent within 0.05 s"
    )  # fmt: skip


def test_read_body_of_a_connection_that_has_received_it_has_no_timeout() -> None:
    class Late(Sender):
        async def __call__(self) -> Message:
            await asyncio.sleep(2 * LIMITS.body_seconds)
            return await super().__call__()

    received = request(Late([b"01"]), {CLIENT_CONNECTION: ClientConnection()})
    assert asyncio.run(read_body(received, LIMITS)) == b"01"
    assert refusal(Late([b"01"])).status_code == 408


def test_read_body_reports_a_client_that_disconnects() -> None:
    refused = refusal(Sender([b"01"], ends=False, disconnects=True))
    assert (refused.status_code, refused.reason) == (499, "gone")


def test_read_body_unpacks_a_compressed_body_within_the_same_limit() -> None:
    packed = gzip.compress(b"0123456789", mtime=0)
    limits = Limits(body=len(packed))
    assert read(packed, limits=limits, content_encoding="gzip") == b"0123456789"
    bomb = gzip.compress(b"0" * 1_000, mtime=0)
    assert refusal(Sender([bomb]), Limits(body=len(bomb)), content_encoding="gzip").status_code == 413
    assert read(packed, limits=limits) == packed


@pytest.mark.parametrize(
    ("types", "sent", "known"),
    [
        ((), "text/plain", "application/json"),
        (("application/json", ""), "text/csv", "application/json"),
        (("application/json", "text/csv"), "", "application/json, text/csv"),
        (("application/json", "text/csv"), "application/xml; charset=utf-8", "application/json, text/csv"),
        (("",), "application/json", "application/json"),
    ],
)
def test_read_body_names_the_content_types_that_it_accepts(types: tuple[str, ...], sent: str, known: str) -> None:
    sender = Sender([b"{}"])
    refused = refusal(sender, types=types, content_type=sent)
    assert (refused.status_code, refused.reason) == (415, "invalid")
    assert refused.detail == f"Content-Type is {sent.partition(';')[0]!r}; send {known}"
    assert sender.sent == 0


@pytest.mark.parametrize(
    ("types", "sent"), [((), "application/octet-stream"), ((), ""), (("", "text/csv"), ""), (("text/csv",), "TEXT/CSV")]
)
def test_read_body_accepts_a_content_type(types: tuple[str, ...], sent: str) -> None:
    assert read(b"{}", types=types, content_type=sent) == b"{}"


def test_read_body_shortens_a_long_content_type() -> None:
    assert refusal(Sender([]), types=("a/b",), content_type="x" * 500).detail == (
        f"Content-Type is {'x' * 80!r}; send a/b"
    )


def test_read_body_refuses_a_large_body_before_it_is_read(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, body=1000)
    response = client.post("/predict", content=b" " * 1001, headers=JSON)
    assert (response.status_code, response.json()["error"]) == (
        413, "the body is larger than 1000 bytes; send less per request"
    )  # fmt: skip

    def unannounced() -> Iterator[bytes]:
        yield from [b" " * 100] * 11

    assert client.post("/predict", content=unannounced(), headers=JSON).status_code == 413
    assert client.post("/predict", content=json.dumps({"text": "x" * 980}), headers=JSON).status_code == 200


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
def test_read_body_refuses_content_types_of_forms(client: TestClient, kind: str) -> None:
    response = client.post("/predict", content=b'{"text": "good"}', headers={"Content-Type": kind})
    error = f"Content-Type is {kind.partition(';')[0]!r}; send application/json"
    assert (response.status_code, response.json()["error"]) == (415, error)
