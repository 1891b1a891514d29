"""The request context that all protocols share: prediction, metrics, the prediction log and JSON responses."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from assay.serving.engine import Row
from assay.serving.http.active_model import ServedModel
from assay.serving.http.error_responses import Refusal, client_disconnected, stopping
from assay.serving.http.model_calls import ModelCalls, PredictedRows
from assay.serving.http.model_set import ModelSet
from assay.serving.http.prediction_log import PredictionLog
from assay.serving.http.request_ids import begin_of
from assay.serving.http.requests import check_rows
from assay.serving.http.server_metrics import ServerMetrics

Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    """The parts of a server that its routes need."""

    models: ModelSet
    model_calls: ModelCalls
    metrics: ServerMetrics
    log: PredictionLog | None = None

    def requested_model(self, request: Request) -> ServedModel:
        """Return the model that the query of a request names, by default the first one.

        Raises:
            Refusal: 404, there is no such model.
        """
        return self.models.find(request.query_params.get("model")).model

    async def predict(self, request: Request, model: ServedModel, rows: Sequence[Row]) -> PredictedRows:
        """Check the rows of a request, predict them, and write them to the prediction log.

        Raises:
            Refusal: a row does not fit the model, or the request is refused.
        """
        check_rows(rows, pair=model.engine.manifest.pair)
        predicted = await self.model_calls.predict(request, model, rows)
        if self.log is not None:
            self.log.record(request, predicted)
        return predicted

    def with_metrics(
        self, protocol: str, endpoint: Callable[[Request], Awaitable[Result]]
    ) -> Callable[[Request], Awaitable[Result]]:
        """Return the endpoint, wrapped so that the metrics count its successes, failures and seconds."""
        success = self.metrics.success.labels(protocol)
        duration = self.metrics.duration.labels(protocol)

        async def run(request: Request) -> Result:
            begin = begin_of(request)
            try:
                response = await endpoint(request)
            except Refusal as refusal:
                self.metrics.failure.labels(protocol, refusal.reason).inc()
                raise
            except asyncio.CancelledError:
                # gRPC cancels calls of clients that hung up, and both protocols what a stopping server leaves undone.
                cause = client_disconnected() if self.models.ready else stopping()
                self.metrics.failure.labels(protocol, cause.reason).inc()
                raise
            success.inc()
            duration.observe(time.perf_counter() - begin)
            return response

        return run


class Json(Response):
    """A JSON response, serialised by pydantic."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Serialise the content."""
        return to_json(content)
