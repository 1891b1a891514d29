"""`assay serve`: a model over HTTP."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import Store, registry_uri
from assay.cli.stopping import noting
from assay.serving.http.listening import check_port
from assay.serving.http.server_settings import (
    LONGEST_DAYS,
    LONGEST_SECONDS,
    MOST_BYTES,
    MOST_ROWS,
    MOST_THREADS,
    MOST_TOKENS,
    Limits,
    LogSettings,
    Settings,
    read_token,
)


@noting("requests in flight are answered", listens=True)
def serve(
    model: Annotated[str, typer.Option(help="models:/NAME@champion, models:/NAME/VERSION, or a bundle folder.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.", envvar="AIP_HTTP_PORT")] = 8080,
    threads: Annotated[
        int | None, typer.Option(min=1, max=MOST_THREADS, help="Batches at once; else one for each CPU.")
    ] = None,
    follow: Annotated[
        float,
        typer.Option(
            min=0,
            max=LONGEST_SECONDS,
            metavar="SECONDS",
            help="How often to look at the alias; 0: never.",
        ),
    ] = 30,
    token: Annotated[str | None, typer.Option(metavar="env:NAME", help="Variable that holds the bearer token.")] = None,
    deadline: Annotated[
        float,
        typer.Option(min=0.001, max=LONGEST_SECONDS, metavar="SECONDS", help="How long a request may wait."),
    ] = Limits.deadline,
    max_body: Annotated[
        int, typer.Option(min=1, max=MOST_BYTES, metavar="BYTES", help="Most bytes of a body.")
    ] = Limits.body,
    max_rows: Annotated[int, typer.Option(min=1, max=MOST_ROWS, help="Most rows of a request.")] = Limits.rows,
    queue_tokens: Annotated[
        int, typer.Option(min=1, max=MOST_TOKENS, help="Most tokens that wait.")
    ] = Limits.queue_tokens,
    batch_tokens: Annotated[
        int, typer.Option(min=1, max=MOST_TOKENS, help="Most tokens of a batch, padding counted.")
    ] = Limits.batch_tokens,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Name to answer to beside localhost; may be repeated.")
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Answer only with bundles that its owner signed.", envvar="ASSAY_PUBLIC_KEY"),
    ] = None,
    drain: Annotated[
        float,
        typer.Option(min=0, max=LONGEST_SECONDS, metavar="SECONDS", help="From SIGTERM to the closed door."),
    ] = 1.0,
    log: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write lengths and answers there, for assay monitor.")
    ] = None,
    log_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the rows that are written.")] = 1.0,
    log_texts: Annotated[bool, typer.Option("--log-texts", help="Write the texts, too.")] = False,
    log_days: Annotated[float, typer.Option(min=0, max=LONGEST_DAYS, help="Remove what was written longer ago.")] = 30,
    store: Store = Path(".assay"),
) -> None:
    """Answer over HTTP: /predict, Open Inference Protocol (/v2), MLflow (/invocations); page at /, figures at /metrics.

    SIGTERM ends it in order: not ready any more, what is in flight is answered, exit code 143. Ctrl-C skips the wait
    before that, exit code 130.
    """
    check_port(port)
    settings = Settings(
        model=model,
        host=host,
        port=port,
        threads=threads,
        follow=follow,
        token=read_token(token),
        allowed_hosts=tuple(allow_host or ()),
        drain=drain,
        public_key=public_key,
        tracking_uri=registry_uri(model, store),
        log=LogSettings(log, log_share, log_texts, log_days) if log else None,
        limits=Limits(
            deadline=deadline, body=max_body, rows=max_rows, queue_tokens=queue_tokens, batch_tokens=batch_tokens
        ),
    )

    from assay.serving.http.server import serve as answer

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    answer(settings)
