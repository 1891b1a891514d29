"""Deploy work pools, deployments and automations to a Prefect server, or update those that exist."""

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
# Name -> maximum number of concurrent runs; a GPU has room for one training.
POOLS: dict[str, int | None] = {"assay-cpu": None, "assay-gpu": 1}
# The recipe whose deployments are the template for those of a user's recipe.
TEMPLATE = "snips"


def deploy(recipes: Sequence[str] = ()) -> list[str]:
    """Create or update pools, deployments and automations.

    Args:
        recipes: recipe files whose trainings are deployed; if empty, all deployments in `prefect.yaml`.

    Returns:
        Names of the deployments, `FLOW/NAME`.

    Raises:
        AssayError: no Prefect server is set or it is not responding, a recipe is invalid, or `prefect deploy` fails.
    """
    if not PREFECT_API_URL.value():
        raise AssayError("PREFECT_API_URL is not set; set it, or start a Prefect server with assay up")
    files = [str(Path(recipe).resolve()) for recipe in recipes]
    names = [load_recipe(file).name for file in files]
    try:
        with get_client(sync_client=True) as client:
            put_pools(client)
            before = {deployment.id: deployment.updated for deployment in client.read_deployments()}
            _prefect_deploy(names, files)
            put_automations(client)
            deployments = client.read_deployments()
            changed = [deployment for deployment in deployments if before.get(deployment.id) != deployment.updated]
            flows = {
                flow_id: client.read_flow(flow_id).name for flow_id in {deployment.flow_id for deployment in changed}
            }
            return sorted(f"{flows[deployment.flow_id]}/{deployment.name}" for deployment in changed)
    except httpx.HTTPError as error:
        url = PREFECT_API_URL.value()
        raise AssayError(f"{url} is not responding correctly ({error}); check that it is running") from error


def put_pools(client: SyncPrefectClient) -> None:
    """Create or update the process pools for CPU and GPU."""
    for name, limit in POOLS.items():
        try:
            client.read_work_pool(name)
        except ObjectNotFound:
            template = run_coro_as_sync(get_default_base_job_template_for_infrastructure_type("process"))
            pool = WorkPoolCreate(name=name, type="process", base_job_template=template or {}, concurrency_limit=limit)
            client.create_work_pool(pool)
        else:
            client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))


def deployments_for(names: Sequence[str]) -> dict[str, Any]:
    """Return `prefect.yaml` with trainings of these recipes only, built from those of the template."""
    content: dict[str, Any] = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    template = [entry for entry in content["deployments"] if entry["name"].startswith(f"{TEMPLATE}-")]
    deployments = [_renamed(entry, name) for name in names for entry in template]
    return {**{key: content[key] for key in ("name", "build", "pull")}, "deployments": deployments}


def _renamed(value: Any, name: str) -> Any:
    """Return a part of the template for another recipe."""
    if isinstance(value, dict):
        return {key: _renamed(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, name) for item in value]
    return value.replace(TEMPLATE, name) if isinstance(value, str) else value


def _prefect_deploy(names: Sequence[str], files: Sequence[str]) -> None:
    """Call `prefect deploy`.

    Raises:
        AssayError: the command fails.
    """
    with ExitStack() as stack:
        path = PREFECT_FILE
        if names:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "prefect.yaml"
            path.write_text(yaml.safe_dump(deployments_for(names)), encoding="utf-8")
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(path)]
        environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), RECIPES: os.pathsep.join(files)}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # fixed
    if result.returncode:
        lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
        last = " ".join(lines[-3:])[-600:] or "(no output)"
        raise AssayError(
            f"prefect deploy failed: {last}; run assay doctor, which checks the server and its version, then this again"
        )
