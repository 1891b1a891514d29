"""The ASGI application: all protocols and pages of one server."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from assay.serving.http import openapi, page_routes
from assay.serving.http.access import access_middleware, is_loopback
from assay.serving.http.access_log import AccessLog
from assay.serving.http.active_model import ActiveModel
from assay.serving.http.batcher import Batcher
from assay.serving.http.context import Context
from assay.serving.http.error_responses import Refusal
from assay.serving.http.grpc_service import GrpcServer
from assay.serving.http.headers import ResponseHeaders
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.model_set import ModelSet
from assay.serving.http.origins import origin_middleware
from assay.serving.http.paths import TrailingSlash, open_paths
from assay.serving.http.prediction_log import PredictionLog
from assay.serving.http.protocols import mlflow, native, v2
from assay.serving.http.request_ids import RequestIds
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings
from assay.serving.http.shedding import Shedder
from assay.serving.http.telemetry import start_telemetry

logger = logging.getLogger(__name__)

Background = Callable[[], AbstractAsyncContextManager[None]]


def make_app(
    settings: Settings,
    active_model: ActiveModel,
    batcher: Batcher,
    metrics: ServerMetrics,
    background: Background | None = None,
    others: Sequence[ActiveModel] = (),
) -> Starlette:
    """Return the application.

    Args:
        settings: access control, limits and the prediction log.
        active_model: model that serves requests which name none.
        batcher: batcher that runs the model; it stops with the application.
        metrics: metrics of this server.
        background: context in which the application runs, such as the task that follows an alias.
        others: further models, which requests name.

    Raises:
        AssayError: two models have one name.
    """
    models = ModelSet(active_model, tuple(others))
    model_calls = ModelCalls(models, batcher, settings.limits, metrics)
    log = PredictionLog(settings.log, metrics) if settings.log else None
    access_log = AccessLog(settings.access_log, metrics) if settings.access_log else None
    telemetry = start_telemetry() if settings.otel else None
    context = Context(models, model_calls, metrics, log)
    grpc = GrpcServer(settings, context, access_log) if settings.grpc_port is not None else None
    metrics.watch_queue(lambda: batcher.waiting_rows, lambda: batcher.waiting_tokens)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            if background is None:
                yield
            else:
                async with background():
                    yield
        finally:
            if grpc is not None:
                await grpc.stop()  # the server has begun to; its calls need the batcher
            batcher.stop()
            for stop in (part.stop for part in (log, access_log, telemetry) if part is not None):
                stop()

    app = Starlette(
        # Starlette tries routes in order: the most requested ones come first.
        routes=[
            *native.routes(context),
            *v2.routes(context),
            *mlflow.routes(context),
            *page_routes.routes(context),
            *openapi.routes(),
        ],
        middleware=[
            *([telemetry.middleware] if telemetry else []),
            *_middleware(settings, active_model, access_log),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.grpc = grpc
    app.state.shedder = Shedder(model_calls, metrics, access_log)
    return app


def _middleware(settings: Settings, active_model: ActiveModel, access_log: AccessLog | None) -> list[Middleware]:
    return [
        Middleware(RequestIds, log=access_log),
        Middleware(ResponseHeaders, active_model=active_model),
        Middleware(TrailingSlash),
        *origin_middleware(settings.cors_origins),
        *_guards(settings),
    ]


def _guards(settings: Settings) -> list[Middleware]:
    if settings.token or is_loopback(settings.host):
        return [access_middleware(settings.token, open_paths(), settings.allowed_hosts)]
    return []


async def _respond_to_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # narrows the type
    content: dict[str, Any] = {"error": _detail(request, error)}
    if isinstance(error, Refusal) and error.row is not None:
        content["row"] = error.row
    return JSONResponse(content, error.status_code, headers=error.headers)


def _detail(request: Request, error: HTTPException) -> str:
    """Return the message of an error; those of the router name neither path nor remedy."""
    if isinstance(error, Refusal) or error.status_code not in (404, 405):
        return error.detail
    path = request.scope["path"][:80]
    if error.status_code == 404:
        return f"there is no path {path!r}; /docs lists the paths"
    allowed = " or ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
    return f"{request.method} is not a method of {path!r}; send {allowed}"


async def _respond_to_failure(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the server failed; its log has the details"}, 500)


HANDLERS: dict[Any, ExceptionHandler] = {HTTPException: _respond_to_refusal, Exception: _respond_to_failure}
