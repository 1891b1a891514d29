"""`assay serve`: a server from its settings."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette

from assay.corpus.errors import AssayError
from assay.serving.address import ModelAddress, open_folder
from assay.serving.cpu import available_threads
from assay.serving.http.access import is_loopback
from assay.serving.http.active_model import ActiveModel, load_model
from assay.serving.http.app import Background, make_app
from assay.serving.http.batcher import Batcher
from assay.serving.http.follower import Follower
from assay.serving.http.grpc_service import OPTION
from assay.serving.http.listening import bound_sockets, check_free, listen
from assay.serving.http.server_lifecycle import run
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve requests until the process receives a signal.

    Raises:
        AssayError: the address is in use, HTTP and gRPC have the same port, or the model is missing or does not load.
    """
    if settings.grpc_port and settings.grpc_port == settings.port:
        raise AssayError(f"{OPTION} is {settings.grpc_port}, and --port is, too; name another port for one of them")
    with bound_sockets(settings.host, settings.port) as sockets:
        if settings.grpc_port:
            check_free(settings.host, settings.grpc_port, OPTION)
        _serve(settings, sockets)


def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    app, models = open_app(settings)
    if not settings.token and not is_loopback(settings.host):
        logger.warning("other machines can reach %s, and no token protects it; use --token", settings.host)
    served = (active.model for active in models)
    names = ", ".join(f"{model.name} {model.version_name} ({model.engine.precision})" for model in served)
    logger.info("serving %s on %s with %d threads", names, listen(sockets, settings.host), _threads(settings))
    run(app, settings, models[0], sockets)


def open_app(settings: Settings) -> tuple[Starlette, list[ActiveModel]]:
    """Return the application of a server, and its active models, the default one first.

    Raises:
        AssayError: a model is missing or does not load, or two have one name.
    """
    metrics = ServerMetrics()
    opened = [open_active_model(each, metrics) for each in _each_model(settings)]
    models = [active for active, _ in opened]
    batcher = Batcher(_threads(settings), settings.limits.queue_tokens, metrics)
    background = _all(follow for _, follow in opened if follow is not None)
    return make_app(settings, models[0], batcher, metrics, background, models[1:]), models


def _threads(settings: Settings) -> int:
    return settings.threads or available_threads()


def _each_model(settings: Settings) -> list[Settings]:
    return [settings, *(replace(settings, model=address) for address in settings.more_models)]


def _all(backgrounds: Iterable[Background]) -> Background:
    """Return a context that holds all contexts."""
    entered = list(backgrounds)

    @asynccontextmanager
    async def enter() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for background in entered:
                await stack.enter_async_context(background())
            yield

    return enter


def open_active_model(settings: Settings, metrics: ServerMetrics) -> tuple[ActiveModel, Background | None]:
    """Return the first active model, and the background task that follows its alias.

    Raises:
        AssayError: no model can be served.
    """
    if not settings.model.startswith("models:"):
        bundle = open_folder(Path(settings.model), settings.public_key)
        active_model = ActiveModel(load_model(bundle, batch_tokens=settings.limits.batch_tokens))
        metrics.set_model(active_model.model)
        return active_model, None
    follower = Follower(ModelAddress.parse(settings.model), settings, metrics)
    active_model = follower.start()

    @asynccontextmanager
    async def follow() -> AsyncIterator[None]:
        task = asyncio.create_task(follower.follow(active_model))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return active_model, follow if settings.follow > 0 and follower.address.alias else None
