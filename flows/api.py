"""Training over HTTP: start a deployed recipe with other settings, and ask what became of it.

`POST /runs` starts a run of the deployment `train/RECIPE-on-demand`, or `train/RECIPE`, through the Prefect API and
answers at once; `GET /runs/ID` tells how far it is. Training itself happens where the deployment runs.
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
from assay.serving.http.access import guard
from assay.serving.http.listening import listen, taken

FLOW, ON_DEMAND = "train", "on-demand"
# Only runs that were started here are told of here.
TAG = "assay-api"
KEY_HEADER = "idempotency-key"
STOP_S = 5  # for requests in flight
PARQUET = "application/vnd.apache.parquet"

logger = logging.getLogger(__name__)


class RunRequest(BaseModel):
    """Body of `POST /runs`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    # Prefect puts it into a path as it stands.
    recipe: str = Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", description="Name of a deployed recipe")
    overrides: dict[str, Any] = Field(default_factory=dict, description="`training.KEY` -> value")


class _State(TypedDict):
    prefect: PrefectClient


async def start_run(request: Request) -> Response:
    """`POST /runs`: start a deployed recipe; 202 with the address of the run."""
    wanted = read_request(await read_body(request))
    client: PrefectClient = request.state.prefect
    deployment = await find_deployment(client, wanted.recipe)
    recipe = override(deployment.parameters["recipe"], wanted.overrides)
    key, sent = idempotency_key(request, deployment.id), f"{TAG}-request-{digest_json(wanted.overrides)[:16]}"
    flow_run = await client.create_flow_run_from_deployment(
        deployment.id, parameters={"recipe": recipe}, tags=[TAG, sent], idempotency_key=key
    )
    if sent not in flow_run.tags:
        raise HTTPException(
            409,
            f"the Idempotency-Key {request.headers[KEY_HEADER]!r} has started run {flow_run.id} of {wanted.recipe} "
            "with other parameters; send those again, or another key",
        )
    address = request.app.url_path_for("run", run_id=flow_run.id)
    answer = {"id": str(flow_run.id), "state": _state(flow_run), "address": address}
    return JSONResponse(answer, 202, headers={"Location": address})


async def show_run(request: Request) -> Response:
    """`GET /runs/ID`: state, figures, verdict, and where the predictions are."""
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
            "figures": outcome.metrics if outcome else {},
            "verdict": verdict.model_dump(mode="json") if verdict else None,
            "version": outcome.version if outcome else None,
            "mlflow_run": outcome.mlflow_run if outcome else None,
            "predictions": predictions if outcome and outcome.reported else None,
        }
    )


async def send_predictions(request: Request) -> Response:
    """`GET /runs/ID/predictions`: the answers to the test rows, as a Parquet file."""
    run = await find_run(request)
    content = await run_in_threadpool(run.predictions)
    if content is None:
        raise HTTPException(404, f"run {run.flow_run.id} has no predictions; its state is {_state(run.flow_run)}")
    return Response(content, media_type=PARQUET)


def idempotency_key(request: Request, deployment: UUID) -> str | None:
    """Return the key by which Prefect knows a repeated request, one for each deployment; None where none was sent.

    Prefect keeps the keys of all runs of a flow together: those that other callers and schedules use must not be met.

    Raises:
        FaultyParametersError: the key is empty.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if not key.strip():
        reason = "is empty; send a key of your own, such as a UUID, or leave the header out"
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
        raise FaultyParametersError(faults_of(error)) from error


async def find_deployment(client: PrefectClient, recipe: str) -> DeploymentResponse:
    """The deployment of a recipe.

    Raises:
        FaultyParametersError: there is none.
    """
    deployment = None
    for name in (f"{recipe}-{ON_DEMAND}", recipe):
        with suppress(ObjectNotFound):
            deployment = deployment or await client.read_deployment_by_name(f"{FLOW}/{name}")
    if deployment is None or "recipe" not in deployment.parameters:
        flows = FlowFilter(name=FlowFilterName(any_=[FLOW]))
        names = sorted(one.name for one in await client.read_deployments(flow_filter=flows))
        reason = f"is not deployed; deployed are {', '.join(names) or 'none'}"
        raise FaultyParametersError([Fault(parameter="recipe", value=recipe, reason=reason)])
    return deployment


@dataclass(frozen=True)
class StartedRun:
    """A run that was started here."""

    flow_run: FlowRun
    recipe: Recipe
    store: Path

    def outcome(self) -> Outcome | None:
        """What it has left in MLflow so far."""
        return find_outcome(str(self.flow_run.id), self.recipe, self.store)

    def predictions(self) -> bytes | None:
        """The answers to the test rows, as Parquet; None before the verdict."""
        outcome = self.outcome()
        return read_predictions(outcome, self.recipe, self.store) if outcome else None


async def find_run(request: Request) -> StartedRun:
    """The run that the path names, if it was started here.

    Raises:
        HTTPException: 404.
    """
    run_id: UUID = request.path_params["run_id"]
    client: PrefectClient = request.state.prefect
    try:
        flow_run = await client.read_flow_run(run_id)
    except ObjectNotFound:
        flow_run = None
    if flow_run is None or TAG not in flow_run.tags:
        raise HTTPException(404, f"no run {run_id} was started here")
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
    return JSONResponse({"error": "Prefect does not do its part; check PREFECT_API_URL and that the server is up"}, 503)


HANDLERS: dict[Any, ExceptionHandler] = {
    HTTPException: _refuse,
    FaultyParametersError: _name_faults,
    AssayError: _mlflow_is_down,
    httpx.HTTPError: _prefect_is_down,
}


def make_app(token: str | None, store: Path) -> Starlette:
    """The application.

    Args:
        token: what callers have to send as `Authorization: Bearer TOKEN`; none: only callers on this machine
            are let in.
        store: folder of sqlite where recipe and environment name no MLflow server.
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
        middleware=[guard(token)],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )


def serve(host: str, port: int, store: Path, *, no_token: bool) -> None:
    """Answer until the process is ended.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes any free one.
        store: folder of sqlite where recipe and environment name no MLflow server.
        no_token: let callers of this machine in without a token.

    Raises:
        AssayError: no token guards it though others could reach it, no Prefect server is named, or the address cannot
            be taken.
    """
    token = check_token(os.environ.get(TOKEN_VARIABLE), host, no_token=no_token)
    if not PREFECT_API_URL.value():
        raise AssayError("no Prefect server is named, so nobody would run what is started; set PREFECT_API_URL")
    with taken(host, port) as sockets:
        config = uvicorn.Config(make_app(token, store), server_header=False, timeout_graceful_shutdown=STOP_S)
        address = listen(sockets, host)
        logging.getLogger("uvicorn.error").info("the API answers on %s", address)
        uvicorn.Server(config).run(sockets)
