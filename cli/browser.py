"""`assay ui`: the pages of MLflow, and of Prefect where it runs."""

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import Store, echo
from assay.cli.stopping import noting
from assay.runs.mlflow_links import mlflow_page
from assay.serving.address import without_password
from assay.serving.http.listening import check_port


@noting("the pages are closed; runs and models stay")
def ui(
    port: Annotated[int, typer.Option(help="Port of MLflow's pages.")] = 5000,
    open_browser: Annotated[
        bool | None,
        typer.Option("--open/--no-open", help="Open a browser. [default: on a terminal with a display]"),
    ] = None,
    store: Store = Path(".assay"),
) -> None:
    """Open MLflow in a browser: runs, metrics and models.

    Without MLFLOW_TRACKING_URI, the command serves the pages of the store until Ctrl-C. It also prints the address of
    Prefect's pages if PREFECT_API_URL is set.
    """
    check_port(port, least=1)

    from assay.serving.address import SQLITE, existing_tracking_uri

    tracking_uri = existing_tracking_uri(store)
    if prefect := os.environ.get("PREFECT_API_URL"):
        echo(f"Prefect: {without_password(prefect).removesuffix('/').removesuffix('/api')}")
    if not tracking_uri.startswith(SQLITE):
        _announce(tracking_uri, open_browser)
        return

    from assay.deployments.mlflow_page import mlflow_server

    echo("MLflow is starting ...")
    with mlflow_server(tracking_uri, store, port) as (address, process):
        _announce(address, open_browser)
        echo("Ctrl-C closes the pages")
        process.wait()


def _announce(tracking_uri: str, open_browser: bool | None) -> None:
    address = mlflow_page(tracking_uri, "experiments") or without_password(tracking_uri)
    echo(f"MLflow: {address}")
    if _has_display() if open_browser is None else open_browser:
        webbrowser.open(address)


def _has_display() -> bool:
    """Return whether this is a terminal of a desktop."""
    desktop = sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return sys.stdout.isatty() and desktop
