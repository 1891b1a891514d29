"""`assay api` and `assay doctor`: Assay on a machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.common import Store, out


def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8300,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let everybody on this machine start runs.")] = False,
    store: Store = Path(".assay"),
) -> None:
    """Start deployed recipes over HTTP (POST /runs) and tell what became of them (GET /runs/ID).

    Callers send the token in ASSAY_API_TOKEN. Runs are started through the Prefect server in PREFECT_API_URL.
    """
    from flows.api import serve

    serve(host, port, store, no_token=no_token)


def doctor(store: Store = Path(".assay")) -> None:
    """Say what is reachable (MLflow, Prefect, MongoDB, hub, GPU, CPU features) and the remedy for what is not."""
    from deployments.doctor import examine

    table = Table("what", "state", "details")
    for finding in examine(store):
        table.add_row(finding.what, "ok" if finding.ok else "NO", finding.details)
    out.print(table)
