"""The life cycle of a server process: listen until SIGTERM, drain, finish running requests, and exit."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from assay.serving.http.active_model import ActiveModel
from assay.serving.http.connection import GuardedConnection
from assay.serving.http.grpc_service import GrpcServer
from assay.serving.http.listening import listeners
from assay.serving.http.reading_turns import ReadingTurns
from assay.serving.http.server_settings import Limits, Settings

logger = logging.getLogger(__name__)

# Longer than the keep-alive of proxies: 60 s for nginx, less for others.
KEEP_ALIVE_SECONDS = 75
_SWITCH_SECONDS = 0.0005
_TICK_SECONDS = 0.1
# New objects between two garbage collections; a few requests reach Python's default of 700.
_GC_THRESHOLD = 50_000


class DrainingServer(uvicorn.Server):
    """A server that stops in two steps: it reports that it is not ready, and closes its listeners `drain` s later.

    Where it speaks gRPC, too, both listen, stop and finish their requests at the same time.
    """

    def __init__(
        self, config: uvicorn.Config, active_model: ActiveModel, drain: float, grpc: GrpcServer | None = None
    ) -> None:
        super().__init__(config)
        self._active_model = active_model
        self._drain = drain
        self._grpc = grpc
        self._end: float | None = None
        self.received_signal: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain at SIGTERM; stop at once at a second signal, or at the one of a keyboard."""
        self.received_signal = self.received_signal or sig
        if self._end is None and sig == signal.SIGTERM:
            self._active_model.draining = True
            self._end = time.monotonic() + self._drain
        elif self.should_exit:
            self.force_exit = True
        else:
            self._active_model.draining = True
            self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen.

        Raises:
            AssayError: the address of gRPC is in use.
        """
        if self._grpc is not None:
            await self._grpc.start()  # not within the application, whose errors are tracebacks in the log
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listeners, and finish the running requests."""
        stopping = asyncio.ensure_future(self._finish(self._grpc)) if self._grpc is not None else None
        await super().shutdown(sockets)
        if stopping is not None:
            await stopping

    async def _finish(self, grpc: GrpcServer) -> None:
        """Finish the running calls of gRPC, or cancel them at a second signal."""
        stopping = asyncio.ensure_future(grpc.stop())
        while not (await asyncio.wait([stopping], timeout=_TICK_SECONDS))[0]:
            if self.force_exit:
                await grpc.stop(0)

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop; uvicorn calls it ten times per second."""
        if self._end is not None and time.monotonic() >= self._end:
            self.should_exit = True
        return await super().on_tick(counter)


def run(app: Starlette, settings: Settings, active_model: ActiveModel, sockets: list[socket.socket]) -> None:
    """Serve requests until the process receives a signal, and raise that signal again for the parent process."""
    # The event loop never holds the GIL for long, and the computing threads must not wait for their turn.
    sys.setswitchinterval(_SWITCH_SECONDS)
    _reduce_garbage_collection()
    server = DrainingServer(configure(app, settings), active_model, settings.drain, app.state.grpc)
    server.run(listeners(sockets))
    if server.received_signal is not None:
        signal.raise_signal(server.received_signal)


def _reduce_garbage_collection() -> None:
    """Collect garbage less often: few objects are part of a cycle, and the loaded ones stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, *gc.get_threshold()[1:])


def configure(app: Starlette, settings: Settings) -> uvicorn.Config:
    """Return the configuration of uvicorn."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_connection_class(app, settings.limits),
        ws="none",
        access_log=False,
        proxy_headers=False,  # the address of the client is not used
        server_header=False,
        log_config=None,  # use the configuration of the process
        log_level="warning",
        timeout_graceful_shutdown=max(1, round(settings.stop)),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def _connection_class(app: Starlette, limits: Limits) -> type[GuardedConnection]:
    """Return a class with these limits, since uvicorn creates connections from a class."""
    shared = {"limits": limits, "shedder": app.state.shedder, "turns": ReadingTurns()}
    return type("LimitedConnection", (GuardedConnection,), shared)
