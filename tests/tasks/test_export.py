from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import BUNDLE, ExportReport
from assay.models.checkpoint import Checkpoint
from assay.models.training_loop import train
from assay.recipes.recipe import DecisionRule, Lora, ModelSection, Training
from assay.runs.run import Run
from assay.serving.bundle import MODEL, Bundle, Precision
from assay.serving.calibration import Calibration
from assay.serving.decoding import Transitions
from assay.serving.engine import Engine, Row
from assay.serving.openvino_provider import runs_bf16
from assay.serving.smoke import smoke_test
from assay.tasks.export import export
from tests.snapshots import make_run, write_snapshot

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["Bayer", "Siemens", "New York", "Süß & Söhne"]
EXAMPLES = [
    Example(
        id=str(number),
        text=f"shares of {name} {verb}" + " again and again" * (number % 5),
        label="up" if verb == "rose" else "down",
        entities=(Entity(10, 10 + len(name), "ORG"),),
    )
    for number, (name, verb) in enumerate((name, verb) for name in NAMES for verb in ["rose", "fell"] * 8)
]
TRAINING = Training(epochs=1, batch_size=16, learning_rate=1e-3)


Trained = tuple[Run, ArtifactRef[Checkpoint], ArtifactRef[Snapshot], ArtifactRef[Splits]]


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Trained:
    """Train a BERT with both heads and a CRF; return run, checkpoint, snapshot and splits."""
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["sentence", "tokens"], crf=True, max_length=64)
    return _trained(tmp_path_factory.mktemp("joint"), model)


@pytest.fixture(scope="module")
def joint_export(joint: Trained) -> ArtifactRef[ExportReport]:
    run, checkpoint, snapshot, splits = joint
    return export.fn(run, checkpoint, snapshot, splits)


def _trained(folder: Path, model: ModelSection, precision: str = "fp32") -> Trained:
    snapshot = write_snapshot(folder / "snapshot", EXAMPLES)
    split_of: dict[str, SplitName] = {row.id: "validation" if int(row.id) % 3 == 0 else "train" for row in EXAMPLES}
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="test")
    (folder / "splits").mkdir()
    splits.save(folder / "splits")
    (folder / "checkpoint").mkdir()
    train(EXAMPLES, EXAMPLES[:8], model, TRAINING, folder / "checkpoint")
    gate = {"min_f1": dict.fromkeys(model.heads, 0.1), "precision": precision, "precision_max_drop": 0.5}
    run = make_run(folder, model=model.model_dump(), gate=gate)
    checkpoint = ArtifactRef[Checkpoint](path=folder / "checkpoint", digest="c")
    return run, checkpoint, snapshot, ArtifactRef[Splits](path=folder / "splits", digest=splits.digest)


def test_export_equals_torch_for_bert_with_both_heads_and_crf(joint_export: ArtifactRef[ExportReport]) -> None:
    report = ExportReport.load(joint_export.path)
    assert report.parity_max_difference < 1e-4
    assert report.parity_labels_equal
    assert report.parity_rows == len([row for row in EXAMPLES if int(row.id) % 3 == 0]) + 3


