"""The local stack of `assay up`, and its recovery from failures: `make machine`.

Both servers require passwords, so that everything is tested with authentication.
"""

import json
import os
import re
import shlex
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
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.events.schemas.events import ReceivedEvent
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from assay.deployments.local_stack import LocalStack
from tests.flows.tiny import make_recipe, write_rows
from tests.ports import free_port
from tests.processes import children_of, command_of, variable_of
from tests.servers import ROOT

pytestmark = [
    pytest.mark.slow,  # two servers, two workers and trainings that are killed: each process imports its packages
    pytest.mark.skipif(
        not os.environ.get("ASSAY_TEST_LOCAL_STACK"), reason="minutes of servers and trainings: make machine"
    ),
]

PATIENCE_S = 900  # the machine may be busy
PASSWORD = "correct-horse-battery"
PREFECT_USER = f"admin:{PASSWORD}"
PASSWORDS = {
    "PREFECT_SERVER_API_AUTH_STRING": PREFECT_USER,
    "PREFECT_API_AUTH_STRING": PREFECT_USER,
    "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "any",
    "MLFLOW_TRACKING_USERNAME": "admin",
    "MLFLOW_TRACKING_PASSWORD": PASSWORD,
}
# Long enough that an idle machine is still training when the command that interrupts it has started.
LONG = {"epochs": 120, "batch_size": 8}


class Running:
    """A running local stack, and the working folder of its commands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = LocalStack(folder / "store", free_port(), free_port())
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.environment = {**os.environ, **PASSWORDS, "PYTHONPATH": path}

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Call `assay`."""
        return self.run([sys.executable, "-m", "assay.cli", *words])

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Call a command in the folder, with the environment of the stack."""
        environment = {**self.environment, **self.stack.environment}
        return subprocess.run(
            command,
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def assay(self, *words: str) -> str:
        """Call `assay`, and return its output."""
        result = self.call(*words)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def up(self) -> None:
        """Start everything."""
        ports = ["--prefect-port", str(self.stack.prefect_port), "--mlflow-port", str(self.stack.mlflow_port)]
        self.assay("up", *ports)

    @contextmanager
    def patched_environment(self) -> Iterator[None]:
        """Set the environment of the stack within a `with` block."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def process(self, name: str) -> psutil.Process:
        """Return the process of a server or worker."""
        [process] = [record.process() for record in self.stack.processes.running() if record.name == name]
        assert process is not None
        return process

    def engine(self, flow_run: UUID) -> psutil.Process:
        """Return the process of a flow run; schedules and automations may have started others."""
        [process] = [
            child
            for child in children_of(self.process("assay-cpu").pid)
            if "prefect.engine" in " ".join(command_of(child))
            and variable_of(child, "PREFECT__FLOW_RUN_ID") == str(flow_run)
        ]
        return process

    def folder_of(self, flow_run: UUID) -> Path:
        """Return the folder of a run."""
        return self.stack.store / "runs" / str(flow_run)

    def begin(self, client: SyncPrefectClient, **changes: Any) -> UUID:
        """Start a training."""
        deployment = client.read_deployment_by_name("train/tiny-on-demand")
        recipe: dict[str, Any] = deployment.parameters["recipe"]
        changed = {**recipe, **{key: {**recipe[key], **value} for key, value in changes.items()}}
        return client.create_flow_run_from_deployment(deployment.id, parameters={"recipe": changed}).id

    def begin_and_reach_training(self, client: SyncPrefectClient) -> UUID:
        """Start a training, and wait until it has a checkpoint to resume from."""
        flow_run = self.begin(client, training=LONG)
        wait_for(lambda: list(self.folder_of(flow_run).glob("train-*.partial/**/checkpoint-*/*.json")))
        return flow_run


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("machine"))
    recipe = make_recipe(write_rows(running.folder / "rows.jsonl"), training={"epochs": 6, "batch_size": 8})
    (running.folder / "tiny.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    api = running.stack.environment["PREFECT_API_URL"]
    try:
        running.up()
        with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: PREFECT_USER}):
            yield running
    finally:
        running.stack.processes.stop()


