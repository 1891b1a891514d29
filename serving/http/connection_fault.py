"""Faults of requests that end their connection, since what follows on it cannot be told from the request."""

from enum import Enum

from pydantic_core import to_json


class ConnectionFault(Enum):
    """A fault: the status line of its response, and the message with the remedy."""

    INVALID = (b"400 Bad Request", "the request is not valid HTTP; send it again by an HTTP client")
    SLOW = (b"408 Request Timeout", "the headers came too slowly; send the request again")
    LARGE_BODY = (b"413 Content Too Large", "the body is too large; send less per request")
    LARGE_HEADERS = (b"431 Request Header Fields Too Large", "the headers are too large; send less in them")

    def response(self) -> bytes:
        """Return the response as it is sent, which closes the connection."""
        status, message = self.value
        body = to_json({"error": message})
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        return b"HTTP/1.1 " + status + b"\r\n" + head + body
