from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assay.corpus.storage.digest import digest_file
from assay.evaluation.drift.embedding import Embedder
from assay.serving.bundle import MODEL, Bundle, write_manifest
from assay.serving.engine import Engine, Row
from tests.tasks.conftest import MakeBundle

CLASSES = {"good": "up", "bad": "down"}
ENTITIES = {"acme": "ORG"}
WIDTH = 3
# One row per word of the tokenizer: [UNK], acme, bad, good.
TABLE = np.arange(4 * WIDTH, dtype=np.float32).reshape(4, WIDTH)


def with_product(bundle: Bundle, head: str, *, passed: str = "Add", computed: bool = True) -> Bundle:
    """Replace the graph: embeddings, their mean for the sentence head, a product with weights, and an operator."""
    size = len(bundle.manifest.labels if head == "sentence" else bundle.manifest.tags)
    constants = {
        "table": TABLE,
        "weights": np.ones((WIDTH, size), dtype=np.float32),
        "bias": np.zeros(size, dtype=np.float32),
        "axis": np.array([1]),
        "fixed": np.ones((1, WIDTH), dtype=np.float32),
    }
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    hidden = "states"
    if head == "sentence":
        nodes.append(helper.make_node("ReduceMean", ["states", "axis"], ["pooled"], keepdims=0))
        hidden = "pooled"
    inputs = ["product", "bias"] if passed == "Add" else ["product"]
    nodes += [
        helper.make_node("MatMul", [hidden if computed else "fixed", "weights"], ["product"]),
        helper.make_node(passed, inputs, [head]),
    ]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "l"]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info(head, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    path = bundle.folder / MODEL
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    files = {**bundle.manifest.files, MODEL: digest_file(path)}
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"files": files, "golden": []}))
    return Bundle.load(Path(bundle.folder))


def embed(bundle: Bundle, engine: Engine, *texts: str) -> Any:
    return Embedder(bundle, engine).embed([Row(text) for text in texts])


@pytest.fixture
def bundle(make_bundle: MakeBundle) -> Bundle:
    return make_bundle(classes=CLASSES, entities=ENTITIES)


def test_embed_returns_what_the_sentence_head_reads_in_the_order_of_the_rows(bundle: Bundle) -> None:
    engine = Engine(bundle, threads=1)
    vectors = embed(with_product(bundle, "sentence"), engine, "good", "bad", "good", "acme")
    assert vectors.dtype == np.float64
    assert vectors.tolist() == TABLE[[3, 2, 3, 1]].tolist()


def test_embed_returns_the_mean_over_the_tokens_of_a_token_head(bundle: Bundle) -> None:
    engine = Engine(bundle, threads=1)
    vectors = embed(with_product(bundle, "tokens"), engine, "acme good good", "bad")
    # The padding of the shorter text does not count.
    assert vectors.tolist() == pytest.approx(np.stack([TABLE[[1, 3, 3]].mean(axis=0), TABLE[2]]))


def test_embed_keeps_the_order_of_rows_over_many_batches(bundle: Bundle) -> None:
    engine = Engine(bundle, threads=1)
    texts = [" ".join(["good"] * (number % 7) + ["bad"]) for number in range(100)]
    whole = embed(with_product(bundle, "tokens"), engine, *texts)
    for number in (0, 33, 99):
        assert np.allclose(whole[number], embed(bundle, engine, texts[number])[0])


@pytest.mark.parametrize("changes", [{"passed": "Sigmoid"}, {"computed": False}])
def test_embed_is_none_without_a_product_of_what_the_text_gives(bundle: Bundle, changes: dict[str, Any]) -> None:
    engine = Engine(bundle, threads=1)
    assert embed(with_product(bundle, "sentence", **changes), engine, "good") is None


def test_embed_is_none_for_a_head_without_weights_and_for_no_rows(bundle: Bundle) -> None:
    engine = Engine(bundle, threads=1)
    assert embed(bundle, engine, "good") is None  # votes are looked up, not multiplied
    assert embed(with_product(bundle, "tokens"), engine) is None
