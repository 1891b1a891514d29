from uuid import uuid4

from prefect.client.schemas.objects import FlowRun

from assay.flows.inference import predict
from assay.flows.reproduce import reproduce
from assay.flows.rollback import rollback
from assay.flows.training import deployment_key, train


def test_deployment_key_is_the_id_of_the_flow_run() -> None:
    started = FlowRun(flow_id=uuid4(), deployment_id=uuid4())
    assert deployment_key(started) == str(started.id)
    assert deployment_key(FlowRun(flow_id=uuid4())) is None
    assert deployment_key(None) is None


def test_flows_never_persist_pickles() -> None:
    for flow in (train, predict, rollback, reproduce):
        assert (flow.persist_result, flow.result_serializer) == (False, "json")
