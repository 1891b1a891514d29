"""Put everything on a Prefect server: work pools, deployments, automations. Called again, it brings them up to date."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL
from prefect.utilities.asyncutils import run_coro_as_sync
from prefect.workers.utilities import get_default_base_job_template_for_infrastructure_type

from assay.corpus.errors import AssayError
from assay.deployments.automations import put_automations
from assay.deployments.build_steps import RECIPES
from assay.recipes.loader import load_recipe

PREFECT_FILE = Path(__file__).with_name("prefect.yaml")
# Name -> how many runs at the same time; a GPU holds one training.
POOLS: dict[str, int | None] = {"assay-cpu": None, "assay-gpu": 1}
# The recipe whose deployments are the pattern for those of a user's recipe.
PATTERN = "snips"


def deploy(recipes: Sequence[str] = ()) -> list[str]:
    """Create or update pools, deployments and automations.

    Args:
        recipes: recipe files to deploy the trainings of; none: all that stands in `prefect.yaml`.

    Returns:
        The names of the deployments, `FLOW/NAME`.

    Raises:
        AssayError: no Prefect server is named or it does not answer, a recipe is not right, or Prefect refuses.
    """
    if not PREFECT_API_URL.value():
        raise AssayError("no Prefect server is named to deploy to; set PREFECT_API_URL, or start one with assay up")
    files = [str(Path(recipe).resolve()) for recipe in recipes]
    names = [load_recipe(file).name for file in files]
    try:
        with get_client(sync_client=True) as client:
            put_pools(client)
            before = {one.id: one.updated for one in client.read_deployments()}
            _prefect_deploy(names, files)
            put_automations(client)
            changed = [one for one in client.read_deployments() if before.get(one.id) != one.updated]
            flows = {one.flow_id: client.read_flow(one.flow_id).name for one in changed}
            return sorted(f"{flows[one.flow_id]}/{one.name}" for one in changed)
    except httpx.HTTPError as error:
        raise AssayError(f"{PREFECT_API_URL.value()} does not do its part ({error}); check that it is up") from error


def put_pools(client: SyncPrefectClient) -> None:
    """Process pools for the CPU and the GPU of machines."""
    for name, limit in POOLS.items():
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            template = run_coro_as_sync(get_default_base_job_template_for_infrastructure_type("process"))
            pool = WorkPoolCreate(name=name, type="process", base_job_template=template or {}, concurrency_limit=limit)
            client.create_work_pool(pool)
        else:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))


def pattern_for(names: Sequence[str]) -> dict[str, Any]:
    """`prefect.yaml` with the trainings of these recipes alone, made as those of the pattern are."""
    whole: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    pattern = [one for one in whole["deployments"] if one["name"].startswith(f"{PATTERN}-")]
    deployments = [_renamed(one, name) for name in names for one in pattern]
    return {**{key: whole[key] for key in ("name", "build", "pull")}, "deployments": deployments}


def _renamed(value: Any, name: str) -> Any:
    """A part of a deployment of the pattern, for another recipe."""
    if isinstance(value, dict):
        return {key: _renamed(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, name) for one in value]
    return value.replace(PATTERN, name) if isinstance(value, str) else value


def _prefect_deploy(names: Sequence[str], files: Sequence[str]) -> None:
    """`prefect deploy`, as people would call it.

    Raises:
        AssayError: it refuses.
    """
    with ExitStack() as stack:
        path = PREFECT_FILE
        if names:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "prefect.yaml"
            path.write_text(yaml.safe_dump(pattern_for(names)), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), RECIPES: os.pathsep.join(files)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # fixed
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise AssayError(f"prefect deploy failed: {' '.join(lines[-3:])[-600:]}")
