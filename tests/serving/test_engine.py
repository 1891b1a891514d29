import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assay.corpus.errors import AssayError
from assay.corpus.storage.digest import digest_file
from assay.serving import engine as engine_module
from assay.serving.bundle import MODEL, Bundle, Crf, write_manifest
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Row
from tests.serving.conftest import BuildToy

TEXTS = ["good Apple", "", "bad", "fine fine München , Müller", "nothing known here at all 🎉", "good " * 30]


def _change_graph(bundle: Bundle, change: Any) -> Bundle:
    """Return the bundle with a changed graph, whose digest the manifest holds."""
    model = onnx.load(bundle.model_path)
    change(model)
    onnx.save(model, bundle.model_path)
    files = bundle.manifest.files | {MODEL: digest_file(bundle.model_path)}
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"files": files}))
    return Bundle.load(bundle.folder)


def _set_table(model: onnx.ModelProto, name: str, value: float, *, unknown: bool = False) -> None:
    table = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    array = numpy_helper.to_array(table).copy()
    array[0 if unknown else 1 :] = value
    table.CopyFrom(numpy_helper.from_array(array, name))


def test_predict_returns_label_probabilities_and_entities_in_raw_offsets(engine: Engine) -> None:
    (prediction,) = engine.predict([Row("🎉 good: Apple, (München) says Müller")])
    assert prediction.label == "up"
    assert sum(prediction.probabilities) == pytest.approx(1)
    assert prediction.probabilities[engine.labels.index("up")] == max(prediction.probabilities)
    entities = [(entity.start, entity.end, entity.label) for entity in prediction.entities]
    assert entities == [(8, 13, "ORG"), (16, 23, "LOC"), (30, 36, "PER")]
    assert all(0.5 < entity.score <= 1 for entity in prediction.entities)


def test_predict_returns_for_each_row_of_a_batch_the_prediction_of_that_row_alone(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS * 3 if text]
    together = engine.predict(rows)
    assert together == [engine.predict([row])[0] for row in rows]


def test_predict_batch_predicts_as_predict_does(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS if text]
    encoded = engine.encode(rows)
    assert [len(row) for row in encoded] == [len(row.ids) for row in encoded]
    assert engine.predict_batch(encoded) == engine.predict(rows)


def test_predict_batch_is_thread_safe(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS if text]
    expected = engine.predict(rows)
    with ThreadPoolExecutor(4) as pool:
        predictions = list(pool.map(lambda _: engine.predict_batch(engine.encode(rows)), range(64)))
    assert all(batch == expected for batch in predictions)


@pytest.mark.parametrize("pair", [False, True])
def test_warm_runs_every_length_class(build_toy: BuildToy, pair: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(build_toy(max_length=40, pair=pair), threads=1, batch_tokens=64)
    logits = engine.logits
    shapes: list[tuple[int, int]] = []

    def recorded(batch: Sequence[EncodedText]) -> dict[str, Floats]:
        shapes.append((len(batch), len(batch[0])))
        return logits(batch)

    monkeypatch.setattr(engine, "logits", recorded)
    engine.warm_up()
    assert {length for _, length in shapes} >= {40}
    assert {rows for rows, _ in shapes} > {1}


def test_warm_refuses_a_damaged_model(toy: Bundle) -> None:
    engine = Engine(_change_graph(toy, lambda model: _set_table(model, "votes", np.nan, unknown=True)), threads=1)
    with pytest.raises(AssayError, match="not finite"):
        engine.warm_up()


def test_predict_accepts_no_rows_and_rows_without_words(engine: Engine) -> None:
    assert engine.predict([]) == []
    (prediction,) = engine.predict([Row("...")])
    assert prediction.entities == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "text is blank"), (" \u3000\n", "text is blank"), (None, "text is missing"), (7, "text is 7")],
)
def test_predict_refuses_a_row_that_has_no_text(engine: Engine, text: Any, fault: str) -> None:
    for predict in (engine.predict, engine.encode):
        with pytest.raises(AssayError, match=f"row 1: {fault}"):
            predict([Row("good"), Row(text)])


def test_predict_reports_truncation(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(max_length=4), threads=1)
    long, short = engine.predict([Row("good good good good Apple"), Row("good Apple")])
    assert (long.truncated, long.entities) == (True, ())
    assert (short.truncated, len(short.entities)) == (False, 1)


def test_batches_hold_rows_of_similar_length_within_the_token_budget() -> None:
    lengths = [5, 60, 7, 3, 64, 5, 100]
    batches = engine_module._batches(lengths, 64)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 64
    assert [index for batch in batches for index in batch] == sorted(range(len(lengths)), key=lengths.__getitem__)


