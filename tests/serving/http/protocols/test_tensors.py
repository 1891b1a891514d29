"""The tensors of the Open Inference Protocol by themselves; `test_v2.py` sends them to a server."""

import base64
import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from assay.serving.http.active_model import ServedModel
from assay.serving.http.error_responses import Refusal
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.protocols.tensors import (
    InferRequest,
    InputTensor,
    RequestedOutput,
    output_names,
    output_tensors,
    read_rows,
    requested_outputs,
)
from assay.serving.prediction_options import ALL, PredictionOptions


def tensor(*data: Any, name: str = "text", **changes: Any) -> InputTensor:
    return InputTensor(**{"name": name, "shape": [len(data)], "datatype": "BYTES", "data": list(data), **changes})


def request(*tensors: InputTensor, **changes: Any) -> InferRequest:
    return InferRequest(inputs=list(tensors), **changes)


@pytest.fixture
def served(toy: Bundle) -> ServedModel:
    """The toy model, as far as tensors need it."""
    return cast(ServedModel, SimpleNamespace(engine=Engine(toy, threads=1)))


def test_read_rows_pairs_tensors_in_any_order() -> None:
    texts, pairs = tensor("good", "bad"), tensor("a", "b", name="text_pair")
    assert read_rows(request(pairs, texts), pair=True) == [Row("good", "a"), Row("bad", "b")]
    assert read_rows(request(texts), pair=False) == [Row("good"), Row("bad")]


def test_read_rows_accepts_columns_and_nested_data() -> None:
    for changed in (tensor("good", "bad", shape=[2, 1]), tensor(["good"], ["bad"], shape=[2, 1])):
        assert read_rows(request(changed), pair=False) == [Row("good"), Row("bad")]


@pytest.mark.parametrize(
    ("inputs", "pair", "message", "row"),
    [
        ([], False, "inputs are none; this model takes text", None),
        ([tensor("a"), tensor("b")], False, "inputs are text, text; this model takes text", None),
        ([tensor("a")], True, "inputs are text; this model takes text and text_pair", None),
        ([tensor("a"), tensor("b", "c", name="text_pair")], True, "differ in their number of elements", None),
        ([tensor("a", datatype="FP32")], False, "datatype is 'FP32'; send BYTES", None),
        ([tensor("a", data=None)], False, "data is missing; send one text per row", None),
        ([tensor("a", shape=[1, 1, 1])], False, r"shape is [1, 1, 1], but there are 1 elements; send shape [1]", None),
        ([tensor("a", "b", shape=[1, 2])], False, r"send shape [2]", None),
        (
            [tensor(data=None, parameters={"shared_memory_region": "x"})],
            False,
            "input text: shared_memory_region is not supported; leave the parameter out",
            None,
        ),
        ([tensor("a", 3)], False, "row 1: text is not a text; send strings", 1),
    ],
)
def test_read_rows_names_the_tensor_or_row_at_fault(
    inputs: list[InputTensor], pair: bool, message: str, row: int | None
) -> None:
    with pytest.raises(Refusal) as refusal:
        read_rows(request(*inputs), pair=pair)
    assert message in refusal.value.detail
    assert (refusal.value.status_code, refusal.value.row) == (422, row)


def test_read_rows_takes_the_content_type_of_the_tensor_before_that_of_the_request() -> None:
    encoded = base64.b64encode("schön".encode()).decode()
    plain = tensor("schön", parameters={"content_type": "str"})
    assert read_rows(request(plain, parameters={"content_type": "base64"}), pair=False) == [Row("schön")]
    assert read_rows(request(tensor(encoded), parameters={"content_type": "base64"}), pair=False) == [Row("schön")]
    with pytest.raises(Refusal, match="row 0: text is not a text in base64") as refusal:
        read_rows(request(tensor("_"), parameters={"content_type": "base64"}), pair=False)
    assert refusal.value.row == 0
    with pytest.raises(Refusal, match="content_type is 'hg_json'; send str or base64"):
        read_rows(request(tensor("a", parameters={"content_type": "hg_json"})), pair=False)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (ALL, ["label", "probabilities", "entities", "truncated"]),
        (PredictionOptions(top_k=1), ["label", "classes", "probabilities", "entities", "truncated"]),
        (PredictionOptions(labels_only=True), ["label", "entities", "truncated"]),
    ],
)
def test_output_names_are_those_of_the_tensors(
    served: ServedModel, options: PredictionOptions, names: list[str]
) -> None:
    rows = [Row("good Apple"), Row("bad")]
    predicted = PredictedRows(served, rows, list(served.engine.predict(rows)), 0.1)
    assert output_names(served, options) == names
    made = [output["name"] for output in output_tensors(predicted, options)]
    assert [name for name in made if name in names] == names


def test_output_tensors_hold_labels_probabilities_and_entities(served: ServedModel) -> None:
    rows = [Row("good Apple"), Row("bad")]
    predicted = PredictedRows(served, rows, list(served.engine.predict(rows)), 0.1)
    outputs = {output["name"]: output for output in output_tensors(predicted, PredictionOptions(top_k=1))}
    assert outputs["label"]["data"] == outputs["classes"]["data"] == ["up", "down"]
    assert outputs["classes"]["shape"] == outputs["probabilities"]["shape"] == [2, 1]
    first, second = map(json.loads, outputs["entities"]["data"])
    assert ([entity["text"] for entity in first], second) == (["Apple"], [])
    # more classes than there are are all of them
    many = {output["name"]: output for output in output_tensors(predicted, PredictionOptions(top_k=9))}
    assert many["probabilities"]["shape"] == [2, 2]


def test_requested_outputs_tells_which_are_sent_as_binary_data(served: ServedModel) -> None:
    some = [RequestedOutput(name="label", parameters={"binary_data": True}), RequestedOutput(name="truncated")]
    assert requested_outputs(request(outputs=some), served, ALL) == {"label": True, "truncated": False}
    binary = request(outputs=some[1:], parameters={"binary_data_output": True})
    assert requested_outputs(binary, served, ALL) == {"truncated": True}
    assert set(requested_outputs(request(parameters={"binary_data_output": True}), served, ALL).values()) == {True}


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (RequestedOutput(name="logits"), "there is no output 'logits'; request some of label, probabilities"),
        (RequestedOutput(name="label", parameters={"classification": 2}), "classification is not supported"),
        (
            RequestedOutput(name="label", parameters={"binary_data": 1}),
            "output label: binary_data is '1'; send true or",
        ),
    ],
)
def test_requested_outputs_refuses_what_is_not_there(
    served: ServedModel, output: RequestedOutput, message: str
) -> None:
    with pytest.raises(Refusal, match=message):
        requested_outputs(request(outputs=[output]), served, ALL)
    with pytest.raises(Refusal, match="parameters: binary_data_output is 'yes'; send true or false"):
        requested_outputs(request(parameters={"binary_data_output": "yes"}), served, ALL)
