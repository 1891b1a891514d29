import re

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from starlette.requests import Request
from starlette.testclient import TestClient
from tokenizers import Tokenizer

from assay.serving.bundle import Bundle
from assay.serving.http.error_responses import Refusal
from assay.serving.http.model_calls import read_deadline
from assay.serving.http.server_settings import Limits
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import Serve, metric, rewrite


def _request(deadline: str | None) -> Request:
    headers = [] if deadline is None else [(b"x-deadline-ms", deadline.encode("latin-1"))]
    return Request({"type": "http", "headers": headers})


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, 7.0), ("1", 0.001), ("0" * 5000 + "250", 0.25), ("60000", 60.0)]
)
def test_read_deadline_returns_seconds(header: str | None, seconds: float) -> None:
    assert read_deadline(_request(header), Limits(deadline=7, max_deadline=60)) == seconds


@pytest.mark.parametrize("header", ["", "0", "-5", "1.5", "1e3", "60001", "²", "5 ms", "000060000999999", "9" * 5000])
def test_read_deadline_refuses_what_is_no_number_within_the_limits(header: str) -> None:
    message = re.escape(f"X-Deadline-Ms is {header[:40]!r}; send 1 to 60000")
    with pytest.raises(Refusal, match=message) as refusal:
        read_deadline(_request(header), Limits(deadline=7, max_deadline=60))
    assert refusal.value.status_code == 422


def _post(client: TestClient, texts: list[str]) -> tuple[int, dict[str, object]]:
    response = client.post("/predict", json={"texts": texts})
    return response.status_code, response.json()


def test_model_calls_return_predictions_in_the_order_of_the_rows(serve: Serve, toy: Bundle) -> None:
    # given rows of many lengths, so that chunks of similar length mix their order
    texts = [("good " if number % 3 else "bad ") * (1 + number * 7 % 13) for number in range(50)]
    _, body = _post(serve(toy, batch_tokens=64), texts)
    predictions = body["predictions"]
    assert isinstance(predictions, list)
    assert [row["label"] for row in predictions] == ["up" if number % 3 else "down" for number in range(50)]


def test_model_calls_refuse_more_rows_than_the_limit(serve: Serve, toy: Bundle) -> None:
    client = serve(toy, rows=2)
    assert _post(client, ["good", "bad"])[0] == 200
    status, body = _post(client, ["good", "bad", "good"])
    assert (status, body["error"]) == (413, "3 rows are more than 2; send them in several requests")


def test_model_calls_encode_long_texts_on_a_thread_and_count_the_truncated_ones(serve: Serve, toy: Bundle) -> None:
    client = serve(toy)
    long = "good " * 3000
    status, body = _post(client, [long, "bad"])
    assert status == 200
    predictions = body["predictions"]
    assert isinstance(predictions, list)
    assert metric(client, "assay_inference_truncated_total") == sum(row["truncated"] for row in predictions)


def test_model_calls_name_the_row_that_the_model_failed_on(build_toy: BuildToy, serve: Serve) -> None:
    # given a model whose logits for one word are not finite
    bundle = build_toy()
    graph = onnx.load(bundle.model_path)
    votes = next(table for table in graph.graph.initializer if table.name == "votes")
    table = numpy_helper.to_array(votes).copy()
    word = Tokenizer.from_file(str(bundle.tokenizer_path)).token_to_id("fine")
    table[word] = np.inf
    votes.CopyFrom(numpy_helper.from_array(table, "votes"))
    client = serve(rewrite(bundle, graph), batch_tokens=8)

    status, body = _post(client, ["good " * 5, "bad", "fine", "good " * 3])

    assert (status, body["row"]) == (500, 2)
    assert str(body["error"]).startswith("row 2: the model's prediction is not a finite number")