def test_predict_stream_reads_at_most_two_chunks_ahead(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CHUNK_ROWS", 4)
    rows_read = 0

    def rows() -> Iterator[Row]:
        nonlocal rows_read
        for _ in range(100):
            rows_read += 1
            yield Row("good")

    predictions = engine.predict_stream(rows())
    next(predictions)
    assert rows_read <= 2 * 4 + 1
    assert len(list(predictions)) == 99


def test_chunks_are_limited_in_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CHUNK_CHARACTERS", 10)
    chunks = engine_module._chunks([Row("x" * size) for size in (4, 4, 4, 50, 1)])
    assert [len(chunk) for chunk in chunks] == [2, 1, 1, 1]


@pytest.mark.parametrize(("table", "head"), [("votes", "sentence"), ("scores", "tokens")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predict_names_the_row_of_logits_that_are_not_finite(toy: Bundle, table: str, head: str, value: float) -> None:
    engine = Engine(_change_graph(toy, lambda model: _set_table(model, table, value)), threads=1)
    with pytest.raises(AssayError, match=f"row 1: the {head} logits are not finite"):
        engine.predict([Row("unknown"), Row("good Apple")])


def test_predict_decodes_with_the_transitions_of_the_crf(build_toy: BuildToy) -> None:
    # given a CRF that forbids every tag but `O`
    tags = 7
    closed = [0.0] + [-1e4] * (tags - 1)
    crf = Crf(start=closed, end=closed, between=[closed] * tags)
    (prediction,) = Engine(build_toy(crf=crf), threads=1).predict([Row("Apple Apple")])
    assert prediction.entities == ()


@pytest.mark.parametrize(
    ("pair", "row", "message"),
    [(True, Row("good"), "row 0: text_pair is missing"), (False, Row("a", "b"), "row 0: text_pair is 'b'")],
)
def test_predict_refuses_pairs_for_models_of_single_texts_and_the_reverse(
    build_toy: BuildToy, pair: bool, row: Row, message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        Engine(build_toy(pair=pair), threads=1).predict([row])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type_ids": True}, r"inputs .* its manifest asks for .*token_type_ids"),
        ({"tags": []}, "outputs"),
        ({"labels": ["up", "down", "sideways"]}, "output sentence has 2 values, the manifest 3"),
    ],
)
def test_engine_refuses_a_graph_that_differs_from_the_manifest(
    toy: Bundle, changes: dict[str, Any], message: str
) -> None:
    write_manifest(toy.folder, toy.manifest.model_copy(update=changes))
    with pytest.raises(AssayError, match=message):
        Engine(Bundle.load(toy.folder))


def _foreign_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("evil", 1))
    model.graph.node.append(helper.make_node("Run", ["mask"], ["ran"], domain="evil"))


def _external_data(location: str) -> Any:
    def change(model: onnx.ModelProto) -> None:
        table = next(tensor for tensor in model.graph.initializer if tensor.name == "votes")
        table.ClearField("raw_data")
        table.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", "32")):
            entry = table.external_data.add()
            entry.key, entry.value = key, value

    return change


@pytest.mark.parametrize(
    "change",
    [_foreign_operator, _external_data("weights.bin"), _external_data("../weights.bin"), lambda m: m.Clear()],
    ids=["foreign operator", "external data", "external data above", "empty"],
)
def test_engine_refuses_a_graph_that_needs_more_than_its_verified_bytes(
    toy: Bundle, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given the external data in the working folder, where a session without a folder would look
    monkeypatch.chdir(toy.folder.parent)
    Path("weights.bin").write_bytes(bytes(32))
    with pytest.raises(AssayError, match=r"is refused by onnxruntime|another file|operators of the domain") as caught:
        Engine(_change_graph(toy, change))
    assert "\n" not in str(caught.value)


def test_engine_warns_of_int8_weights_that_can_saturate(
    build_toy: BuildToy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    vnni = ["avx", "avx2", "avx512_vnni"]
    made_on_vnni = build_toy("full", precision="int8", cpu_flags=vnni)
    reduced = build_toy("reduced", precision="int8", cpu_flags=vnni, reduced_range=True)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "assay.serving"):
        monkeypatch.setattr(engine_module, "cpu_flags", lambda: vnni)
        Engine(made_on_vnni)
        monkeypatch.setattr(engine_module, "cpu_flags", lambda: ["avx", "avx2"])
        Engine(reduced)
        assert not caplog.records
        Engine(made_on_vnni)
    assert "this CPU has none" in caplog.text


def test_engine_imports_no_module_of_the_training_stack(toy: Bundle) -> None:
    code = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {{"torch", "transformers", "prefect", "mlflow", "sklearn", "pandas", "onnx"}}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from assay.serving.address import open_bundle
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Row
import assay.serving.predict, assay.serving.smoke
assert Engine(open_bundle(Path({str(toy.folder)!r}))).predict([Row("good Apple")])[0].label == "up"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
