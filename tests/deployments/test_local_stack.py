"""All of Assay on one machine, as `assay up` starts it, and what breaks on it: `make machine`.

Both servers ask for passwords here, so that whatever works does so with authentication on.
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
from tests.servers import ROOT

pytestmark = [
    pytest.mark.slow,  # two servers, two workers and trainings that are killed: each process imports its packages
    pytest.mark.skipif(
        not os.environ.get("ASSAY_TEST_MACHINE"), reason="minutes of servers and trainings: make machine"
    ),
]

PATIENCE_S = 900  # a busy machine is no fault of the code
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
# Some seconds of training, to break in on.
# So long that a machine with nothing else to do is still at it when the command that ends it has started.
LONG = {"epochs": 120, "batch_size": 8}


class Running:
    """A machine that is up, and a folder that its commands are called in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = LocalStack(folder / "store", free_port(), free_port())
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.environment = {**os.environ, **PASSWORDS, "PYTHONPATH": path}

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Call `assay`."""
        return self.run([sys.executable, "-m", "assay.cli", *words])

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Call a command in the folder, with the addresses of the machine."""
        environment = {**self.environment, **self.machine.environment}
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
        """Call `assay`; gives what it shows."""
        done = self.call(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self) -> None:
        """Start everything."""
        ports = ["--prefect-port", str(self.machine.prefect_port), "--mlflow-port", str(self.machine.mlflow_port)]
        self.assay("up", *ports)

    @contextmanager
    def surroundings(self) -> Iterator[None]:
        """Do what stands in the block with the environment of the machine."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield

    def process(self, name: str) -> psutil.Process:
        """The process of a server or worker."""
        [found] = [one.process() for one in self.machine.processes.running() if one.name == name]
        assert found is not None
        return found

    def engine(self, flow_run: UUID) -> psutil.Process:
        """The process of a flow run; others may have been started by schedules and automations."""
        [found] = [
            child
            for child in self.process("assay-cpu").children(recursive=True)
            if "prefect.engine" in " ".join(child.cmdline())
            and child.environ().get("PREFECT__FLOW_RUN_ID") == str(flow_run)
        ]
        return found

    def folder_of(self, flow_run: UUID) -> Path:
        """Where a run keeps its steps."""
        return self.machine.store / "runs" / str(flow_run)

    def begin(self, client: SyncPrefectClient, **changes: Any) -> UUID:
        """Request a training."""
        deployment = client.read_deployment_by_name("train/tiny-on-demand")
        recipe: dict[str, Any] = deployment.parameters["recipe"]
        changed = {**recipe, **{key: {**recipe[key], **value} for key, value in changes.items()}}
        return client.create_flow_run_from_deployment(deployment.id, parameters={"recipe": changed}).id

    def begin_and_reach_training(self, client: SyncPrefectClient) -> UUID:
        """Request a training, and wait until it has a checkpoint to go on from."""
        flow_run = self.begin(client, training=LONG)
        wait_for(lambda: list(self.folder_of(flow_run).glob("train-*.partial/**/checkpoint-*/*.json")))
        return flow_run


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = Running(tmp_path_factory.mktemp("machine"))
    recipe = make_recipe(write_rows(place.folder / "rows.jsonl"), training={"epochs": 6, "batch_size": 8})
    (place.folder / "tiny.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    api = place.machine.environment["PREFECT_API_URL"]
    try:
        place.up()
        with temporary_settings({PREFECT_API_URL: api, PREFECT_API_AUTH_STRING: PREFECT_USER}):
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


def events(client: SyncPrefectClient, name: str, about: str) -> list[ReceivedEvent]:
    """Those of this name, the newest first, of a resource whose name begins so."""
    found = client.read_events(EventFilter(event=EventNameFilter(name=[name])), limit=50).events
    return [one for one in found if one.resource.id.startswith(about)]


def answers(address: str) -> bool:
    try:
        return httpx.get(address).is_success
    except httpx.TransportError:
        return False


def lives(pid: int) -> bool:
    """Whether a process does anything; one that this test started stays a zombie until it is asked for."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def state(client: SyncPrefectClient, flow_run: UUID) -> str:
    found = client.read_flow_run(flow_run).state
    assert found is not None
    return str(found.name)


def wait_until_completed(client: SyncPrefectClient, flow_run: UUID) -> FlowRun:
    """Wait for the end of a run that may crash on its way."""

    def ended() -> bool:
        name = state(client, flow_run)
        assert name not in ("Failed", "Cancelled"), name
        return name == "Completed"

    wait_for(ended)
    return client.read_flow_run(flow_run)


