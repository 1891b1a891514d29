"""Bodies that a client has compressed, unpacked within the limit on their size."""

import zlib

from assay.serving.http import error_responses as errors

CODINGS = ("gzip", "deflate")
_GZIP = 16 + zlib.MAX_WBITS
_MEMBERS = 64  # each one copies the rest of the body
# RFC 9110 means zlib by "deflate", and some clients send a bare deflate stream.
_DEFLATE = (zlib.MAX_WBITS, -zlib.MAX_WBITS)


def decompress(body: bytes, coding: str, limit: int) -> bytes:
    """Return the content of a compressed body.

    Args:
        body: compressed bytes.
        coding: value of the header Content-Encoding.
        limit: maximum number of bytes of the content.

    Raises:
        Refusal: 400 the body is damaged, 413 its content is too large, 415 the coding is unknown.
    """
    name = coding.strip().lower()
    name = "gzip" if name == "x-gzip" else name  # its old name (RFC 9110, section 8.4.1.3)
    if name in ("", "identity"):
        return body
    if name not in CODINGS:
        raise errors.Refusal(
            415, f"Content-Encoding is {coding[:40]!r}; send {' or '.join(CODINGS)}, or no coding", "invalid"
        )
    try:
        return _gunzip(body, limit) if name == "gzip" else _inflate(body, limit)
    except zlib.error:
        raise errors.Refusal(
            400, f"the body is not {name}, as Content-Encoding says; send it again", "invalid"
        ) from None


def _gunzip(body: bytes, limit: int) -> bytes:
    """Unpack the members of a gzip file, which programs write that append to it."""
    content = b""
    for _ in range(_MEMBERS):
        member, body = _unpack(body, _GZIP, limit, len(content))
        content += member
        if not body:
            return content
    raise zlib.error("there are too many members")


def _inflate(body: bytes, limit: int) -> bytes:
    zlib_bits, raw_bits = _DEFLATE
    try:
        content, rest = _unpack(body, zlib_bits, limit)
    except zlib.error:
        content, rest = _unpack(body, raw_bits, limit)
    if rest:
        raise zlib.error("there are bytes behind the stream")
    return content


def _unpack(body: bytes, window_bits: int, limit: int, before: int = 0) -> tuple[bytes, bytes]:
    """Unpack one stream after a number of bytes, and return its content and the bytes behind it."""
    unpacker = zlib.decompressobj(window_bits)
    # One byte more than the limit shows that there are more.
    content = unpacker.decompress(body, limit - before + 1)
    if before + len(content) > limit:
        raise errors.too_large(limit)
    if not unpacker.eof:
        raise zlib.error("the stream is incomplete")
    return content, unpacker.unused_data
