"""One training of a recipe at a time, whichever deployment starts it."""

from uuid import uuid4

import pytest
from prefect.client.schemas.objects import CreatedBy, FlowRun

from corpus.errors import AssayError
from flows.turns import only_training

pytestmark = pytest.mark.usefixtures("prefect_server")


def flow_run(kind: str | None = None) -> FlowRun:
    created = CreatedBy(type=kind) if kind else None
    return FlowRun(id=uuid4(), flow_id=uuid4(), deployment_id=uuid4(), created_by=created)


def test_only_training_lets_an_alarm_go_while_another_run_trains_the_recipe() -> None:
    with only_training("tiny", flow_run()):
        with (
            pytest.raises(AssayError, match="tiny is being trained by another run"),
            only_training("tiny", flow_run("AUTOMATION")),
        ):
            raise AssertionError("two trainings at the same time")
        with only_training("other", flow_run("AUTOMATION")):
            pass
    with only_training("tiny", flow_run("AUTOMATION")):
        pass