def test_export_calibrates_on_validation_rows_and_changes_no_prediction(
    joint: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, checkpoint, snapshot, splits = joint
    monkeypatch.setattr("assay.evaluation.calibration_fit.LEAST_ROWS", 5)
    other = run.model_copy(update={"store": tmp_path, "key": "calibrated"})
    bundle = Bundle.load(export.fn(other, checkpoint, snapshot, splits).path / BUNDLE)
    assert bundle.manifest.calibration["fp32"] != Calibration()
    calibrated = Engine(bundle, threads=1)
    plain = Engine(
        Bundle(bundle.folder, bundle.manifest.model_copy(update={"calibration": {}})), threads=1, precision="fp32"
    )
    rows = [Row(example.text) for example in EXAMPLES]
    for after, before in zip(calibrated.predict(rows), plain.predict(rows), strict=True):
        assert after.label == before.label
        assert after.probabilities != before.probabilities
        assert [(e.start, e.end, e.label) for e in after.entities] == [
            (e.start, e.end, e.label) for e in before.entities
        ]
    assert smoke_test(calibrated) == 8  # golden rows are calibrated, too


def test_export_chooses_thresholds_on_validation_rows_and_their_clusters(joint: Trained, tmp_path: Path) -> None:
    run, checkpoint, snapshot, splits = joint
    rules = {"sentence": DecisionRule(precision=0.01), "tokens": DecisionRule(precision=0.95)}
    recipe = run.recipe.model_copy(update={"decision": rules})
    other = run.model_copy(update={"store": tmp_path, "key": "deciding", "recipe": recipe})
    bundle = Bundle.load(export.fn(other, checkpoint, snapshot, splits).path / BUNDLE)
    decisions = bundle.manifest.decisions["fp32"]
    validation = [row for row in EXAMPLES if int(row.id) % 3 == 0]
    # an easy promise decides, a hard one leaves everything to people: the rows are too few
    assert (decisions["sentence"].threshold, decisions["sentence"].evidence.predictions) == (0.0, len(validation))
    assert decisions["tokens"].threshold is None
    assert bundle.manifest.recipe["decision"]["tokens"]["precision"] == 0.95
    predictions = Engine(bundle, threads=1).predict([Row(row.text) for row in EXAMPLES])
    assert not any(prediction.label_abstained for prediction in predictions)
    assert all(entity.abstained for prediction in predictions for entity in prediction.entities)


@pytest.mark.slow  # a training and an export
def test_export_equals_torch_for_deberta_with_lora_and_may_ship_int8(tmp_path: Path, tiny_deberta_folder: Path) -> None:
    model = ModelSection(encoder=str(tiny_deberta_folder), heads=["sentence"], lora=Lora(r=4), max_length=64)
    folder = export.fn(*_trained(tmp_path, model, "int8")).path
    report = ExportReport.load(folder)
    assert report.parity_max_difference < 1e-4
    assert report.parity_labels_equal
    bundle = Bundle.load(folder / BUNDLE)
    # made from the rewritten attention
    kinds = {node.op_type for node in onnx.load(folder / BUNDLE / MODEL).graph.node}
    assert "FusedMatMul" in kinds
    assert not kinds & {"GatherElements", "Tile"}
    assert (report.precision, bundle.manifest.precision, bundle.manifest.reduced_range) == ("int8", "int8", True)
    assert smoke_test(Engine(bundle, threads=1)) == 8


def test_export_bundle_reproduces_its_golden_rows(joint_export: ArtifactRef[ExportReport]) -> None:
    bundle = Bundle.load(joint_export.path / BUNDLE)
    assert len(bundle.manifest.golden) == 8
    assert smoke_test(Engine(bundle, threads=1)) == 8


def test_export_bundle_decodes_with_the_crf(joint_export: ArtifactRef[ExportReport]) -> None:
    # given transitions that allow no tag but the last, whatever the network says
    bundle = Bundle.load(joint_export.path / BUNDLE)
    engine = Engine(bundle, threads=1)
    assert bundle.manifest.crf is not None
    forced = np.array([0, 0, 1000], dtype=np.float32)
    engine._reader._transitions = Transitions(forced, forced, np.zeros((3, 3), dtype=np.float32))
    (answer,) = engine.predict([Row("Siemens")])
    assert [(entity.start, entity.end, entity.label) for entity in answer.entities] == [(0, 7, "ORG")]


def test_export_reuses_a_finished_export(joint: Trained, joint_export: ArtifactRef[ExportReport]) -> None:
    written = (joint_export.path / BUNDLE / MODEL).stat().st_mtime_ns
    run, checkpoint, snapshot, splits = joint
    assert export.fn(run, checkpoint, snapshot, splits) == joint_export
    assert (joint_export.path / BUNDLE / MODEL).stat().st_mtime_ns == written


def test_export_of_another_run_is_linked_only_on_a_processor_with_the_same_flags(
    joint: Trained, joint_export: ArtifactRef[ExportReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, *rest = joint
    inputs: Any = rest
    linked = export.fn(run.model_copy(update={"key": "second"}), *inputs)
    assert (linked.path / BUNDLE / MODEL).samefile(joint_export.path / BUNDLE / MODEL)

    def exported(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr("assay.tasks.export.cpu_flags", lambda: ["another"])
    monkeypatch.setattr("assay.tasks.export.export_bundle", exported)
    with pytest.raises(InterruptedError):
        export.fn(run.model_copy(update={"key": "third"}), *inputs)
    # the run's own result stays where the run goes on elsewhere
    assert export.fn(run, *inputs) == joint_export


@pytest.mark.slow  # an export in three precisions
@pytest.mark.skipif(not runs_bf16(), reason="needs the extra openvino and a CPU with amx_bf16 or avx512_bf16")
def test_export_ships_bf16_with_golden_rows_of_its_own(
    joint: Trained, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # given a machine on which bf16 is the fastest, and int8 holds its F1
    speeds: dict[Precision, float] = {"bf16": 300.0, "int8": 200.0, "fp32": 100.0}
    monkeypatch.setattr("assay.evaluation.precision_measurement.measure_speeds", lambda *_: speeds)
    run, *rest = joint
    gate = run.recipe.gate.model_copy(update={"precision": "auto", "precision_max_drop": 0.99})
    recipe = run.recipe.model_copy(update={"gate": gate})
    inputs: Any = rest
    # when the model is exported
    folder = export.fn(run.model_copy(update={"recipe": recipe, "key": "bf16"}), *inputs).path
    # then both graphs ship, and each precision reproduces its golden rows
    report, bundle = ExportReport.load(folder), Bundle.load(folder / BUNDLE)
    assert (report.precision, report.bf16) == (bundle.manifest.precision, bundle.manifest.bf16) == ("int8", True)
    assert [one.precision for one in bundle.manifest.measured] == ["bf16", "int8", "fp32"]
    assert report.size_mb == pytest.approx(
        sum(file.stat().st_size for file in bundle.folder.glob("*.onnx")) / 1e6, 0.01
    )
    for engine in (Engine(bundle, threads=1), Engine(bundle, threads=1, precision="int8")):
        assert smoke_test(engine) == 8
    # and other speeds are no other bundle
    slower = [one.model_copy(update={"rows_per_second": 1.0}) for one in bundle.manifest.measured]
    assert bundle.manifest.model_copy(update={"measured": slower}).digest == bundle.digest
