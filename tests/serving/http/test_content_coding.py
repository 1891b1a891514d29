import gzip
import json
import zlib

import pytest
from starlette.testclient import TestClient

from assay.serving.bundle import Bundle
from tests.serving.http.conftest import Serve

BODY = json.dumps({"text": "good"}).encode()


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def packed(content: bytes) -> bytes:
    """Compress with the same bytes each time: the time in a gzip header would change the names of tests."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", packed(BODY)),
        ("GZIP", packed(BODY[:5]) + packed(BODY[5:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("x-gzip", packed(BODY)),
        ("identity", BODY),
    ],
)
def test_decompress_reads_each_coding(client: TestClient, coding: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = client.post("/predict", content=body, headers=headers)
    assert (response.status_code, response.json()["predictions"][0]["label"]) == (200, "up")


@pytest.mark.parametrize(
    ("coding", "body", "status", "error"),
    [
        ("br", BODY, 415, "Content-Encoding is 'br'; send gzip or deflate, or no coding"),
        ("gzip", BODY, 400, "the body is not gzip, as Content-Encoding says; send it again"),
        (
            "gzip",
            packed(BODY)[:-9],
            400,
            "the body is not gzip, as Content-Encoding says; send it again",
        ),
        *(
            (coding, body + b"xx", 400, f"the body is not {coding}, as Content-Encoding says; send it again")
            for coding, body in (
                ("gzip", packed(BODY)),
                ("deflate", zlib.compress(BODY)),
                ("deflate", raw_deflate(BODY)),
            )
        ),
        ("deflate", b"", 400, "the body is not deflate, as Content-Encoding says; send it again"),
        ("gzip", packed(b" " * 1401), 413, "the body is larger than 1400 bytes; send less per request"),
        (
            "gzip",
            packed(b"") * 65,
            400,
            "the body is not gzip, as Content-Encoding says; send it again",
        ),
        (
            "gzip",
            packed(b" " * 800) * 2,
            413,
            "the body is larger than 1400 bytes; send less per request",
        ),
    ],
)
def test_decompress_refuses_other_codings_damage_and_large_contents(
    serve: Serve, toy: Bundle, coding: str, body: bytes, status: int, error: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = serve(toy, body=1400).post("/predict", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (status, error)
