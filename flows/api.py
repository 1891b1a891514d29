"""Training over HTTP: start a deployed recipe with changed settings, and query the run.

`POST /runs` starts a run of the deployment `train/RECIPE-on-demand`, or `train/RECIPE`, through the Prefect API and
responds at once; `GET /runs/ID` returns its state. The training itself runs on the workers of the deployment.
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict
from uuid import UUID

import httpx
import uvicorn
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ExceptionHandler

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_json
from assay.flows.api_access import TOKEN_VARIABLE, check_token, read_body
from assay.flows.overrides import Fault, FaultyParametersError, faults_of, override
from assay.flows.run_outcome import Outcome, find_outcome, read_predictions
from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from assay.serving.http.access import access_middleware
from assay.serving.http.listening import bound_sockets, listen

FLOW, ON_DEMAND = "train", "on-demand"
# The API only shows runs that it has started.
TAG = "assay-api"
KEY_HEADER = "idempotency-key"
STOP_S = 5  # for requests in flight
PARQUET = "application/vnd.apache.parquet"

logger = logging.getLogger(__name__)


class RunRequest(BaseModel):
    """Body of `POST /runs`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Prefect inserts the name into a path unescaped.
    recipe: str = Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Name of a deployed recipe")
    overrides: dict[str, Any] = Field(default_factory=dict, description="`training.KEY` -> value")


class _State(TypedDict):
    prefect: PrefectClient


async def start_run(request: Request) -> Response:
    """Start a deployed recipe, for `POST /runs`; 202 with the address of the run."""
    run_request = read_request(await read_body(request))
    client: PrefectClient = request.state.prefect
    deployment = await find_deployment(client, run_request.recipe)
    recipe = override(deployment.parameters["recipe"], run_request.overrides)
    key = idempotency_key(request, deployment.id)
    request_tag = f"{TAG}-request-{digest_json(run_request.overrides)[:16]}"
    flow_run = await client.create_flow_run_from_deployment(
        deployment.id, parameters={"recipe": recipe}, tags=[TAG, request_tag], idempotency_key=key
    )
    if request_tag not in flow_run.tags:
        raise HTTPException(
            409,
            f"the Idempotency-Key {request.headers[KEY_HEADER]!r} has started run {flow_run.id} of "
            f"{run_request.recipe} with other parameters; send those again, or another key",
        )
    address = request.app.url_path_for("run", run_id=flow_run.id)
    content = {"id": str(flow_run.id), "state": _state(flow_run), "address": address}
    return JSONResponse(content, 202, headers={"Location": address})


async def show_run(request: Request) -> Response:
    """Return state, metrics, verdict and the address of the predictions, for `GET /runs/ID`."""
    run = await find_run(request)
    outcome = await run_in_threadpool(run.outcome)
    verdict = outcome.verdict if outcome else None
    predictions = request.app.url_path_for("predictions", run_id=run.flow_run.id)
    return JSONResponse(
        {
            "id": str(run.flow_run.id),
            "recipe": run.recipe.name,
            "state": _state(run.flow_run),
            "message": run.flow_run.state.message if run.flow_run.state else None,
            "outcome": outcome.outcome if outcome else None,
            "metrics": outcome.metrics if outcome else {},
            "verdict": verdict.model_dump(mode="json") if verdict else None,
            "version": outcome.version if outcome else None,
            "mlflow_run": outcome.mlflow_run if outcome else None,
            "predictions": predictions if outcome and outcome.reported else None,
        }
    )


async def send_predictions(request: Request) -> Response:
    """Send the predictions for the test rows as a Parquet file, for `GET /runs/ID/predictions`."""
    run = await find_run(request)
    content = await run_in_threadpool(run.predictions)
    if content is None:
        raise HTTPException(404, f"run {run.flow_run.id} has no predictions; its state is {_state(run.flow_run)}")
    return Response(content, media_type=PARQUET)


