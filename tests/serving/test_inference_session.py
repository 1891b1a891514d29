import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.inference_session import ModelSession, open_session
from tests.bundles import build_bundle


def _open(bundle: Bundle, model: bytes | None = None, **changes: Any) -> ModelSession:
    data = bundle.model_path.read_bytes() if model is None else model
    return open_session(data, bundle.manifest.model_copy(update=changes), bundle.model_path, 1, "fp32")


def test_open_session_runs_the_graph_with_the_inputs_that_it_takes(toy: Bundle) -> None:
    session = _open(toy)
    assert session.inputs == ["input_ids", "attention_mask"]
    assert (session.width("sentence"), session.width("tokens")) == (2, 7)
    ids = np.array([[1, 0], [0, 0]], dtype=np.int64)
    # segment ids, which this graph does not take, are left out
    found = session.run({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": ids})
    assert {name: values.shape for name, values in found.items()} == {"sentence": (2, 2), "tokens": (2, 2, 7)}


@pytest.mark.parametrize(
    ("classes", "entities", "outputs"),
    [({"good": "up", "bad": "down"}, {}, ["sentence"]), ({}, {"Apple": "ORG"}, ["tokens"])],
)
def test_open_session_of_one_head_asks_for_one_output(
    tmp_path: Path, classes: dict[str, str], entities: dict[str, str], outputs: list[str]
) -> None:
    assert _open(build_bundle(tmp_path, classes, entities)).outputs == outputs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"type_ids": True},
            "has the inputs ['attention_mask', 'input_ids'], its manifest asks for "
            "['attention_mask', 'input_ids', 'token_type_ids']; export the model again",
        ),
        ({"labels": []}, "has the outputs ['sentence', 'tokens'], its manifest asks for ['tokens']"),
        ({"labels": ["a", "b", "c"]}, "output sentence has 2 values, the manifest 3; export the model again"),
        ({"tags": ["O"]}, "output tokens has 7 values, the manifest 1; export the model again"),
    ],
)
def test_open_session_names_what_differs_from_the_manifest(toy: Bundle, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AssayError, match=re.escape(message)) as error:
        _open(toy, **changes)
    assert str(error.value).startswith(str(toy.model_path))


def test_open_session_names_the_reason_of_onnxruntime_in_one_line(toy: Bundle) -> None:
    model = onnx.load(toy.model_path)
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(AssayError, match=r"onnxruntime \d.*NoSuchOperator.*; export the model") as error:
        _open(toy, model.SerializeToString())
    assert "\n" not in str(error.value)


def test_open_session_checks_the_bytes_before_onnxruntime_reads_them(toy: Bundle) -> None:
    with pytest.raises(AssayError, match="is damaged or not an ONNX file; fetch the bundle again"):
        _open(toy, b"\xff" * 100)
