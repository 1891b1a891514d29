"""What `assay serve` can be told."""

import os
from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from assay.corpus.errors import AssayError

SHORTEST_TOKEN = 16

# Bounds of numbers, for the command line, too.
LONGEST_SECONDS = 3_600
LONGEST_DAYS = 36_500
MOST_BYTES = 1024**3
MOST_ROWS = 1_000_000
MOST_TOKENS = 100_000_000
MOST_THREADS = 1_024
LARGEST_PORT = 65_535

Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)]


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how long it may wait."""

    deadline: Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False)] = 1.0
    """Seconds that a request waits for its turn; the header X-Deadline-Ms asks for others."""
    longest_deadline: Seconds = 60.0
    """Most seconds that a caller may ask for."""
    body: Annotated[int, Field(ge=1, le=MOST_BYTES)] = 2 * 1024 * 1024
    """Most bytes of a body."""
    rows: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1_000
    """Most rows of a request."""
    header: Annotated[int, Field(ge=1, le=MOST_BYTES)] = 16 * 1024
    """Most bytes of request line and headers."""
    header_seconds: Seconds = 10.0
    """Time for a caller to send the headers."""
    body_seconds: Seconds = 30.0
    """Time for a caller to send the body."""
    queue_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = 65_536
    """Most tokens that wait."""
    batch_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = 512
    """Most tokens of a batch, padding counted."""


@dataclass(frozen=True)
class LogSettings:
    """What is written where."""

    folder: Path
    """Takes files of JSON lines; several servers may share it."""
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    """Share of the rows that are written, drawn at random."""
    texts: bool = False
    """Write the texts themselves; else their length and the answer only."""
    days: Annotated[float, Field(ge=0, le=LONGEST_DAYS, allow_inf_nan=False)] = 30
    """Files older than that are removed."""


@dataclass(frozen=True)
class Settings:
    """A whole server."""

    model: str
    """A bundle's folder, models:/NAME@ALIAS or models:/NAME/VERSION."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=LARGEST_PORT)] = 8080
    """Port to listen on; 0: any that is free."""
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] | None = None
    """Batches that run at once, each on one CPU; none: as many as this process may use."""
    follow: Seconds = 30.0
    """Seconds between two looks at the alias; 0: never."""
    token: str | None = None
    """What callers send as `Authorization: Bearer TOKEN`."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides those of this machine under which a server on a loopback address may be called."""
    drain: Seconds = 1.0
    """Seconds between the end of readiness and that of the listener."""
    stop: Seconds = 6.0
    """Most seconds that requests in flight have to finish."""
    tracking_uri: str | None = None
    """MLflow; none: MLFLOW_TRACKING_URI."""
    public_key: str | None = None
    """Whose signature a bundle must carry: a path or PEM text; none: digests alone."""
    cache: Path | None = None
    """Where bundles of the registry are kept; none: the user's cache folder."""
    log: LogSettings | None = None
    """Where inputs and answers are written; none: nowhere."""
    limits: Limits = field(default_factory=Limits)


def read_token(place: str | None) -> str | None:
    """The token in the variable that `env:NAME` names: a token on the command line would be seen by others.

    Raises:
        AssayError: it is written otherwise, or the variable holds no secret worth the name.
    """
    if place is None:
        return None
    kind, _, name = place.partition(":")
    if kind != "env" or not name:
        raise AssayError("--token is not env:NAME; put the token into a variable and name that")
    token = os.environ.get(name, "")
    if len(token) < SHORTEST_TOKEN:
        raise AssayError(f"{name} holds {len(token)} characters, and {SHORTEST_TOKEN} are the least; export a secret")
    return token
