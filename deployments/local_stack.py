"""The local stack: Prefect and MLflow servers and workers on one machine without containers, on the loopback only."""

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
from assay.deployments.mlflow_page import HOST, server_command, server_settings
from assay.deployments.processes import TERM_S, Processes
from assay.serving.address import SQLITE
from assay.serving.http.listening import check_free

PREFECT_PORT, MLFLOW_PORT = "--prefect-port", "--mlflow-port"
START_S = 300.0  # the machine may be busy, and the first start creates tables
POLL_S = 2
STOPPED_S = 1.0

logger = logging.getLogger(__name__)


class LocalStack(NamedTuple):
    """The store and ports of a local stack."""

    store: Path
    prefect_port: int
    mlflow_port: int

    @property
    def processes(self) -> Processes:
        """Processes of the stack, with their logs."""
        return services(self.store)

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for clients of the servers."""
        return {
            "PREFECT_API_URL": f"http://{HOST}:{self.prefect_port}/api",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{self.mlflow_port}",
            "ASSAY_STORE": str(self.store),
        }

    def up(self) -> list[str]:
        """Start all processes, and deploy pools, deployments and automations. If a part fails, stop all of them.

        Returns:
            Names of the deployments.

        Raises:
            AssayError: a port is in use, a process is already running, or one does not start; the line ends with its
                last output.
        """
        if running := self.processes.running():
            names = ", ".join(process.name for process in running)
            raise AssayError(
                f"{names} of {self.store} is already running; stop everything first: assay down --store {self.store}"
            )
        self._check_ports()
        try:
            self._start_servers()
            with temporary_settings({PREFECT_API_URL: self.environment["PREFECT_API_URL"]}):
                os.environ.update(self.environment)
                deployments = deploy()
                self._mark_leftovers()
                self._start_workers()
        except BaseException as error:  # even a keyboard interrupt must not leave half of the stack running
            self.processes.stop(TERM_S if isinstance(error, Exception) else STOPPED_S)
            raise
        return deployments

    def _check_ports(self) -> None:
        check_free(HOST, self.prefect_port, PREFECT_PORT)
        check_free(HOST, self.mlflow_port, MLFLOW_PORT)
        if self.prefect_port == self.mlflow_port:
            raise AssayError(f"{PREFECT_PORT} and {MLFLOW_PORT} are both {self.mlflow_port}; use two ports")

    def start_prefect(self) -> None:
        """Start the Prefect server; PREFECT_API_DATABASE_CONNECTION_URL in the environment sets another database."""
        command = ["prefect", "server", "start", "--host", HOST, "--port", str(self.prefect_port)]
        settings = {
            "PREFECT_HOME": str(self.store / "prefect"),
            "PREFECT_UI_API_URL": self.environment["PREFECT_API_URL"],
            # sqlite allows one writer at a time: on a busy machine, wait instead of failing.
            "PREFECT_API_DATABASE_TIMEOUT": "60",
            "PREFECT_API_DATABASE_CONNECTION_TIMEOUT": "60",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        }
        self.processes.start("prefect", [sys.executable, "-m", *command], settings)

    def start_mlflow(self) -> None:
        """Start the MLflow server; MLFLOW_BACKEND_STORE_URI in the environment sets another database.

        With MLFLOW_AUTH_ADMIN_PASSWORD in the environment, the server requires passwords.
        """
        command = server_command(self.store, self.mlflow_port)
        settings = server_settings(os.environ.get("MLFLOW_BACKEND_STORE_URI") or f"{SQLITE}{self.store}/mlflow.db")
        if os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD"):
            command += ["--app-name", "basic-auth"]
            settings["MLFLOW_AUTH_CONFIG_PATH"] = os.environ.get("MLFLOW_AUTH_CONFIG_PATH") or str(self._mlflow_users())
        self.processes.start("mlflow", [sys.executable, *command], settings)

    def _mlflow_users(self) -> Path:
        """Write the file with the address of the user database, which by default is in the working folder."""
        path = self.store / "mlflow-auth.ini"
        users = f"database_uri = {SQLITE}{self.store}/mlflow-users.db"
        # Every user may read everything, and change their own objects.
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
            self.processes.wait_until(name, lambda address=address: _responds(address), START_S)  # type: ignore[misc]

    def _mark_leftovers(self) -> None:
        """Mark runs as crashed that `down` or a power failure has ended: the server still lists them as running."""
        with get_client(sync_client=True) as client:
            for name in crash_leftovers(client, [(pool, _worker_name(pool)) for pool in POOLS]):
                logger.info("%s was in progress when the stack stopped; recover/on-crash resumes it", name)

    def start_worker(self, pool: str) -> None:
        """Start the worker of a pool."""
        environment = {
            **self.environment,
            "PREFECT_HOME": str(self.store / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": str(POLL_S),
        }
        command = ["prefect", "worker", "start", "--pool", pool, "--type", "process", "--name", _worker_name(pool)]
        self.processes.start(pool, [sys.executable, "-m", *command], environment)

    def _start_workers(self) -> None:
        for pool in POOLS:
            self.start_worker(pool)
        for pool in POOLS:
            self.processes.wait_until(pool, lambda pool=pool: _has_worker(pool), START_S)  # type: ignore[misc]


def services(store: Path) -> Processes:
    """Return the processes that `up` has started in a store."""
    return Processes(store / "services")


def _worker_name(pool: str) -> str:
    return f"{pool}-1"


def _responds(address: str) -> bool:
    try:
        with urlopen(address, timeout=2):  # noqa: S310  # our own http address
            return True
    except OSError:
        return False


def _has_worker(pool: str) -> bool:
    with get_client(sync_client=True) as client:
        return any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(pool))
