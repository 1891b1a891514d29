"""Settings of `assay serve`."""

import os
import re
from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from assay.corpus.errors import AssayError

MIN_TOKEN_LENGTH = 16

# Bounds of numbers; the command line uses them, too.
MAX_SECONDS = 3_600
MAX_DAYS = 36_500
MAX_BYTES = 1024**3
MAX_ROWS = 1_000_000
MAX_TOKENS = 100_000_000
MAX_THREADS = 1_024
MAX_PORT = 65_535

_TOKEN = re.compile("[!-~]+( +[!-~]+)*")

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]


@dataclass(frozen=True)
class Limits:
    """Limits on requests and their waits."""

    deadline: Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)] = 1.0
    """Seconds that a request may wait for the model; the header X-Deadline-Ms overrides it."""
    max_deadline: Seconds = 60.0
    """Maximum number of seconds in X-Deadline-Ms."""
    body: Annotated[int, Field(ge=1, le=MAX_BYTES)] = 2 * 1024 * 1024
    """Maximum number of bytes of a body."""
    rows: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 1_000
    """Maximum number of rows per request."""
    header: Annotated[int, Field(ge=1, le=MAX_BYTES)] = 16 * 1024
    """Maximum number of bytes of the request line and headers."""
    header_seconds: Seconds = 10.0
    """Seconds in which a client must send the headers."""
    body_seconds: Seconds = 30.0
    """Seconds in which a client must send the body."""
    queue_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 65_536
    """Maximum number of waiting tokens."""
    batch_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """Maximum number of tokens per batch, padding included; None uses what is fastest in the precision of a model."""


@dataclass(frozen=True)
class LogSettings:
    """Settings of the prediction log."""

    folder: Path
    """Folder for files of JSON lines; several servers may share it."""
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 1.0
    """Share of the rows that are written, sampled at random."""
    texts: bool = False
    """Whether to write the texts; otherwise only their lengths and the predictions are written."""
    days: Annotated[float, Field(ge=0, le=MAX_DAYS, allow_inf_nan=False)] = 30
    """Days after which files are removed."""


@dataclass(frozen=True)
class Settings:
    """Settings of a server."""

    model: str
    """Folder of a bundle, models:/NAME@ALIAS or models:/NAME/VERSION."""
    more_models: tuple[str, ...] = ()
    """Addresses of further models, which requests name."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=MAX_PORT)] = 8080
    """Port to listen on; 0 selects any free one."""
    grpc_port: Annotated[int, Field(ge=0, le=MAX_PORT)] | None = None
    """Port for gRPC; 0 selects any free one, None speaks HTTP only."""
    threads: Annotated[int, Field(ge=1, le=MAX_THREADS)] | None = None
    """Number of batches that run at the same time, each on one CPU; None uses all CPUs of this process."""
    follow: Seconds = 30.0
    """Seconds between two polls of the alias; 0 disables polling."""
    token: str | None = None
    """Token that clients send as `Authorization: Bearer TOKEN`; None requires no token."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names that a server on a loopback address admits besides those of this machine; "*" admits any."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages of other sites that may use the server; "*" allows any."""
    access_log: str | None = None
    """File of the access log, "-" for standard output; None writes none."""
    otel: bool = False
    """Whether to send traces and metrics by OpenTelemetry."""
    drain: Seconds = 1.0
    """Seconds between SIGTERM and closing the listener."""
    stop: Seconds = 6.0
    """Maximum number of seconds that running requests have to finish."""
    tracking_uri: str | None = None
    """Address of MLflow; None uses MLFLOW_TRACKING_URI."""
    public_key: str | None = None
    """Public key that verifies the signature of a bundle, a path or PEM text; None checks digests only."""
    cache: Path | None = None
    """Folder for bundles of the registry; None uses the cache folder of the user."""
    log: LogSettings | None = None
    """Settings of the prediction log; None writes no log."""
    limits: Limits = field(default_factory=Limits)


def read_token(address: str | None) -> str | None:
    """Return the token in the variable that `env:NAME` names; other users can read tokens on the command line.

    Raises:
        AssayError: the address is not `env:NAME`, or the token in the variable is too short or cannot be in a header.
    """
    if address is None:
        return None
    kind, _, name = address.partition(":")
    if kind != "env" or not name:
        raise AssayError("--token is not env:NAME; put the token into a variable, and name the variable")
    token = os.environ.get(name, "")
    if len(token) < MIN_TOKEN_LENGTH:
        raise AssayError(f"{name} holds {len(token)} characters; export a secret of at least {MIN_TOKEN_LENGTH}")
    if not _TOKEN.fullmatch(token):
        # A file often ends with a line break, and no header could match it.
        raise AssayError(
            f"{name} holds a character that no header can hold, or spaces or a line break at an end; export a secret "
            "of letters, digits and punctuation of ASCII"
        )
    return token
