"""What a batch costs: seconds = per_token * (tokens + overhead_tokens)."""

_FORGET = 0.98  # weight of a batch against the next one: about the last fifty count
_LEAST_OVERHEAD = 1.0  # tokens; a batch always costs something, whatever noise says


class BatchCost:
    """How fast a model is now, the latest batches counting most, and what a batch costs beside its tokens.

    `per_token` are seconds a token (padding counted), `rows` those of a usual batch, `tokens_a_row` those of a usual
    row. `overhead_tokens`, the tokens that take as long as one batch more, stays as it was measured when nothing else
    ran: under load nearly all batches are of one size, and a line fitted to them would follow their noise.
    Threads share it without a lock: what one of them overwrites is one sample of many.
    """

    def __init__(self, overhead_tokens: float = _LEAST_OVERHEAD) -> None:
        self.overhead_tokens = overhead_tokens
        self.per_token = 0.0
        self.rows = 0.0
        self.tokens_a_row = 0.0
        self._weight = 0.0

    def observe(self, rows: int, tokens: int, seconds: float) -> None:
        """Take one batch into account."""
        self._weight = self._weight * _FORGET + 1
        self.rows += (rows - self.rows) / self._weight
        self.tokens_a_row += (tokens / rows - self.tokens_a_row) / self._weight
        self.per_token += (seconds / (tokens + self.overhead_tokens) - self.per_token) / self._weight

    def seconds(self, rows: float, tokens: float) -> float:
        """What so many rows with so many tokens will take on one thread, in batches of the usual size."""
        batches = rows / self.rows if self.rows else 0.0
        return self.per_token * (tokens + self.overhead_tokens * batches)


def overhead_in_tokens(small: tuple[int, float], large: tuple[int, float]) -> float:
    """The tokens that take as long as one batch more: where the line through two batches meets zero.

    Args:
        small: tokens and seconds of a batch.
        large: those of a larger one.

    Returns:
        At least 1 and at most the tokens of the small batch, whatever the noise.
    """
    tokens, seconds = small
    per_token = (large[1] - seconds) / (large[0] - tokens)
    overhead = seconds / per_token - tokens if per_token > 0 else 0.0
    return min(max(overhead, _LEAST_OVERHEAD), float(tokens))
