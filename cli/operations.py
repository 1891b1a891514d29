"""`assay api`, `up`, `down`, `deploy` and `doctor`: run the services, deploy flows, and check the environment."""

from pathlib import Path
from typing import Annotated

import typer

from assay.cli.console import AsJson, Overrides, Store, echo, print_json
from assay.cli.exit_codes import ExitCode
from assay.cli.stopping import noting
from assay.cli.terminal_layout import print_block
from assay.serving.http.listening import check_port


@noting("the runs that it has started continue", listens=True)
def api(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8300,
    no_token: Annotated[
        bool, typer.Option("--no-token", help="Let every client on this machine start runs without a token.")
    ] = False,
    store: Store = Path(".assay"),
) -> None:
    """Serve an HTTP API that starts deployed recipes.

    POST /runs starts one, GET /runs/ID shows it.

    Clients send the token in ASSAY_API_TOKEN. Runs are started through the Prefect server in PREFECT_API_URL.
    """
    check_port(port)

    from assay.flows.api import serve

    serve(host, port, store, no_token=no_token)


@noting("the services that it had started are stopped; run the same command again")
def up(
    prefect_port: Annotated[int, typer.Option(help="Port of the Prefect server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow server.")] = 5000,
    store: Store = Path(".assay"),
) -> None:
    """Start Prefect, MLflow and workers on this machine.

    The command starts a server of each, a worker for each pool, and deploys everything.

    They listen on the loopback address only, and keep running after this command until `assay down`. Their logs are in
    the folder `services` of the store. To use PostgreSQL instead of sqlite, set PREFECT_API_DATABASE_CONNECTION_URL
    and MLFLOW_BACKEND_STORE_URI.
    """
    check_port(prefect_port, "--prefect-port", least=1)
    check_port(mlflow_port, "--mlflow-port", least=1)

    from assay.deployments.local_stack import LocalStack

    stack = LocalStack(store.resolve(), prefect_port, mlflow_port)
    for name in stack.up():
        echo(name)
    echo(f"Prefect: http://127.0.0.1:{prefect_port}    MLflow: http://127.0.0.1:{mlflow_port}")
    for variable, value in stack.environment.items():
        echo(f"export {variable}={value}")


@noting("run the same command to stop the rest")
def down(store: Store = Path(".assay")) -> None:
    """Stop what assay up started.

    Runs in progress stop, too, and resume after the next assay up.
    """
    from assay.deployments.local_stack import services

    stopped = services(store.resolve()).stop()
    echo(f"stopped: {', '.join(stopped) or 'nothing was running'}")


def deploy(
    recipes: Annotated[list[str] | None, typer.Argument(metavar="RECIPE", help="Your own recipe files.")] = None,
) -> None:
    """Put deployments and automations on the Prefect server.

    The server is that of PREFECT_API_URL; the command creates work pools, too. With recipes: deploy their trainings,
    on demand, on a schedule and on drift. Without recipes: deploy everything in the prefect.yaml of Assay.
    """
    from assay.deployments.deploy import deploy as deploy_recipes

    for name in deploy_recipes(recipes or []):
        echo(name)


def doctor(
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="Recipe to check for.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    store: Store = Path(".assay"),
) -> None:
    """Check what is reachable, with a remedy for each problem.

    It looks at store, MLflow, Prefect, MongoDB, hub and GPU.

    Exit code 0: everything needed by the recipe, or without one by store and environment, is available; 1: it is not.
    """
    from assay.deployments.doctor import Diagnoses, examine
    from assay.recipes.loader import load_recipe

    loaded = load_recipe(recipe, overrides or []) if recipe is not None else None
    findings = list(examine(store, loaded))
    if as_json:
        print_json(Diagnoses(findings))
    else:
        for finding in findings:
            print_block(f"{'ok' if finding.ok else 'NO'}  {finding.what}", [finding.details])
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(ExitCode.ERROR)
