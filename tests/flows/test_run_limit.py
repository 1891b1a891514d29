"""Allow one training of a recipe at a time, over all deployments."""

import threading
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow

from assay.corpus.errors import AssayError
from assay.flows.run_limit import exclusive_training
from assay.runs.prefect_artifacts import current_flow_run

pytestmark = pytest.mark.usefixtures("prefect_server")


def flow_run(kind: str | None = None) -> FlowRun:
    created = {"type": kind} if kind else None
    ids = {name: uuid4() for name in ("id", "flow_id", "deployment_id")}
    return FlowRun.model_validate({**ids, "created_by": created})


def test_exclusive_training_refuses_an_automation_during_a_training() -> None:
    with exclusive_training("tiny", flow_run()):
        with (
            pytest.raises(AssayError, match="another run is already training tiny"),
            exclusive_training("tiny", flow_run("AUTOMATION")),
        ):
            raise AssertionError("two trainings at the same time")
        with exclusive_training("other", flow_run("AUTOMATION")):
            pass
    with exclusive_training("tiny", flow_run("AUTOMATION")):
        pass


def test_exclusive_training_makes_a_requested_run_wait() -> None:
    order: list[str] = []

    def wait() -> None:
        with exclusive_training("waiting", flow_run()):
            order.append("second")

    with exclusive_training("waiting", flow_run()):
        second = threading.Thread(target=wait)
        second.start()
        second.join(2)
        order.append("first")
    second.join(60)
    assert order == ["first", "second"]


@flow
def train_below() -> str:
    with exclusive_training("nested", current_flow_run()):
        return "trained"


@flow
def monitor_above() -> str:
    with exclusive_training("nested", current_flow_run()):
        return train_below()


def test_exclusive_training_does_not_block_its_own_subflow() -> None:
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(monitor_above), "nightly")
        run = client.create_flow_run_from_deployment(deployment)
    assert run.deployment_id == deployment
    assert run_flow(monitor_above, flow_run=run) == "trained"
