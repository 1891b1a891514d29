from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Completed, Crashed

from flows.recovery import decide


def run(state: State[Any] | None = None, starts: int = 1, deployed: bool = True) -> FlowRun:
    deployment = uuid4() if deployed else None
    return FlowRun(flow_id=uuid4(), name="r", state=state or Crashed(), run_count=starts, deployment_id=deployment)


@pytest.mark.parametrize("kind", ["train", "predict", "monitor"])
def test_what_goes_on_where_it_was_is_started_again(kind: str) -> None:
    assert decide(run(), kind, 3).done == "started again"
    assert decide(run(starts=2), kind, 3).why == "start 3 of at most 3"


@pytest.mark.parametrize(
    ("flow_run", "kind", "why"),
    [
        (run(starts=3), "train", "it crashed 3 times"),
        (run(), "rollback", "is not started again by itself"),
        (run(deployed=False), "train", "no deployment started it"),
    ],
)
def test_what_may_not_be_started_again_is_reported(flow_run: FlowRun, kind: str, why: str) -> None:
    found = decide(flow_run, kind, 3)
    assert found.done == "reported"
    assert why in found.why


def test_a_run_that_goes_on_needs_nothing() -> None:
    assert decide(run(Completed()), "train", 3).done == "nothing"
