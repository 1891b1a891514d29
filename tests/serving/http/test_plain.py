"""What is read without a parser, and what is left to one."""

import pytest

from assay.serving.http.plain import path_of_plain_post

BODY = b'{"text": "good"}'
LENGTH = b"Content-Length: 16"


def request(*headers: bytes, first: bytes = b"POST /predict HTTP/1.1", body: bytes = BODY) -> bytes:
    return b"\r\n".join([first, b"Host: 127.0.0.1", *headers, b"", body])


def test_a_whole_post_is_read() -> None:
    assert path_of_plain_post(request(LENGTH)) == b"/predict"
    assert path_of_plain_post(request(b"content-length:16", b"Accept: */*", b"X-Note: \xfc")) == b"/predict"
    assert path_of_plain_post(request(LENGTH, first=b"POST /v2/models/a/infer?x=1 HTTP/1.1")) == (
        b"/v2/models/a/infer?x=1"
    )


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request(LENGTH)[:-1], id="body incomplete"),
        pytest.param(request(LENGTH) + b"P", id="next request follows"),
        pytest.param(request(LENGTH)[:40], id="headers incomplete"),
        pytest.param(request(), id="no length"),
        pytest.param(request(LENGTH, LENGTH), id="length twice"),
        pytest.param(request(LENGTH, b"Content-Length : 15"), id="length twice, once oddly"),
        pytest.param(request(b"Content-Length: +16"), id="length is no number"),
        pytest.param(request(b"Content-Length: 16\x00"), id="control character"),
        pytest.param(request(LENGTH, b"Transfer-Encoding: chunked"), id="chunked"),
        pytest.param(request(LENGTH, b"transfer-encoding:chunked"), id="chunked, lower case"),
        pytest.param(request(LENGTH, b"Connection: close"), id="last of its connection"),
        pytest.param(request(LENGTH, b"Upgrade: h2c"), id="another protocol"),
        pytest.param(request(LENGTH, b"Expect: 100-continue"), id="waits for a word"),
        pytest.param(request(LENGTH, b"X-Deadline-Ms: 500"), id="deadline of its own"),
        pytest.param(request(LENGTH, b" folded: line"), id="folded header"),
        pytest.param(request(LENGTH, first=b"GET /predict HTTP/1.1"), id="GET"),
        pytest.param(request(LENGTH, first=b"POST /predict HTTP/1.0"), id="HTTP 1.0"),
        pytest.param(request(LENGTH, first=b"POST http://a/predict HTTP/1.1"), id="address of a proxy"),
        pytest.param(request(LENGTH).replace(b"\r\n", b"\n"), id="bare line feeds"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_all_else_is_left_to_the_parser(data: bytes) -> None:
    assert path_of_plain_post(data) is None