def idempotency_key(request: Request, deployment: UUID) -> str | None:
    """Return the key by which Prefect recognises a repeated request to a deployment; None if none was sent.

    The keys of all runs of a flow share one namespace in Prefect, so the key must not clash with those of other
    clients and schedules.

    Raises:
        FaultyParametersError: the key is empty.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not key.strip():
        reason = "is empty; send a unique key, such as a UUID, or leave the header out"
        raise FaultyParametersError([Fault(parameter="Idempotency-Key", value=key, reason=reason)])
    return f"{TAG}-{digest_json([str(deployment), key])}"


def read_request(body: bytes) -> RunRequest:
    """Read the body of `POST /runs`.

    Raises:
        FaultyParametersError: it is not JSON, or a field is missing, unknown or of another type.
    """
    try:
        return RunRequest.model_validate_json(body)
    except ValidationError as error:
        raise FaultyParametersError(faults_of(error, RunRequest)) from error


async def find_deployment(client: PrefectClient, recipe: str) -> DeploymentResponse:
    """Return the deployment of a recipe.

    Raises:
        FaultyParametersError: there is none.
    """
    deployment = None
    for name in (f"{recipe}-{ON_DEMAND}", recipe):
        with suppress(ObjectNotFound):
            deployment = deployment or await client.read_deployment_by_name(f"{FLOW}/{name}")
    if deployment is None or "recipe" not in deployment.parameters:
        flows = FlowFilter(name=FlowFilterName(any_=[FLOW]))
        names = sorted(deployment.name for deployment in await client.read_deployments(flow_filter=flows))
        reason = f"is not deployed; deployments: {', '.join(names) or 'none'}"
        raise FaultyParametersError([Fault(parameter="recipe", value=recipe, reason=reason)])
    return deployment


@dataclass(frozen=True)
class StartedRun:
    """A run that the API has started."""

    flow_run: FlowRun
    recipe: Recipe
    store: Path

    def outcome(self) -> Outcome | None:
        """Return what the run has recorded in MLflow so far."""
        return find_outcome(str(self.flow_run.id), self.recipe, self.store)

    def predictions(self) -> bytes | None:
        """Return the predictions for the test rows as Parquet; None before the verdict."""
        outcome = self.outcome()
        return read_predictions(outcome, self.recipe, self.store) if outcome else None


async def find_run(request: Request) -> StartedRun:
    """Return the run that the path names, if the API has started it.

    Raises:
        HTTPException: 404 if it has not.
    """
    run_id: UUID = request.path_params["run_id"]
    client: PrefectClient = request.state.prefect
    try:
        flow_run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        flow_run = None
    if flow_run is None or TAG not in flow_run.tags:
        raise HTTPException(404, f"the API has not started a run {run_id}")
    recipe = parse_recipe(flow_run.parameters["recipe"], f"run {run_id}")
    return StartedRun(flow_run, recipe, Path(flow_run.parameters.get("store") or request.app.state.store))


def _state(flow_run: FlowRun) -> str | None:
    return flow_run.state.type.value if flow_run.state else None


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # narrows the type
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _name_faults(request: Request, error: Exception) -> Response:
    assert isinstance(error, FaultyParametersError)  # noqa: S101  # narrows the type
    return JSONResponse({"error": str(error), "parameters": [fault.model_dump() for fault in error.faults]}, 422)


async def _mlflow_is_down(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 503)


async def _prefect_is_down(request: Request, error: Exception) -> Response:
    logger.warning("Prefect: %s", error)
    line = "Prefect is not responding correctly; check PREFECT_API_URL and that the server is running"
    return JSONResponse({"error": line}, 503)


HANDLERS: dict[Any, ExceptionHandler] = {
    HTTPException: _refuse,
    FaultyParametersError: _name_faults,
    AssayError: _mlflow_is_down,
    httpx.HTTPError: _prefect_is_down,
}


def make_app(token: str | None, store: Path) -> Starlette:
    """Build the application.

    Args:
        token: token that clients must send as `Authorization: Bearer TOKEN`. None: accept only clients on this machine.
        store: folder of sqlite if neither recipe nor environment names an MLflow server.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[_State]:
        app.state.store = store
        async with get_client() as client:
            yield {"prefect": client}

    return Starlette(
        routes=[
            Route("/runs", start_run, methods=["POST"]),
            Route("/runs/{run_id:uuid}", show_run, name="run"),
            Route("/runs/{run_id:uuid}/predictions", send_predictions, name="predictions"),
        ],
        middleware=[access_middleware(token)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )


def serve(host: str, port: int, store: Path, *, no_token: bool) -> None:
    """Serve requests until the process is stopped.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free one.
        store: folder of sqlite if neither recipe nor environment names an MLflow server.
        no_token: accept clients on this machine without a token.

    Raises:
        AssayError: there is no token although other machines could reach the address, no Prefect server is configured,
            or the address is in use.
    """
    token = check_token(os.environ.get(TOKEN_VARIABLE), host, no_token=no_token)
    if not PREFECT_API_URL.value():
        raise AssayError("no Prefect server is configured, so no worker would start the runs; set PREFECT_API_URL")
    with bound_sockets(host, port) as sockets:
        config = uvicorn.Config(make_app(token, store), server_header=False, timeout_graceful_shutdown=STOP_S)
        address = listen(sockets, host)
        logging.getLogger("uvicorn.error").info("the API is listening on %s", address)
        uvicorn.Server(config).run(sockets)
