"""A bundle for servers, and a Prefect server on which nothing that a test deploys stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from assay.deployments.deploy import POOLS
from tests.bundles import build_bundle


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a bundle: good is up, bad is down, Apple is an ORG."""
    folder = tmp_path_factory.mktemp("toy")
    build_bundle(folder, {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    return folder


@pytest.fixture
def deployable(prefect_server: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove deployments, automations and pools after a test: the automations would look after runs of other tests.

    Commands of Prefect read no profile of the user.
    """
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    yield
    with get_client(sync_client=True) as client:
        for deployment in client.read_deployments():
            if deployment.work_pool_name in POOLS:
                client.delete_deployment(deployment.id)
        for automation in client.read_automations():
            client.delete_automation(automation.id)
        for pool in client.read_work_pools():
            if pool.name in POOLS:
                client.delete_work_pool(pool.name)
