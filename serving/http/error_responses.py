"""Why a request is refused: a status, one line, and a short reason for the metrics."""

from starlette.exceptions import HTTPException


class Refusal(HTTPException):
    """A request that is not answered. `reason` is a label of the metric, `row` the row at fault."""

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
        # Names that a caller made up may hold the ends of lines.
        super().__init__(status, " ".join(detail.splitlines()), headers)
        self.reason = reason
        self.row = row


def overloaded(wait: float) -> Refusal:
    """429: who comes now would wait too long."""
    return Refusal(
        429, f"the server is busy for another {wait:.1f} s; try again then", "overloaded", retry_after=wait + 0.5
    )


def too_late() -> Refusal:
    """504: the time of the request was over before its turn came."""
    return Refusal(504, "the deadline passed before the model was free; try again, or send X-Deadline-Ms", "deadline")


def gone() -> Refusal:
    """The caller hung up: nobody reads this, but the metrics count it (the status is nginx's)."""
    return Refusal(499, "the caller hung up", "gone")


def stopping() -> Refusal:
    """503: the server ends."""
    return Refusal(503, "the server is stopping; ask another one", "stopping", retry_after=1)


def at_row(refusal: Refusal, row: int) -> Refusal:
    """The same refusal for a row that has another number in the request."""
    return Refusal(
        refusal.status_code, refusal.detail.replace(f"row {refusal.row}:", f"row {row}:", 1), refusal.reason, row=row
    )
