"""What a batch costs: seconds = a * tokens + b, fitted to the batches that were answered."""

_FORGET = 0.98  # weight of a batch against the next one: about the last fifty count
_LEAST_OVERHEAD = 1e-4  # seconds; a fit to noise must not say that batches cost nothing, or less


class BatchCost:
    """A straight line through the batches seen so far, the latest counting most.

    `per_token` are seconds a token (padding counted), `overhead` seconds a batch, `rows` those of a usual batch,
    `tokens_a_row` those of a usual row.
    Threads share it without a lock: what one of them overwrites is one sample of many.
    """

    def __init__(self) -> None:
        self.per_token = 0.0
        self.overhead = _LEAST_OVERHEAD
        self.rows = 1.0
        self.tokens_a_row = 0.0
        self._weight = self._x = self._y = self._xx = self._xy = 0.0

    def observe(self, rows: int, tokens: int, seconds: float) -> None:
        """Take one batch into the fit."""
        self.rows = _FORGET * self.rows + (1 - _FORGET) * rows
        self.tokens_a_row = _FORGET * self.tokens_a_row + (1 - _FORGET) * tokens / rows
        self._weight = self._weight * _FORGET + 1
        self._x = self._x * _FORGET + tokens
        self._y = self._y * _FORGET + seconds
        self._xx = self._xx * _FORGET + tokens * tokens
        self._xy = self._xy * _FORGET + tokens * seconds
        self._fit()

    def seconds(self, rows: float, tokens: float) -> float:
        """What so many rows with so many tokens will take on one thread, in batches of the usual size."""
        return self.per_token * tokens + self.overhead * rows / self.rows

    @property
    def overhead_tokens(self) -> float:
        """How many tokens of padding cost as much as one batch more."""
        return self.overhead / self.per_token if self.per_token else 0.0

    def _fit(self) -> None:
        mean_x, mean_y = self._x / self._weight, self._y / self._weight
        variance = self._xx / self._weight - mean_x * mean_x
        covariance = self._xy / self._weight - mean_x * mean_y
        # All of one size: nothing tells token from batch, so that everything is put on the tokens.
        slope = covariance / variance if variance > 1e-6 * mean_x * mean_x else mean_y / mean_x
        slope = min(max(slope, 0.1 * mean_y / mean_x), mean_y / mean_x)
        self.per_token = slope
        self.overhead = max(_LEAST_OVERHEAD, mean_y - slope * mean_x)
