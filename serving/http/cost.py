"""Cost of a batch: seconds = seconds_per_token * (tokens + overhead_tokens)."""

_DECAY = 0.98  # weight of a batch relative to the next one: about the last fifty count
_MIN_OVERHEAD = 1.0  # tokens; a batch always has a cost, even if a noisy measurement says otherwise


class BatchCost:
    """Current speed of a model, with recent batches weighted most, and the overhead of a batch.

    `seconds_per_token` counts padding, `rows_per_batch` and `tokens_per_row` are moving averages. `overhead_tokens`,
    the number of tokens that take as long as one additional batch, keeps the value that was measured while the model
    was idle: under load nearly all batches are of one size, and a line fitted to them would follow their noise.
    Threads share an instance without a lock: a lost update is one sample of many.
    """

    def __init__(self, overhead_tokens: float = _MIN_OVERHEAD) -> None:
        self.overhead_tokens = overhead_tokens
        self.seconds_per_token = 0.0
        self.rows_per_batch = 0.0
        self.tokens_per_row = 0.0
        self._weight = 0.0

    def observe(self, rows: int, tokens: int, seconds: float) -> None:
        """Update the averages with one batch; `tokens` includes padding."""
        self._weight = self._weight * _DECAY + 1
        self.rows_per_batch += (rows - self.rows_per_batch) / self._weight
        self.tokens_per_row += (tokens / rows - self.tokens_per_row) / self._weight
        self.seconds_per_token += (seconds / (tokens + self.overhead_tokens) - self.seconds_per_token) / self._weight

    def seconds(self, rows: float, tokens: float) -> float:
        """Estimate the seconds that rows with this number of tokens take on one thread, in batches of average size."""
        batches = rows / self.rows_per_batch if self.rows_per_batch else 0.0
        return self.seconds_per_token * (tokens + self.overhead_tokens * batches)


def overhead_in_tokens(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return the number of tokens that take as long as one additional batch.

    It is where the line through two batches meets zero.

    Args:
        small: tokens and seconds of a small batch.
        large: tokens and seconds of a large batch.

    Returns:
        Tokens, at least 1 and at most those of the small batch, so that noise cannot make it absurd.
    """
    tokens, seconds = small
    seconds_per_token = (large[1] - seconds) / (large[0] - tokens)
    overhead = seconds / seconds_per_token - tokens if seconds_per_token > 0 else 0.0
    return min(max(overhead, _MIN_OVERHEAD), float(tokens))
