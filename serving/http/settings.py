"""What `assay serve` can be told."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from corpus.errors import AssayError

SHORTEST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how long it may wait."""

    deadline: float = 1.0
    """Seconds that a request waits for its turn; the header X-Deadline-Ms asks for others."""
    longest_deadline: float = 60.0
    """Most seconds that a caller may ask for."""
    body: int = 2 * 1024 * 1024
    """Most bytes of a body."""
    rows: int = 1_000
    """Most rows of a request."""
    header: int = 16 * 1024
    """Most bytes of request line and headers."""
    header_seconds: float = 10.0
    """Time for a caller to send the headers."""
    body_seconds: float = 30.0
    """Time for a caller to send the body."""
    queue_tokens: int = 65_536
    """Most tokens that wait."""
    batch_tokens: int = 512
    """Most tokens of a batch, padding counted."""


@dataclass(frozen=True)
class LogSettings:
    """What is written where."""

    folder: Path
    """Takes files of JSON lines; several servers may share it."""
    share: float = 1.0
    """Share of the rows that are written, drawn at random."""
    texts: bool = False
    """Write the texts themselves; else their length and the answer only."""
    days: float = 30
    """Files older than that are removed."""


@dataclass(frozen=True)
class Settings:
    """A whole server."""

    model: str
    """A bundle's folder, models:/NAME@ALIAS or models:/NAME/VERSION."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on; 0: any that is free."""
    threads: int | None = None
    """Batches that run at once, each on one CPU; none: as many as this process may use."""
    follow: float = 30.0
    """Seconds between two looks at the alias; 0: never."""
    token: str | None = None
    """What callers send as `Authorization: Bearer TOKEN`."""
    allowed_hosts: tuple[str, ...] = ()
    """Names besides those of this machine under which a server on a loopback address may be called."""
    drain: float = 1.0
    """Seconds between the end of readiness and that of the listener."""
    stop: float = 6.0
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
