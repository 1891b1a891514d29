import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from assay.serving.bundle import Bundle
from assay.serving.engine import Row
from assay.serving.http.context import Context, Json
from assay.serving.http.error_responses import Refusal
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.model_set import ModelSet
from tests.serving.http.conftest import make_parts


@pytest.fixture
def context(toy: Bundle) -> Any:
    settings, active_model, batcher, metrics = make_parts(toy)
    models = ModelSet(active_model, ())
    yield Context(models, ModelCalls(models, batcher, settings.limits, metrics), metrics)
    batcher.stop()


def request(query: str = "") -> Request:
    async def connected() -> Any:
        await asyncio.sleep(60)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": query.encode(), "state": {}}
    return Request(scope, connected)


def test_requested_model_is_the_first_one_unless_the_query_names_another(context: Context) -> None:
    assert context.requested_model(request()).origin.name == "toy"
    assert context.requested_model(request("model=toy")).origin.name == "toy"
    with pytest.raises(Refusal, match="no model other") as refusal:
        context.requested_model(request("model=other"))
    assert refusal.value.status_code == 404


def test_predict_checks_the_rows_before_the_model_runs(context: Context) -> None:
    model = context.requested_model(request())
    with pytest.raises(Refusal, match="row 1: text is blank"):
        asyncio.run(context.predict(request(), model, [Row("good"), Row(" ")]))
    predicted = asyncio.run(context.predict(request(), model, [Row("good"), Row("bad")]))
    assert [prediction.label for prediction in predicted.predictions] == ["up", "down"]


def test_predict_writes_to_the_prediction_log_what_succeeded(context: Context) -> None:
    logged: list[list[Row]] = []

    class Log:
        def record(self, request: Request, predicted: Any) -> None:
            logged.append(list(predicted.rows))

    logging = Context(context.models, context.model_calls, context.metrics, Log())  # type: ignore[arg-type]
    model = context.requested_model(request())
    asyncio.run(logging.predict(request(), model, [Row("good")]))
    with pytest.raises(Refusal):
        asyncio.run(logging.predict(request(), model, []))
    assert logged == [[Row("good")]]


@pytest.mark.parametrize(("fails", "counts"), [(False, (1.0, 0.0, 1.0)), (True, (0.0, 1.0, 0.0))])
def test_with_metrics_counts_successes_and_failures_by_reason(
    context: Context, fails: bool, counts: tuple[float, ...]
) -> None:
    async def endpoint(request: Request) -> Response:
        if fails:
            raise Refusal(422, "no", "invalid")
        return Json({})

    counted = context.with_metrics("native", endpoint)

    async def call() -> Response:
        return await counted(request())

    try:
        asyncio.run(call())
    except Refusal:
        assert fails
    metrics = context.metrics
    samples = [
        (sample.name.rpartition("_")[2], family is metrics.failure, sample.value)
        for family in (metrics.success, metrics.failure, metrics.duration)
        for collected in family.collect()
        for sample in collected.samples
    ]
    success, failure, seconds = counts
    assert sum(value for kind, failed, value in samples if kind == "total" and not failed) == success
    assert sum(value for kind, failed, value in samples if kind == "total" and failed) == failure
    assert sum(value for kind, _, value in samples if kind == "count") == seconds


def test_json_serialises_floats_and_any_character() -> None:
    assert json.loads(bytes(Json({"text": "Süß \U0001f600", "score": 0.1}).body)) == {
        "text": "Süß \U0001f600",
        "score": 0.1,
    }
