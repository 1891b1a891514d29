"""`assay serve`: a server from its settings."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from assay.serving.address import ModelAddress, open_folder
from assay.serving.cpu import available_threads
from assay.serving.http.access import is_loopback
from assay.serving.http.active_model import ActiveModel, load_model
from assay.serving.http.app import Background, make_app
from assay.serving.http.batcher import Batcher
from assay.serving.http.follower import Follower
from assay.serving.http.listening import bound_sockets, listen
from assay.serving.http.server_lifecycle import run
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve requests until the process receives a signal.

    Raises:
        AssayError: the address is in use, or the model is missing or does not load.
    """
    with bound_sockets(settings.host, settings.port) as sockets:
        _serve(settings, sockets)


def _serve(settings: Settings, sockets: list[socket.socket]) -> None:
    metrics = ServerMetrics()
    active_model, background = open_active_model(settings, metrics)
    limits = settings.limits
    threads = settings.threads or available_threads()
    batcher = Batcher(threads, limits.batch_tokens, limits.queue_tokens, metrics)
    app = make_app(settings, active_model, batcher, metrics, background)
    if not settings.token and not is_loopback(settings.host):
        logger.warning("other machines can reach %s, and no token protects it; use --token", settings.host)
    model = active_model.model
    logger.info(
        "serving %s %s (%s) on %s with %d threads",
        *(model.name, model.version_name, model.engine.precision, listen(sockets, settings.host), threads),
    )
    run(app, settings, active_model, sockets)


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
