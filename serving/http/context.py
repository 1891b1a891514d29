"""What a request of any protocol goes through: counted, timed, its faults as JSON."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from assay.serving.engine import Row
from assay.serving.http.active_model import ActiveModel
from assay.serving.http.error_responses import Refusal
from assay.serving.http.model_calls import Answered, ModelCalls
from assay.serving.http.prediction_log import PredictionLog
from assay.serving.http.requests import checked
from assay.serving.http.server_metrics import Metrics

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Context:
    """The parts of a server that its routes need."""

    active_model: ActiveModel
    answering: ModelCalls
    metrics: Metrics
    log: PredictionLog | None = None

    async def answer(self, request: Request, rows: Sequence[Row]) -> Answered:
        """Check rows and answer them.

        Raises:
            Refusal: they are not answered.
        """
        pair = self.active_model.model.engine.manifest.pair
        answered = await self.answering.answer(request, checked(rows, pair=pair))
        if self.log is not None:
            self.log.offer(request, answered)
        return answered

    def counted(self, protocol: str, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with its successes, failures and seconds in the metrics."""
        success = self.metrics.success.labels(protocol)
        duration = self.metrics.duration.labels(protocol)

        async def run(request: Request) -> Response:
            begun = time.perf_counter()
            try:
                response = await endpoint(request)
            except Refusal as refusal:
                self.metrics.failure.labels(protocol, refusal.reason).inc()
                raise
            success.inc()
            duration.observe(time.perf_counter() - begun)
            return response

        return run


class Json(Response):
    """JSON, written by pydantic's serialiser."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Values as bytes."""
        return to_json(content)
