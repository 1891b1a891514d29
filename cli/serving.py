"""`assay serve`: serve a model over HTTP."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import Store, registry_uri
from assay.cli.stopping import noting
from assay.serving.http.listening import check_port
from assay.serving.http.server_settings import (
    MAX_BYTES,
    MAX_DAYS,
    MAX_PORT,
    MAX_ROWS,
    MAX_SECONDS,
    MAX_THREADS,
    MAX_TOKENS,
    Limits,
    LogSettings,
    Settings,
    read_token,
)


@noting("requests in flight are completed", listens=True)
def serve(
    model: Annotated[
        list[str],
        typer.Option(
            help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder; can be repeated, the first is the "
            "default."
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.", envvar="AIP_HTTP_PORT")] = 8080,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_PORT,
            help="Port for the Open Inference Protocol over gRPC; needs the extra grpc. [default: none]",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MAX_THREADS, help="Batches at the same time. [default: one per CPU]")
    ] = None,
    follow: Annotated[
        float,
        typer.Option(
            min=0,
            max=MAX_SECONDS,
            metavar="SECONDS",
            help="Interval for checking the alias; 0 disables it.",
        ),
    ] = 30,
    token: Annotated[str | None, typer.Option(metavar="env:NAME", help="Variable that holds the bearer token.")] = None,
    deadline: Annotated[
        float,
        typer.Option(min=0.001, max=MAX_SECONDS, metavar="SECONDS", help="Maximum time that a request waits."),
    ] = Limits.deadline,
    max_body: Annotated[
        int, typer.Option(min=1, max=MAX_BYTES, metavar="BYTES", help="Maximum size of a body.")
    ] = Limits.body,
    max_rows: Annotated[
        int, typer.Option(min=1, max=MAX_ROWS, help="Maximum number of rows per request.")
    ] = Limits.rows,
    queue_tokens: Annotated[
        int, typer.Option(min=1, max=MAX_TOKENS, help="Maximum number of waiting tokens.")
    ] = Limits.queue_tokens,
    batch_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MAX_TOKENS,
            help="Maximum number of tokens per batch, including padding. [default: what is fastest in the precision]",
        ),
    ] = Limits.batch_tokens,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Host name to accept in addition to localhost, * any; can be repeated."),
    ] = None,
    cors_allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Site whose web pages may use the server, * any; can be repeated."),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Serve only bundles signed with the key of this owner.", envvar="ASSAY_PUBLIC_KEY"
        ),
    ] = None,
    drain: Annotated[
        float,
        typer.Option(
            min=0, max=MAX_SECONDS, metavar="SECONDS", help="Seconds between SIGTERM and closing the listener."
        ),
    ] = 1.0,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of the prediction log, text lengths and predictions for monitor."),
    ] = None,
    log_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that are logged.")] = 1.0,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Log the texts, too.")] = False,
    log_days: Annotated[float, typer.Option(min=0, max=MAX_DAYS, help="Days after which logs are removed.")] = 30,
    access_log: Annotated[
        str | None, typer.Option(metavar="FILE", help="Append a JSON object per request to this file; - is stdout.")
    ] = None,
    otel: Annotated[
        bool, typer.Option("--otel", help="Send traces and metrics by OpenTelemetry (OTLP); needs the extra otel.")
    ] = False,
    store: Store = Path(".assay"),
) -> None:
    """Serve a model over HTTP, with a web page.

    Paths: /predict, Open Inference Protocol (/v2), MLflow (/invocations), the page at /, metrics at /metrics.

    SIGTERM shuts the server down gracefully: it stops being ready, completes the requests in flight, and exits with
    code 143. Ctrl-C skips the wait before that and exits with code 130.
    """
    check_port(port)
    settings = Settings(
        model=model[0],
        more_models=tuple(model[1:]),
        host=host,
        port=port,
        grpc_port=grpc_port,
        threads=threads,
        follow=follow,
        token=read_token(token),
        allowed_hosts=tuple(allow_host or ()),
        cors_origins=tuple(cors_allow_origin or ()),
        access_log=access_log,
        otel=otel,
        drain=drain,
        public_key=public_key,
        tracking_uri=registry_uri(next((one for one in model if one.startswith("models:")), model[0]), store),
        log=LogSettings(log, log_share, log_texts, log_days) if log else None,
        limits=Limits(
            deadline=deadline, body=max_body, rows=max_rows, queue_tokens=queue_tokens, batch_tokens=batch_tokens
        ),
    )

    from assay.serving.http.server import serve as serve_http

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    serve_http(settings)
