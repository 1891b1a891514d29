"""The process: listens until SIGTERM, lets load balancers go elsewhere, finishes what it began, and ends."""

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
from assay.serving.http.server_settings import Limits, Settings

logger = logging.getLogger(__name__)

# Longer than proxies keep theirs: nginx 60 s, others less.
KEEP_ALIVE_SECONDS = 75
_SWITCH_SECONDS = 0.0005
# Objects that may pile up before those in cycles are looked for; Python's own 700 are there after a few requests.
_YOUNG_OBJECTS = 50_000


class DrainingServer(uvicorn.Server):
    """Ends in two steps: not ready any more, and `drain` seconds later no new connections."""

    def __init__(self, config: uvicorn.Config, active_model: ActiveModel, drain: float) -> None:
        super().__init__(config)
        self._slot = active_model
        self._drain = drain
        self._end: float | None = None
        self.ended_by: int | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal, or the one of a keyboard, ends it at once."""
        self.ended_by = self.ended_by or sig
        if self._end is None and sig == signal.SIGTERM:
            self._slot.draining = True
            self._end = time.monotonic() + self._drain
        elif self.should_exit:
            self.force_exit = True
        else:
            self._slot.draining = True
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second: whether it is time to end."""
        if self._end is not None and time.monotonic() >= self._end:
            self.should_exit = True
        return await super().on_tick(counter)


def run(app: Starlette, settings: Settings, active_model: ActiveModel, sockets: list[socket.socket]) -> None:
    """Answer until the process is told to end; the signal is raised again then, for whoever called."""
    # The event loop never holds Python's lock for long; threads that answer must not wait for their turn at it.
    sys.setswitchinterval(_SWITCH_SECONDS)
    _collect_less()
    server = DrainingServer(configure(app, settings), active_model, settings.drain)
    server.run(sockets)
    if server.ended_by is not None:
        signal.raise_signal(server.ended_by)


def _collect_less() -> None:
    """Spend less on garbage: hardly anything here is part of a cycle, and what was loaded stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])


def configure(app: Starlette, settings: Settings) -> uvicorn.Config:
    """How uvicorn is to serve the application."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=_connection(app, settings.limits),
        ws="none",
        access_log=False,
        proxy_headers=False,  # nothing here asks who the caller is
        server_header=False,
        log_config=None,  # as all else of the process
        log_level="warning",
        timeout_graceful_shutdown=max(1, round(settings.stop)),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


def _connection(app: Starlette, limits: Limits) -> type[GuardedConnection]:
    """Uvicorn makes connections of a class: one that knows the limits."""
    return type("LimitedConnection", (GuardedConnection,), {"limits": limits, "shedder": app.state.shedder})