@pytest.fixture
def client(running: Running) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@contextmanager
def listener() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield a URL for notifications, and the list of those received."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    until = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < until
        time.sleep(0.2)
    return result


def events(client: SyncPrefectClient, name: str, about: str) -> list[ReceivedEvent]:
    """Return the events with this name, the newest first, whose resource ID begins with `about`."""
    received = client.read_events(EventFilter(event=EventNameFilter(name=[name])), limit=50).events
    return [event for event in received if event.resource.id.startswith(about)]


def responds(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def lives(pid: int) -> bool:
    """Return whether a process is running; a child of this test stays a zombie until it is waited for."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def state(client: SyncPrefectClient, flow_run: UUID) -> str:
    flow_state = client.read_flow_run(flow_run).state
    assert flow_state is not None
    return str(flow_state.name)


def wait_until_completed(client: SyncPrefectClient, flow_run: UUID) -> FlowRun:
    """Wait for the end of a run that may crash and resume."""

    def ended() -> bool:
        name = state(client, flow_run)
        assert name not in ("Failed", "Cancelled"), name
        return name == "Completed"

    wait_for(ended)
    return client.read_flow_run(flow_run)


def test_servers_refuse_requests_without_a_password(running: Running) -> None:
    prefect, mlflow = (running.stack.environment[name] for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"))
    body = {"limit": 1}
    assert httpx.post(f"{prefect}/flow_runs/filter", json=body).status_code == 401
    assert httpx.post(f"{prefect}/flow_runs/filter", json=body, auth=("admin", PASSWORD)).status_code == 200
    search = f"{mlflow}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(search).status_code == 401
    assert httpx.get(search, auth=("admin", PASSWORD)).status_code == 200


def test_training_on_demand_promotes_a_champion_and_notifies(running: Running, client: SyncPrefectClient) -> None:
    # Given a deployed recipe and a notification block,
    with listener() as (address, received):
        block = CustomWebhookNotificationBlock(
            name="assay", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save("assay")
        deployed = running.assay("deploy", "tiny.yaml").split()
        assert deployed == ["train/tiny-on-demand", "train/tiny-on-drift", "train/tiny-weekly"]
        # when one run starts, and another that cannot pass the gate,
        promoted, refused = running.begin(client), running.begin(client, gate={"max_size_mb": 0.001})
        wait_until_completed(client, promoted)
        wait_until_completed(client, refused)
        # then both outcomes are reported,
        wait_for(lambda: len(received) >= 2)
    [first], [second] = (events(client, name, "assay.model.tiny") for name in ("assay.promoted", "assay.refused"))
    assert {message["subject"]: message["body"] for message in received} == {
        "assay.promoted: tiny": first.payload["summary"],
        "assay.refused: tiny": second.payload["summary"],
    }
    # and the champion is in MLflow.
    with running.patched_environment():
        registry = MlflowClient(running.stack.environment["MLFLOW_TRACKING_URI"])
        champion = registry.get_model_version_by_alias("tiny", "champion")
        run = registry.get_run(str(champion.run_id))
    assert champion.tags["assay.promoted_at"]
    assert run.data.tags["prefect.flow_run"] == str(promoted)


def test_recovery_resumes_a_killed_run_after_half_a_minute(running: Running, client: SyncPrefectClient) -> None:
    flow_run = running.begin_and_reach_training(client)
    running.engine(flow_run).send_signal(signal.SIGKILL)

    assert wait_until_completed(client, flow_run).run_count == 2
    assert len(list(running.folder_of(flow_run).glob("extract-*"))) == 1
    about = f"prefect.flow-run.{flow_run}"
    crashed, [waits] = (
        events(client, "prefect.flow-run.Crashed", about),
        events(client, "prefect.flow-run.AwaitingRetry", about),
    )
    again = events(client, "prefect.flow-run.Pending", about)[0]
    assert all(event.occurred < waits.occurred for event in crashed)
    # Half a minute, less the ten seconds that the worker looks ahead.
    assert (again.occurred - waits.occurred).total_seconds() >= 19


def test_training_survives_a_restart_of_the_prefect_server(running: Running, client: SyncPrefectClient) -> None:
    flow_run = running.begin_and_reach_training(client)
    server = running.process("prefect")
    server.kill()
    server.wait()
    with running.patched_environment():
        running.stack.start_prefect()
    health = f"{running.stack.environment['PREFECT_API_URL']}/health"
    wait_for(lambda: responds(health))

    assert wait_until_completed(client, flow_run).run_count == 1


def test_recovery_resumes_a_run_after_its_worker_is_replaced(running: Running, client: SyncPrefectClient) -> None:
    flow_run = running.begin_and_reach_training(client)
    engine = running.engine(flow_run)
    for process in (running.process("assay-cpu"), engine):
        process.send_signal(signal.SIGKILL)
        process.wait()

    wait_for(lambda: state(client, flow_run) == "Crashed")
    with running.patched_environment():
        running.stack.start_worker("assay-cpu")
    assert wait_until_completed(client, flow_run).run_count == 2


def test_drift_event_starts_a_retraining(running: Running, client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("train/tiny-on-drift")

    def started() -> list[FlowRun]:
        return [run for run in client.read_flow_runs(limit=50) if run.deployment_id == deployment.id]

    emit_event("assay.drift", resource={"prefect.resource.id": "assay.model.tiny"}, payload={"summary": "drift"})
    EventsWorker.drain_all()
    [flow_run] = wait_for(started)
    client.delete_flow_run(flow_run.id)


def test_schedules_create_runs(running: Running, client: SyncPrefectClient) -> None:
    deployment = client.read_deployment_by_name("train/snips-weekly")
    wait_for(lambda: [run for run in client.read_flow_runs(limit=100) if run.deployment_id == deployment.id])


def test_prefect_commands_of_the_documentation_succeed(running: Running, client: SyncPrefectClient) -> None:
    for command in page_commands():
        deployment = client.read_deployment_by_name("train/snips-weekly")
        words = [word.replace("SCHEDULE_ID", str(deployment.schedules[0].id)) for word in shlex.split(command)]
        result = running.run([sys.executable, "-m", *words])
        assert result.returncode == 0, command + result.stdout + result.stderr
    assert not client.read_deployment_by_name("train/snips-weekly").schedules[0].active
    assert client.read_work_pool("assay-docker").type == "docker"
    started = client.read_flow_runs(limit=100)
    runs = {run.deployment_id: run for run in started}
    for name in ("train/snips-on-demand", "rollback/on-demand"):
        client.delete_flow_run(runs[client.read_deployment_by_name(name).id].id)


def page_commands() -> list[str]:
    """Return the Prefect commands of docs/operating.md, except for workers, which do not exit."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).splitlines()
    commands = [part.strip() for line in lines for part in line.split("&&")]
    return [command for command in commands if command.startswith("prefect ") and "worker start" not in command]


def test_up_refuses_to_start_twice(running: Running) -> None:
    assert {record.name for record in running.stack.processes.running()} == {
        "prefect",
        "mlflow",
        "assay-cpu",
        "assay-gpu",
    }
    refused = running.call("up", "--store", str(running.stack.store))
    assert refused.returncode == 1
    assert "is already running" in refused.stderr


def test_down_stops_everything_and_up_resumes_a_run_in_progress(running: Running, client: SyncPrefectClient) -> None:
    flow_run = running.begin_and_reach_training(client)
    processes = [record.pid for record in running.stack.processes.running()] + [running.engine(flow_run).pid]

    assert "prefect" in running.assay("down")
    assert not any(lives(pid) for pid in processes)
    assert not running.stack.processes.running()

    running.up()
    assert wait_until_completed(client, flow_run).run_count == 2
