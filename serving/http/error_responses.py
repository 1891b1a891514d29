"""Error responses: a status, a message of one line, and a short reason for the metrics."""

from starlette.exceptions import HTTPException


class Refusal(HTTPException):
    """A refused request. `reason` is a label of the metric, `row` is the number of the faulty row."""

    def __init__(
        self,
        status: int,
        detail: str,
        reason: str,
        *,
        row: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        headers = {"Retry-After": str(max(1, round(retry_after)))} if retry_after is not None else None
        # Names that a client sends may contain line breaks.
        super().__init__(status, " ".join(detail.splitlines()), headers)
        self.reason = reason
        self.row = row


def overloaded(wait: float) -> Refusal:
    """Return the 429 for a request that would wait too long."""
    return Refusal(
        429, f"the server is busy for another {wait:.1f} s; try again then", "overloaded", retry_after=wait + 0.5
    )


def deadline_exceeded() -> Refusal:
    """Return the 504 for a request whose deadline passed before its rows were selected for a batch."""
    return Refusal(504, "the deadline passed before the model was free; try again, or send X-Deadline-Ms", "deadline")


def too_large(limit: int) -> Refusal:
    """Return the 413 for a body of more bytes than the limit."""
    return Refusal(413, f"the body is larger than {limit} bytes; send less per request", "too_large")


def client_disconnected() -> Refusal:
    """Return the refusal that the metrics count when a client disconnects; 499 is the status that nginx uses."""
    return Refusal(499, "the client disconnected", "gone")


def stopping() -> Refusal:
    """Return the 503 of a server that is stopping."""
    return Refusal(503, "the server is stopping; send the request to another replica", "stopping", retry_after=1)


def with_row(refusal: Refusal, row: int) -> Refusal:
    """Return the same refusal with another row number."""
    return Refusal(
        refusal.status_code, refusal.detail.replace(f"row {refusal.row}:", f"row {row}:", 1), refusal.reason, row=row
    )
