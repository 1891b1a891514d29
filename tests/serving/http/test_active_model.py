from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle, GoldenRow, Precision
from assay.serving.engine import BATCH_TOKENS, Row
from assay.serving.http.active_model import ActiveModel, Origin, load_model
from assay.serving.inference_session import open_session
from tests.serving.conftest import BuildToy
from tests.serving.http.conftest import rewrite


def test_load_model_of_a_folder_has_the_name_of_the_bundle_and_no_version(toy: Bundle) -> None:
    model = load_model(toy)
    assert model.identity() == {"name": "toy", "version": None, "digest": toy.digest}
    assert (model.version_name, model.origin.alias) == (toy.digest[:12], None)


def test_load_model_of_a_registry_has_the_name_of_the_registered_model(toy: Bundle) -> None:
    model = load_model(toy, Origin("news", "7", "champion"))
    assert model.identity() == {"name": "news", "version": "7", "digest": toy.digest}
    assert model.version_name == "7"


PAIR = {"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}


@pytest.mark.parametrize("changes", [{}, {"pair": True, "golden": [PAIR]}], ids=["single", "pair"])
def test_load_model_measures_the_cost_of_a_batch(build_toy: BuildToy, changes: dict[str, Any]) -> None:
    model = load_model(build_toy(**changes))
    few, many = model.cost.seconds(1, 10), model.cost.seconds(100, 10_000)
    assert 0 < few < many < 60


def test_load_model_holds_batches_to_the_budget_of_tokens(toy: Bundle) -> None:
    assert load_model(toy, batch_tokens=128).engine.batch_tokens == 128


def _open_in_fp32(real: Callable[..., Any], *arguments: Any) -> Any:
    return real(*arguments[:-1], "fp32")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_load_model_batches_as_is_fastest_in_its_precision(
    build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch, precision: Precision
) -> None:
    # Given a CPU that multiplies bf16, as far as the choice of the precision goes,
    monkeypatch.setattr("assay.serving.engine.serving_precision", lambda manifest: precision)
    monkeypatch.setattr("assay.serving.engine.open_session", partial(_open_in_fp32, open_session))
    golden = build_toy().manifest.golden
    model = load_model(build_toy("bf16", bf16=True, golden=golden, golden_bf16=golden))
    # then its batches are those of the batch engine.
    assert (model.engine.precision, model.engine.batch_tokens) == (precision, BATCH_TOKENS[precision])
    assert BATCH_TOKENS["bf16"] > BATCH_TOKENS["fp32"]


def test_load_model_refuses_golden_rows_that_come_out_otherwise(toy: Bundle) -> None:
    golden = [GoldenRow(text="good", label="down", probabilities=[0.9, 0.1], entities=[])]
    changed = rewrite(toy, onnx.load(toy.model_path), golden=golden)
    with pytest.raises(AssayError, match="golden row 0: "):
        load_model(changed)


def test_load_model_names_a_graph_that_loads_but_does_not_run(toy: Bundle) -> None:
    # given a table with fewer words than the tokenizer
    graph = onnx.load(toy.model_path)
    for table in graph.graph.initializer:
        if table.name in ("votes", "scores"):
            table.CopyFrom(numpy_helper.from_array(np.asarray(numpy_helper.to_array(table)[:1]), table.name))
    damaged = rewrite(toy, graph)
    with pytest.raises(AssayError, match=r"loads but does not run: .*; export the model again") as error:
        load_model(damaged)
    assert str(damaged.folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_active_model_is_ready_until_it_drains(toy: Bundle) -> None:
    active = ActiveModel(load_model(toy), degraded=True)
    assert (active.ready, active.degraded, active.refused) == (True, True, None)
    active.draining = True
    assert not active.ready
    assert active.model.engine.predict([Row("good")])[0].label == "up"