def test_who_has_no_password_is_refused(running: Running) -> None:
    prefect, mlflow = (running.machine.environment[name] for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"))
    body = {"limit": 1}
    assert httpx.post(f"{prefect}/flow_runs/filter", json=body).status_code == 401
    assert httpx.post(f"{prefect}/flow_runs/filter", json=body, auth=("admin", PASSWORD)).status_code == 200
    search = f"{mlflow}/api/2.0/mlflow/registered-models/search"
    assert httpx.get(search).status_code == 401
    assert httpx.get(search, auth=("admin", PASSWORD)).status_code == 200


def test_a_requested_run_ends_with_a_champion_that_is_told_of(running: Running, client: SyncPrefectClient) -> None:
    # given a deployed recipe and a block that notifies
    with listener() as (address, heard):
        block = CustomWebhookNotificationBlock(
            name="assay", url=address, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        )
        block.save("assay")
        deployed = running.assay("deploy", "tiny.yaml").split()
        assert deployed == ["train/tiny-on-demand", "train/tiny-on-drift", "train/tiny-weekly"]
        # when a run is requested, and another that cannot pass
        promoted, refused = running.begin(client), running.begin(client, gate={"max_size_mb": 0.001})
        wait_until_completed(client, promoted)
        wait_until_completed(client, refused)
        # then both ends are told of
        wait_for(lambda: len(heard) >= 2)
    [first], [second] = (events(client, name, "assay.model.tiny") for name in ("assay.promoted", "assay.refused"))
    assert {one["subject"]: one["body"] for one in heard} == {
        "assay.promoted: tiny": first.payload["summary"],
        "assay.refused: tiny": second.payload["summary"],
    }
    # and the champion stands in MLflow
    with running.surroundings():
        registry = MlflowClient(running.machine.environment["MLFLOW_TRACKING_URI"])
        champion = registry.get_model_version_by_alias("tiny", "champion")
        run = registry.get_run(str(champion.run_id))
    assert champion.tags["assay.promoted_at"]
    assert run.data.tags["prefect.flow_run"] == str(promoted)


def test_a_killed_run_is_started_again_half_a_minute_later_and_goes_on(
    running: Running, client: SyncPrefectClient
) -> None:
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
    assert all(one.occurred < waits.occurred for one in crashed)
    # half a minute, of which the worker looks ten seconds ahead
    assert (again.occurred - waits.occurred).total_seconds() >= 19


def test_a_run_outlives_a_restart_of_the_prefect_server(running: Running, client: SyncPrefectClient) -> None:
    flow_run = running.begin_and_reach_training(client)
    server = running.process("prefect")
    server.kill()
    server.wait()
    with running.surroundings():
        running.machine.start_prefect()
    health = f"{running.machine.environment['PREFECT_API_URL']}/health"
    wait_for(lambda: answers(health))

    assert wait_until_completed(client, flow_run).run_count == 1


def test_a_run_whose_worker_is_gone_too_is_found_and_goes_on_when_there_is_a_worker(
    running: Running, client: SyncPrefectClient
) -> None:
    flow_run = running.begin_and_reach_training(client)
    engine = running.engine(flow_run)
    for process in (running.process("assay-cpu"), engine):
        process.send_signal(signal.SIGKILL)
        process.wait()

    wait_for(lambda: state(client, flow_run) == "Crashed")
    with running.surroundings():
        running.machine.start_worker("assay-cpu")
    assert wait_until_completed(client, flow_run).run_count == 2


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


def test_the_prefect_commands_of_the_page_do_what_they_say(running: Running, client: SyncPrefectClient) -> None:
    for command in page_commands():
        deployment = client.read_deployment_by_name("train/snips-weekly")
        words = [word.replace("SCHEDULE_ID", str(deployment.schedules[0].id)) for word in shlex.split(command)]
        done = running.run([sys.executable, "-m", *words])
        assert done.returncode == 0, command + done.stdout + done.stderr
    assert not client.read_deployment_by_name("train/snips-weekly").schedules[0].active
    assert client.read_work_pool("assay-docker").type == "docker"
    started = client.read_flow_runs(limit=100)
    names = {one.deployment_id: one for one in started}
    for name in ("train/snips-on-demand", "rollback/on-demand"):
        client.delete_flow_run(names[client.read_deployment_by_name(name).id].id)


def page_commands() -> list[str]:
    """What docs/operating.md calls Prefect for, but for workers, which do not end."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    lines = "".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL)).splitlines()
    commands = [part.strip() for line in lines for part in line.split("&&")]
    return [one for one in commands if one.startswith("prefect ") and "worker start" not in one]


def test_up_refuses_to_start_twice(running: Running) -> None:
    assert {one.name for one in running.machine.processes.running()} == {"prefect", "mlflow", "assay-cpu", "assay-gpu"}
    refused = running.call("up", "--store", str(running.machine.store))
    assert refused.returncode == 1
    assert "run already" in refused.stderr


def test_down_leaves_nothing_and_a_run_in_progress_goes_on_after_up(
    running: Running, client: SyncPrefectClient
) -> None:
    flow_run = running.begin_and_reach_training(client)
    processes = [one.pid for one in running.machine.processes.running()] + [running.engine(flow_run).pid]

    assert "prefect" in running.assay("down")
    assert not any(lives(pid) for pid in processes)
    assert not running.machine.processes.running()

    running.up()
    assert wait_until_completed(client, flow_run).run_count == 2
