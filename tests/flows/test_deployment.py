from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from assay.flows.inference import predict
from assay.flows.reproduce import reproduce
from assay.flows.rollback import rollback
from assay.flows.training import deployment_key, train


def test_a_deployment_begins_a_run_of_its_own_each_time() -> None:
    started = FlowRun(flow_id=uuid4(), deployment_id=uuid4())
    assert deployment_key(started) == str(started.id)
    assert deployment_key(FlowRun(flow_id=uuid4())) is None
    assert deployment_key(None) is None


def test_results_are_never_kept_as_pickles() -> None:
    for flow in (train, predict, rollback, reproduce):
        assert (flow.persist_result, flow.result_serializer) == (False, "json")
