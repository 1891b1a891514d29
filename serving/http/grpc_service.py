"""The Open Inference Protocol over gRPC, on a port of its own: the same models, queue, limits, token and metrics."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any

from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.http.access import is_authorised
from assay.serving.http.access_log import AccessLog
from assay.serving.http.context import Context
from assay.serving.http.error_responses import Refusal
from assay.serving.http.listening import check_free, format_address
from assay.serving.http.protocols.grpc_messages import infer_message, load_messages, read_message
from assay.serving.http.protocols.tensors import output_tensors, read_rows, requested_outputs
from assay.serving.http.protocols.v2 import describe_model
from assay.serving.http.request_ids import BEGIN, RECEIVED, REQUEST_ID, new_id, valid_id
from assay.serving.http.requests import request_options
from assay.serving.http.server_settings import Settings

logger = logging.getLogger(__name__)

OPTION = "--grpc-port"
_SERVICE = "inference.GRPCInferenceService"
_OPEN = ("ServerLive", "ServerReady", "ModelReady")  # probes send no token
# Statuses of HTTP as those of gRPC; others are INVALID_ARGUMENT.
_CODES = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
Method = Callable[[Any, Request], Awaitable[Any]]


class GrpcServer:
    """A gRPC server on the event loop of the HTTP server."""

    def __init__(self, settings: Settings, context: Context, log: AccessLog | None = None) -> None:
        """Load the packages.

        Raises:
            AssayError: they are not installed.
        """
        self._messages = load_messages()
        self._settings = settings
        self._context = context
        self._log = log
        self._server: Any = None
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            AssayError: the address is in use.
        """
        import grpc

        host, port, limit = self._settings.host, self._settings.grpc_port, self._settings.limits.body
        if port:
            check_free(host, port, OPTION)  # says why not, which gRPC does not
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", limit)])
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, self._handlers())])
        address = format_address(host, port or 0)
        try:
            self.port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise AssayError(f"cannot listen on {address} for gRPC; use {OPTION} with another port") from error
        await server.start()
        self._server = server
        logger.info("serving gRPC on %s", format_address(host, self.port))

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new requests, and finish the running ones; a second call waits for the first one, or shortens it.

        Args:
            grace: seconds after which running requests are cancelled; None takes those of the settings.
        """
        if self._server is not None:
            await self._server.stop(self._settings.stop if grace is None else grace)

    def _handlers(self) -> dict[str, Any]:
        import grpc

        methods: dict[str, Method] = {
            "ServerLive": self._live,
            "ServerReady": self._ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(
                self._with_errors(name, method),
                response_serializer=getattr(self._messages, f"{name}Response").SerializeToString,
            )
            for name, method in methods.items()
        }

    def _with_errors(self, name: str, method: Method) -> Callable[[Any, Any], Awaitable[Any]]:
        """Return a handler of gRPC: it checks the token, parses the message, and reports refusals as gRPC does."""
        import grpc

        parse = getattr(self._messages, f"{name}Request").FromString

        async def handle(content: bytes, call: Any) -> Any:
            request = _as_request(name, call, self._settings.limits.max_deadline)
            status = 500
            try:
                if name not in _OPEN and not is_authorised(request.headers, self._settings.token):
                    raise Refusal(401, "the token is missing or wrong; send authorization: Bearer TOKEN", "token")
                response = await method(_parsed(parse, content), request)
                status = 200
                return response
            except Refusal as refusal:
                status = refusal.status_code
                trailers = tuple((key.lower(), value) for key, value in (refusal.headers or {}).items())
                code = getattr(grpc.StatusCode, _CODES.get(status, "INVALID_ARGUMENT"))
                await call.abort(code, refusal.detail, trailers)
            except asyncio.CancelledError:
                status = 499
                raise
            except Exception:
                logger.exception("%s failed", request.url.path)
                await call.abort(grpc.StatusCode.INTERNAL, "the server failed; its log has the details")
            finally:
                if self._log is not None:
                    state, path = request.state, request.url.path
                    trace = valid_id(request.headers.get("traceparent"))
                    seconds = time.perf_counter() - request.scope["state"][BEGIN]
                    self._log.record(state.request_id, trace, "POST", path, status, seconds)

        return handle

    async def _infer(self, message: Any, request: Request) -> Any:
        run: Callable[[Request], Awaitable[Any]] = self._context.with_metrics("grpc", self._predicting(message))
        return await run(request)

    def _predicting(self, message: Any) -> Callable[[Request], Awaitable[Any]]:
        async def predict(request: Request) -> Any:
            context = self._context
            model = context.models.find(message.model_name, message.model_version or None).model
            body = read_message(message)
            options = request_options(request, body.parameters)
            outputs = requested_outputs(body, model, options)
            predicted = await context.predict(request, model, read_rows(body, pair=model.engine.manifest.pair))
            tensors = {tensor["name"]: tensor for tensor in output_tensors(predicted, options)}
            sent, raw = [tensors[name] for name in outputs], bool(message.raw_input_contents)
            return infer_message(self._messages, body, predicted.model, sent, raw=raw)

        return predict

    async def _live(self, message: Any, request: Request) -> Any:
        return self._messages.ServerLiveResponse(live=True)

    async def _ready(self, message: Any, request: Request) -> Any:
        return self._messages.ServerReadyResponse(ready=self._context.models.ready)

    async def _model_ready(self, message: Any, request: Request) -> Any:
        models = self._context.models
        models.find(message.name, message.version or None)
        return self._messages.ModelReadyResponse(ready=models.ready)

    async def _server_metadata(self, message: Any, request: Request) -> Any:
        return self._messages.ServerMetadataResponse(
            name="assay", version=version("assay"), extensions=["model_repository"]
        )

    async def _model_metadata(self, message: Any, request: Request) -> Any:
        described = describe_model(self._context.models.find(message.name, message.version or None).model)
        described.pop("parameters")
        return self._messages.ModelMetadataResponse(**described)

    async def _index(self, message: Any, request: Request) -> Any:
        models = self._context.models
        state = "READY" if models.ready else "UNAVAILABLE"
        entries = [{"name": each.model.name, "version": each.model.version_name, "state": state} for each in models]
        return self._messages.RepositoryIndexResponse(models=entries)


def _parsed(parse: Callable[[bytes], Any], content: bytes) -> Any:
    """Return the message in the bytes of a request.

    Raises:
        Refusal: 400, they are no such message.
    """
    from google.protobuf.message import DecodeError

    try:
        return parse(content)
    except DecodeError:
        fault = "the request is not a message of the Open Inference Protocol; send one in Protocol Buffers and UTF-8"
        raise Refusal(400, fault, "invalid") from None


def _as_request(name: str, call: Any, max_deadline: float) -> Request:
    """Return a call as a request of the server: its metadata are headers, and its deadline is X-Deadline-Ms."""
    metadata = [(key, value) for key, value in call.invocation_metadata() or () if isinstance(value, str)]
    headers = [(key.lower().encode("latin-1"), value.encode("latin-1", "replace")) for key, value in metadata]
    remaining = call.time_remaining()
    if remaining is not None and "x-deadline-ms" not in dict(metadata):
        headers.append((b"x-deadline-ms", str(max(1, int(min(remaining, max_deadline) * 1000))).encode()))
    known = valid_id(dict(metadata).get("x-request-id")) or new_id()
    state = {REQUEST_ID: known, BEGIN: time.perf_counter(), RECEIVED: time.monotonic()}
    path = f"/{_SERVICE}/{name}"
    return Request(
        {"type": "http", "method": "POST", "path": path, "headers": headers, "query_string": b"", "state": state}
    )
