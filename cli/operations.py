"""`assay api`, `assay up`, `down` and `deploy`, `assay doctor`: Assay on a machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from assay.cli.console import Overrides, Store, echo, out
from assay.cli.stopping import noting
from assay.serving.http.listening import check_port


@noting("runs that it has started go on", listens=True)
def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 8300,
    no_token: Annotated[bool, typer.Option("--no-token", help="Let everybody on this machine start runs.")] = False,
    store: Store = Path(".assay"),
) -> None:
    """Start deployed recipes over HTTP (POST /runs) and tell what became of them (GET /runs/ID).

    Callers send the token in ASSAY_API_TOKEN. Runs are started through the Prefect server in PREFECT_API_URL.
    """
    check_port(port)

    from assay.flows.api import serve

    serve(host, port, store, no_token=no_token)


@noting("what it had started is stopped; run the same command again")
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow server.")] = 5000,
    store: Store = Path(".assay"),
) -> None:
    """Start a Prefect server, an MLflow server and a worker for each pool on this machine, and deploy everything.

    They listen on the loopback alone, and go on behind this command until `assay down`. Their logs lie in
    `services` of the store. PostgreSQL in place of sqlite: PREFECT_API_DATABASE_CONNECTION_URL and
    MLFLOW_BACKEND_STORE_URI.
    """
    check_port(prefect_port, "--prefect-port", least=1)
    check_port(mlflow_port, "--mlflow-port", least=1)

    from assay.deployments.local_stack import LocalStack

    machine = LocalStack(store.resolve(), prefect_port, mlflow_port)
    for name in machine.up():
        echo(name)
    echo(f"Prefect: http://127.0.0.1:{prefect_port}    MLflow: http://127.0.0.1:{mlflow_port}")
    for variable, value in machine.environment.items():
        echo(f"export {variable}={value}")


@noting("run the same command to end the rest")
def down(store: Store = Path(".assay")) -> None:
    """End what `assay up` started, runs in progress with it; after the next `assay up` they go on where they were."""
    from assay.deployments.local_stack import services

    stopped = services(store.resolve()).stop()
    echo(f"ended: {', '.join(stopped) or 'nothing was running'}")


def deploy(
    recipes: Annotated[list[str] | None, typer.Argument(metavar="[RECIPE]...", help="Your own recipe files.")] = None,
) -> None:
    """Put work pools, deployments and automations on the Prefect server in PREFECT_API_URL.

    With recipes: their trainings, on demand, by schedule and on drift. Without: all of deployments/prefect.yaml.
    """
    from assay.deployments.deploy import deploy as put

    for name in put(recipes or []):
        echo(name)


def doctor(
    recipe: Annotated[str | None, typer.Argument(metavar="[RECIPE]", help="Recipe that is to run.")] = None,
    overrides: Overrides = None,
    store: Store = Path(".assay"),
) -> None:
    """Say what is reachable (store, MLflow, Prefect, MongoDB, hub, GPU) and the remedy for what is not.

    Exit code 0: all is there that the recipe, or without one store and environment, need; 1: a NO among these.
    """
    from assay.deployments.doctor import examine
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or []) if recipe is not None else None
    table = Table("what", "state", "details")
    findings = list(examine(store, loaded))
    for finding in findings:
        table.add_row(finding.what, "ok" if finding.ok else "NO", finding.details)
    out.print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(1)
