"""All of Assay on one machine, as `assay up` starts it: from a request to a champion, with a kill on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
import yaml
from mlflow import MlflowClient
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.machine import Machine
from tests.flows.tiny import make_recipe, write_rows
from tests.ports import free_port
from tests.servers import PATIENCE_S, ROOT

pytestmark = [
    pytest.mark.slow,  # two servers, two workers and a training: each process imports its packages
    # It has not passed yet: a restarted run can outlast the patience of the test.
    pytest.mark.skipif(not os.environ.get("ASSAY_TEST_MACHINE"), reason="set ASSAY_TEST_MACHINE=1 to start servers"),
]

PICK_UP_S = 10


class Running:
    """A machine that is up, and a folder that its commands are called in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = Machine(folder / "store", free_port(), free_port())
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

    def assay(self, *words: str) -> str:
        """Call `assay`; gives what it shows."""
        command = [sys.executable, "-m", "cli", *words]
        environment = {**self.environment, **self.machine.environment}
        done = subprocess.run(
            command,
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S * 2,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def engine(self) -> psutil.Process | None:
        """The process of the flow run in progress."""
        workers = [one.process() for one in self.machine.processes.running() if one.name == "assay-cpu"]
        for worker in filter(None, workers):
            for child in worker.children(recursive=True):
                if "prefect.engine" in " ".join(child.cmdline()):
                    return child
        return None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = Running(tmp_path_factory.mktemp("machine"))
    ports = ["--prefect-port", str(place.machine.prefect_port), "--mlflow-port", str(place.machine.mlflow_port)]
    try:
        place.assay("up", *ports)
        with temporary_settings({PREFECT_API_URL: place.machine.environment["PREFECT_API_URL"]}):
            yield place
    finally:
        place.machine.processes.stop()


@pytest.fixture
def client(running: Running) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@contextmanager
def listener() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that notifications can be sent to, and those that came."""
    heard: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


def events(name: str) -> list[dict[str, Any]]:
    """Those of this name that the server has, the newest first."""
    answer = httpx.post(f"{PREFECT_API_URL.value()}/events/filter", json={"filter": {"event": {"name": [name]}}})
    found: list[dict[str, Any]] = answer.raise_for_status().json()["events"]
    return found


def state(client: SyncPrefectClient, flow_run: UUID) -> str:
    found = client.read_flow_run(flow_run).state
    assert found is not None
    return str(found.name)


def test_a_run_is_picked_up_killed_gone_on_with_and_ends_with_a_champion_that_is_told_of(
    running: Running, client: SyncPrefectClient
) -> None:
    # given a deployed recipe and a block that notifies
    recipe = make_recipe(write_rows(running.folder / "rows.jsonl"), training={"epochs": 30, "batch_size": 8})
    (running.folder / "tiny.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    with listener() as (address, heard):
        block = CustomWebhookNotificationBlock(
            name="assay", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save("assay")
        assert running.assay("deploy", "tiny.yaml").split() == [
            "train/tiny-on-demand",
            "train/tiny-on-drift",
            "train/tiny-weekly",
        ]

        # when a run is requested, and its process killed in training
        deployment = client.read_deployment_by_name("train/tiny-on-demand")
        begun = time.monotonic()
        flow_run = client.create_flow_run_from_deployment(deployment.id).id
        wait_for(lambda: state(client, flow_run) != "Scheduled")
        assert time.monotonic() - begun < PICK_UP_S
        folder = running.machine.store / "runs" / str(flow_run)
        wait_for(lambda: list(folder.glob("train-*.partial/**/checkpoint-*/*.json")))
        process = running.engine()
        assert process is not None
        process.send_signal(signal.SIGKILL)

        # then it is started again by itself, goes on where it was, and promotes
        wait_for(lambda: state(client, flow_run) == "Completed", 2 * PATIENCE_S)
        assert client.read_flow_run(flow_run).run_count == 2
        assert len(list(folder.glob("extract-*"))) == 1
        [promoted] = wait_for(lambda: events("assay.promoted"))
        assert promoted["resource"]["prefect.resource.id"] == "assay.model.tiny"
        wait_for(lambda: heard)
    assert heard[0] == {"subject": "assay.promoted: tiny", "body": promoted["payload"]["summary"]}
    registry = MlflowClient(running.machine.environment["MLFLOW_TRACKING_URI"])
    champion = registry.get_model_version_by_alias("tiny", "champion")
    assert champion.tags["assay.promoted_at"]
    assert registry.get_run(str(champion.run_id)).data.tags["prefect.flow_run"] == str(flow_run)


def test_drift_starts_a_retraining(running: Running, client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("train/tiny-on-drift")

    def started() -> list[FlowRun]:
        return [one for one in client.read_flow_runs(limit=50) if one.deployment_id == deployment.id]

    emit_event("assay.drift", resource={"prefect.resource.id": "assay.model.tiny"}, payload={"summary": "drift"})
    EventsWorker.drain_all()
    [flow_run] = wait_for(started)
    client.delete_flow_run(flow_run.id)


def test_schedules_are_kept(running: Running, client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("train/snips-weekly")
    wait_for(lambda: [one for one in client.read_flow_runs(limit=100) if one.deployment_id == deployment.id])


def test_up_refuses_to_start_twice_and_down_leaves_nothing(running: Running) -> None:
    started = running.machine.processes.running()
    assert [one.name for one in started] == ["prefect", "mlflow", "assay-cpu", "assay-gpu"]
    refused = subprocess.run(
        [sys.executable, "-m", "cli", "up", "--store", str(running.machine.store)],
        env=running.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 1
    assert "run already" in refused.stderr

    assert "prefect" in running.assay("down")

    assert not running.machine.processes.running()
    assert not any(psutil.pid_exists(one.pid) for one in started)
