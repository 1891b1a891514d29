"""All of Assay on one machine without containers: Prefect and MLflow servers and workers, on the loopback alone."""

import logging
import os
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from assay.corpus.errors import AssayError
from assay.deployments.deploy import POOLS, deploy
from assay.deployments.leftovers import crash_leftovers
from assay.deployments.processes import TERM_S, Processes
from assay.serving.address import SQLITE
from assay.serving.http.listening import check_free

HOST = "127.0.0.1"
PREFECT_PORT, MLFLOW_PORT = "--prefect-port", "--mlflow-port"
PATIENCE_S = 300.0  # a busy machine, and the first start, which makes the tables
POLL_S = 2
STOPPED_S = 1.0

logger = logging.getLogger(__name__)


class LocalStack(NamedTuple):
    """Where it lies and listens."""

    store: Path
    prefect_port: int
    mlflow_port: int

    @property
    def processes(self) -> Processes:
        """What runs, with its logs."""
        return services(self.store)

    @property
    def environment(self) -> dict[str, str]:
        """What whoever works with the servers has in the environment."""
        return {
            "PREFECT_API_URL": f"http://{HOST}:{self.prefect_port}/api",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{self.mlflow_port}",
            "ASSAY_STORE": str(self.store),
        }

    def up(self) -> list[str]:
        """Start everything, and create pools, deployments and automations. What was started goes if a part fails.

        Returns:
            The names of the deployments.

        Raises:
            AssayError: a port cannot be taken, something runs already, or a part does not start; the line holds what it
                said last.
        """
        if running := self.processes.running():
            names = ", ".join(one.name for one in running)
            raise AssayError(f"{names} of {self.store} run already; end them first: assay down --store {self.store}")
        self._check_ports()
        try:
            self._start_servers()
            with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
                os.environ.update(self.environment)
                deployments = deploy()
                self._mark_leftovers()
                self._start_workers()
        except BaseException as error:  # a keyboard interrupt, too, must not leave half of it running
            self.processes.stop(TERM_S if isinstance(error, Exception) else STOPPED_S)
            raise
        return deployments

    def _check_ports(self) -> None:
        check_free(HOST, self.prefect_port, PREFECT_PORT)
        check_free(HOST, self.mlflow_port, MLFLOW_PORT)
        if self.prefect_port == self.mlflow_port:
            raise AssayError(f"{PREFECT_PORT} and {MLFLOW_PORT} are both {self.mlflow_port}; use two ports")

    def start_prefect(self) -> None:
        """Start the Prefect server; PREFECT_API_DATABASE_CONNECTION_URL of the caller names another database."""
        command = ["prefect", "server", "start", "--host", HOST, "--port", str(self.prefect_port)]
        settings = {
            "PREFECT_HOME": str(self.store / "prefect"),
            "PREFECT_UI_API_URL": self.environment["PREFECT_API_URL"],
            # Sqlite lets one write at a time: a busy machine waits rather than fails.
            "PREFECT_API_DATABASE_TIMEOUT": "60",
            "PREFECT_API_DATABASE_CONNECTION_TIMEOUT": "60",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        }
        self.processes.start("prefect", [sys.executable, "-m", *command], settings)

    def start_mlflow(self) -> None:
        """Start the MLflow server; MLFLOW_BACKEND_STORE_URI of the caller names another database.

        With MLFLOW_AUTH_ADMIN_PASSWORD in the environment it asks for passwords.
        """
        command = ["mlflow", "server", "--host", HOST, "--port", str(self.mlflow_port), "--workers", "1"]
        command += ["--artifacts-destination", str(self.store / "mlartifacts")]
        # In the environment: everybody sees a command, and addresses of databases hold passwords.
        database = os.environ.get("MLFLOW_BACKEND_STORE_URI") or f"{SQLITE}{self.store}/mlflow.db"
        # Jobs are for the evaluation of prompts: two more processes that nobody here needs.
        settings = {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        if os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD"):
            command += ["--app-name", "basic-auth"]
            settings["MLFLOW_AUTH_CONFIG_PATH"] = os.environ.get("MLFLOW_AUTH_CONFIG_PATH") or str(self._mlflow_users())
        self.processes.start("mlflow", [sys.executable, "-m", *command], settings)

    def _mlflow_users(self) -> Path:
        """The file that tells MLflow where its users stand: by itself it would be the folder of the call."""
        path = self.store / "mlflow-auth.ini"
        users = f"database_uri = {SQLITE}{self.store}/mlflow-users.db"
        # Who has an account may read everything, and change what is theirs.
        path.write_text(f"[mlflow]\ndefault_permission = READ\n{users}\nadmin_username = admin\n", encoding="utf-8")
        return path

    def _start_servers(self) -> None:
        self.processes.folder.mkdir(parents=True, exist_ok=True)
        self.start_prefect()
        self.start_mlflow()
        for name, address in (
            ("prefect", f"{self.environment['PREFECT_API_URL']}/health"),
            ("mlflow", f"{self.environment['MLFLOW_TRACKING_URI']}/health"),
        ):
            self.processes.wait_until(name, lambda address=address: _answers(address), PATIENCE_S)  # type: ignore[misc]

    def _mark_leftovers(self) -> None:
        """Runs of before `down`, or of before a machine that lost its power, are in the server's books still."""
        with get_client(sync_client=True) as client:
            for name in crash_leftovers(client, [(pool, _worker_of(pool)) for pool in POOLS]):
                logger.info("%s was in progress when everything ended; recover/on-crash starts it again", name)

    def start_worker(self, pool: str) -> None:
        """Start the worker of a pool."""
        environment = {
            **self.environment,
            "PREFECT_HOME": str(self.store / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_S),
        }
        command = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", _worker_of(pool)]
        self.processes.start(pool, [sys.executable, "-m", *command], environment)

    def _start_workers(self) -> None:
        for pool in POOLS:
            self.start_worker(pool)
        for pool in POOLS:
            self.processes.wait_until(pool, lambda pool=pool: _has_worker(pool), PATIENCE_S)  # type: ignore[misc]


def services(store: Path) -> Processes:
    """What `up` started in a store."""
    return Processes(store / "services")


def _worker_of(pool: str) -> str:
    return f"{pool}-1"


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2):  # noqa: S310  # our own http address
            return True
    except OSError:
        return False


def _has_worker(pool: str) -> bool:
    with get_client(sync_client=True) as client:
        return any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(pool))
