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
    """The bundle with a changed graph, in a manifest that vouches for it."""
    model = onnx.load(bundle.model_path)
    change(model)
    onnx.save(model, bundle.model_path)
    files = bundle.manifest.files | {MODEL: digest_file(bundle.model_path)}
    write_manifest(bundle.folder, bundle.manifest.model_copy(update={"files": files}))
    return Bundle.load(bundle.folder)


def _set_table(model: onnx.ModelProto, name: str, value: float, *, unknown: bool = False) -> None:
    table = next(one for one in model.graph.initializer if one.name == name)
    array = numpy_helper.to_array(table).copy()
    array[0 if unknown else 1 :] = value
    table.CopyFrom(numpy_helper.from_array(array, name))


def test_labels_probabilities_and_entities_come_with_raw_offsets(engine: Engine) -> None:
    (answer,) = engine.predict([Row("🎉 good: Apple, (München) says Müller")])
    assert answer.label == "up"
    assert sum(answer.probabilities) == pytest.approx(1)
    assert answer.probabilities[engine.labels.index("up")] == max(answer.probabilities)
    found = [(entity.start, entity.end, entity.label) for entity in answer.entities]
    assert found == [(8, 13, "ORG"), (16, 23, "LOC"), (30, 36, "PER")]
    assert all(0.5 < entity.score <= 1 for entity in answer.entities)


def test_each_row_of_a_batch_has_the_answer_it_has_alone_in_its_place(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS * 3]
    together = engine.predict(rows)
    assert together == [engine.predict([row])[0] for row in rows]


def test_an_encoded_batch_is_answered_as_the_rows_are(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS if text]
    encoded = engine.encode(rows)
    assert [len(item) for item in encoded] == [len(item.ids) for item in encoded]
    assert engine.predict_batch(encoded) == engine.predict(rows)


def test_threads_may_share_an_engine(engine: Engine) -> None:
    rows = [Row(text) for text in TEXTS if text]
    expected = engine.predict(rows)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: engine.predict_batch(engine.encode(rows)), range(64)))
    assert all(answer == expected for answer in answers)


@pytest.mark.parametrize("pair", [False, True])
def test_warming_runs_every_length_class(build_toy: BuildToy, pair: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(build_toy(max_length=40, pair=pair), threads=1, batch_tokens=64)
    real = engine.logits
    shapes: list[tuple[int, int]] = []

    def watched(batch: Sequence[EncodedText]) -> dict[str, Floats]:
        shapes.append((len(batch), len(batch[0])))
        return real(batch)

    monkeypatch.setattr(engine, "logits", watched)
    engine.warm()
    assert {length for _, length in shapes} >= {40}
    assert {rows for rows, _ in shapes} > {1}


def test_warming_refuses_a_damaged_model(toy: Bundle) -> None:
    engine = Engine(_change_graph(toy, lambda model: _set_table(model, "votes", np.nan, unknown=True)), threads=1)
    with pytest.raises(AssayError, match="not finite"):
        engine.warm()


def test_no_rows_and_rows_without_words_are_answered(engine: Engine) -> None:
    assert engine.predict([]) == []
    (answer,) = engine.predict([Row("")])
    assert answer.entities == ()


def test_what_was_cut_off_is_said(build_toy: BuildToy) -> None:
    engine = Engine(build_toy(max_length=4), threads=1)
    long, short = engine.predict([Row("good good good good Apple"), Row("good Apple")])
    assert (long.truncated, long.entities) == (True, ())
    assert (short.truncated, len(short.entities)) == (False, 1)


def test_batches_hold_rows_of_like_length_within_the_token_budget() -> None:
    lengths = [5, 60, 7, 3, 64, 5, 100]
    batches = engine_module._batches(lengths, 64)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 64
    assert [index for batch in batches for index in batch] == sorted(range(len(lengths)), key=lengths.__getitem__)


def test_a_stream_is_read_two_portions_ahead(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CHUNK_ROWS", 4)
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield Row("good")

    answers = engine.predict_stream(rows())
    next(answers)
    assert taken <= 2 * 4 + 1
    assert len(list(answers)) == 99


def test_portions_are_limited_in_characters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "CHUNK_CHARACTERS", 10)
    chunks = engine_module._chunks([Row("x" * size) for size in (4, 4, 4, 50, 1)])
    assert [len(chunk) for chunk in chunks] == [2, 1, 1, 1]


@pytest.mark.parametrize(("table", "head"), [("votes", "sentence"), ("scores", "tokens")])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_an_error_that_names_the_row(
    toy: Bundle, table: str, head: str, value: float
) -> None:
    engine = Engine(_change_graph(toy, lambda model: _set_table(model, table, value)), threads=1)
    with pytest.raises(AssayError, match=f"row 1: the {head} logits are not finite"):
        engine.predict([Row("unknown"), Row("good Apple")])


def test_crf_transitions_overrule_single_units(build_toy: BuildToy) -> None:
    # given a CRF that forbids every tag but `O`
    tags = 7
    closed = [0.0] + [-1e4] * (tags - 1)
    crf = Crf(start=closed, end=closed, between=[closed] * tags)
    (answer,) = Engine(build_toy(crf=crf), threads=1).predict([Row("Apple Apple")])
    assert answer.entities == ()


@pytest.mark.parametrize(
    ("pair", "row", "message"),
    [(True, Row("good"), "row 0: text_pair is missing"), (False, Row("a", "b"), "row 0: text_pair is 'b'")],
)
def test_pairs_go_to_models_of_pairs_only(build_toy: BuildToy, pair: bool, row: Row, message: str) -> None:
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
def test_a_graph_that_is_not_what_the_manifest_says_is_refused(
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
        table = next(one for one in model.graph.initializer if one.name == "votes")
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
def test_a_graph_that_needs_more_than_its_verified_bytes_is_refused(
    toy: Bundle, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given such data where a session without a folder would look: in the working folder
    monkeypatch.chdir(toy.folder.parent)
    Path("weights.bin").write_bytes(bytes(32))
    with pytest.raises(AssayError, match=r"is refused by onnxruntime|another file|operators of the domain") as caught:
        Engine(_change_graph(toy, change))
    assert "\n" not in str(caught.value)


def test_int8_that_would_saturate_here_is_warned_of(
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


def test_the_engine_needs_nothing_of_the_training_stack(toy: Bundle) -> None:
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
