"""Cost of Prefect: latency until a worker takes a request, per task run, and per training (`make bench-operations`).

Requires the servers of `make up` and PREFECT_API_URL. Ten requests of a deployment that does nearly nothing; then a
flow of empty tasks; then the training of `make demo`, whose time outside of tasks counts as Prefect's.
"""

import os
import statistics
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from prefect import flow, get_client, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort

from assay.deployments.leftovers import RECOVER
from assay.flows.training import train
from assay.recipes.loader import load_recipe
from benchmarks.results import Row, write_rows
from demo.__main__ import RECIPE, fill
from demo.wire import WireServer

COMMAND = "make bench-operations"
REQUESTS, TASKS, ROUNDS = 10, 200, 5
# After this time the request counts as not taken.
PATIENCE_S = 120
# Run in this process: in a deployment, a training would be queued like any other run.
DEPLOYMENT = RECOVER


def main() -> None:
    """Measure and record."""
    load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    waits = pick_ups()
    nothing(1)  # imports, the first connection
    costs = [nothing(TASKS) / TASKS * 1000 for _ in range(ROUNDS)]
    rows = [
        Row(
            measure="seconds from a request to a worker that took it, slowest of 10",
            value=round(max(waits), 2),
            better="lower",
            required=10,
            spread=(round(min(waits), 2), round(max(waits), 2)),
            command=COMMAND,
            note=f"median {statistics.median(waits):.2f} s; the worker polls every 2 s; {load}",
        ),
        Row(
            measure="Prefect's overhead a task run, ms",
            value=round(statistics.median(costs), 1),
            better="lower",
            spread=(round(min(costs), 1), round(max(costs), 1)),
            command=COMMAND,
            note=f"{TASKS} tasks that do nothing, one after another in a flow, {ROUNDS} rounds; {load}",
        ),
        orchestration(load),
    ]
    write_rows("operations", rows)


def pick_ups() -> list[float]:
    """Return the seconds from each request to a state that only a worker sets."""
    waits = []
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(DEPLOYMENT)
        for _ in range(REQUESTS):
            begun = time.perf_counter()
            # There is no such id, so that the run ends at once.
            flow_run = client.create_flow_run_from_deployment(deployment.id, parameters={"flow_run_id": str(uuid4())})
            while (state := client.read_flow_run(flow_run.id).state) is None or state.is_scheduled():
                assert time.perf_counter() - begun < PATIENCE_S, f"no worker took a run of {DEPLOYMENT}"
                time.sleep(0.05)
            waits.append(time.perf_counter() - begun)
    return waits


def orchestration(load: str) -> Row:
    """Return the share of a short training, from its first state to its last, that is spent outside its tasks."""
    with tempfile.TemporaryDirectory() as folder, WireServer() as server:
        os.environ["ASSAY_DEMO_MONGODB"] = server.uri
        fill(server.uri)
        # Do not write to the registry of the running servers.
        train(load_recipe(RECIPE, [f"registry.tracking_uri=sqlite:///{folder}/mlflow.db"]), Path(folder))
    with get_client(sync_client=True) as client:
        named = FlowFilter(name=FlowFilterName(any_=[train.name]))
        [run] = client.read_flow_runs(flow_filter=named, sort=FlowRunSort.END_TIME_DESC, limit=1)
        tasks = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    whole = run.total_run_time.total_seconds()
    inside = sum(run.total_run_time.total_seconds() for run in tasks)
    return Row(
        measure="share of a short training that is spent outside of its tasks",
        value=round(1 - inside / whole, 4),
        better="lower",
        command=COMMAND,
        note=f"the training of make demo: {whole:.1f} s, {len(tasks)} task runs of {inside:.1f} s together; {load}",
    )


@task(cache_policy=NO_CACHE)
def idle() -> None:
    """Do nothing."""


@flow
def nothing(tasks: int) -> float:
    """Run so many tasks, one after another. Returns: their seconds, without the end of the flow itself."""
    begun = time.perf_counter()
    for _ in range(tasks):
        idle()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
