import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client

from assay.corpus.errors import AssayError, DataError
from assay.evaluation.bundle_evaluation import Evaluation
from assay.flows.training import TrainingOutcome, train
from assay.registry.model_registry import ModelRegistry
from assay.runs.run import Step
from assay.serving.address import open_bundle
from assay.serving.engine import Engine, Row
from tests.flows.tiny import make_recipe, rows, write_rows

pytestmark = pytest.mark.usefixtures("prefect_server", "no_tracking_server")


class World:
    """A corpus file, and a store with a first champion."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.corpus = write_rows(folder / "rows.jsonl")
        self.store = store
        self.first = self.run()

    def run(self, *, from_step: Step | None = None, force: str | None = None, **changes: Any) -> TrainingOutcome:
        return train(make_recipe(self.corpus, **changes), self.store, from_step=from_step, force=force)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry("tiny", self.first.tracking_uri, self.store)

    @property
    def champion(self) -> str | None:
        version = self.registry.champion()
        return version.number if version else None


@pytest.fixture(scope="module")
def no_tracking_server() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, prefect_server: None, no_tracking_server: None
) -> World:
    """Share one world between the tests, since a training takes seconds. Version 1 normally stays champion."""
    folder = tmp_path_factory.mktemp("world")
    store = folder / "store"
    store.mkdir()
    shutil.copy(mlflow_database, store / "mlflow.db")
    return World(folder, store)


def steps_begun(outcome: TrainingOutcome, store: Path) -> dict[str, float]:
    """Return the start time of each finished step."""
    markers = [json.loads(path.read_text()) for path in (store / "runs" / outcome.run).glob("*/step.json")]
    return {marker["step"]: marker["began"] for marker in markers}


def test_train_refuses_a_model_that_predicts_one_class(world: World, tmp_path: Path) -> None:
    # Given a training that learns nothing and a threshold that one class alone reaches,
    outcome = world.run(
        name="one-class",
        registry={"name": "one-class"},
        model={"heads": ["sentence"]},
        training={"epochs": 1, "learning_rate": 1e-7},
        gate={"min_f1": {"sentence": 0.3}, "baseline": "majority", "slices": {}},
    )
    # then it is refused, by whatever else it may be, and MLflow shows the baseline beside the model.
    assert not outcome.promotion.promoted
    assert "baseline: sentence" in {check.name for check in outcome.verdict.failed}
    metrics = MlflowClient(tracking_uri=outcome.tracking_uri).get_run(outcome.mlflow_run).data.metrics
    assert metrics["test.baseline_f1_sentence"] == outcome.verdict.metrics["baseline_f1_sentence"]
    assert "macro-F1 of classes, baseline" in outcome.card.read_text(encoding="utf-8")


def test_train_promotes_a_good_model(world: World) -> None:
    first = world.first
    assert first.verdict.outcome == "passed", first.verdict.failed
    assert first.promotion.promoted
    assert world.champion == "1"
    assert first.card.is_file()
    bundle = open_bundle("models:/tiny@champion", tracking_uri=first.tracking_uri)
    prediction = Engine(bundle).predict([Row("Caramon falls and falls again")])[0]
    assert prediction.label == "bad"
    assert [(entity.start, entity.end) for entity in prediction.entities] == [(0, 7)]


def test_train_logs_the_metrics_of_the_registered_bundle(world: World) -> None:
    client = MlflowClient(tracking_uri=world.first.tracking_uri)
    metrics = client.get_run(world.first.mlflow_run).data.metrics
    evaluation = Evaluation.load(world.first.evaluation)
    version = client.get_model_version("tiny", "1")
    assert metrics["test.sentence.macro_f1"] == evaluation.metrics["sentence.macro_f1"]
    assert version.tags["assay.bundle"] == evaluation.bundle


def test_train_shows_artifacts_in_prefect(world: World) -> None:
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(limit=200)
    pages = {(artifact.key, artifact.description) for artifact in artifacts}
    assert {"validation", "split", "verdict", "model-card"} <= {key for key, _ in pages}
    assert ("verdict", "tiny: passed") in pages


def test_train_registers_a_worse_model_without_promotion(world: World) -> None:
    worse = world.run(training={"epochs": 1, "learning_rate": 1e-6})
    assert worse.verdict.outcome == "refused"
    failed = {check.name for check in worse.verdict.failed}
    assert {"score: sentence", "score: tokens", "champion: sentence", "champion: tokens"} <= failed
    # that it learned nothing, and the remedy, stands in the verdict, on the card and in MLflow
    learned_nothing = "raise training.learning_rate (1e-06) to about 0.001"
    assert learned_nothing in next(check.why for check in worse.verdict.failed if check.name == "score: sentence")
    assert learned_nothing in worse.card.read_text(encoding="utf-8")
    tags = MlflowClient(tracking_uri=worse.tracking_uri).get_run(worse.mlflow_run).data.tags
    assert learned_nothing in tags["assay.training_warnings"]
    assert world.champion == "1"
    assert worse.promotion.version is not None
    assert worse.promotion.version.outcome == "refused"


def test_train_counts_labels_that_no_training_row_has_as_missed(store: Path, tmp_path: Path) -> None:
    # given a class of a single training row, and a class and an entity type that only a test row has (as in ATIS)
    made = [{**row, "split": "train"} for row in rows(500, 1)]
    made += [{**row, "split": "validation"} for row in rows(40, 2)] + [{**row, "split": "test"} for row in rows(40, 3)]
    made[0]["label"] = "odd"
    made[-1]["label"] = "new"
    made[-2]["entities"][0]["label"] = "PLACE"
    corpus = tmp_path / "rows.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in made))
    outcome = train(
        make_recipe(
            corpus,
            source={"fields": {"id": "id", "label": "label", "entities": "entities", "split": "split"}},
            split={"method": "published"},
            validation={"max_duplicate_share": 1.0, "min_class_rows": 1, "unseen_labels": "count_as_missed"},
            gate={"slices": {"columns": []}, "min_f1": {"sentence": 0.5, "tokens": 0.7}, "allow_untested": True},
        ),
        store,
    )
    # then the run ends with a model, and its F1 is the mean with that of the class that it cannot know, which is 0
    assert outcome.verdict.outcome == "passed", outcome.verdict.failed
    metrics = MlflowClient(tracking_uri=outcome.tracking_uri).get_run(outcome.mlflow_run).data.metrics
    assert 0.5 < metrics["test.sentence.macro_f1"] <= 2 / 3
    assert 0.7 < metrics["test.tokens.f1"] < 1


def test_train_forces_a_refused_model_and_records_the_reason(world: World) -> None:
    hopeless: dict[str, Any] = {
        "name": "forced",
        "registry": {"name": "forced"},
        "training": {"epochs": 1, "learning_rate": 1e-6},
    }
    with pytest.raises(AssayError, match="needs a reason"):
        world.run(force=" ", **hopeless)
    outcome = world.run(force="the demo must show something", **hopeless)
    assert outcome.verdict.outcome == "refused"
    assert outcome.promotion.promoted
    [move] = ModelRegistry("forced", outcome.tracking_uri, world.store).history()
    assert move.forced == "the demo must show something"


def test_train_registers_nothing_in_a_dry_run(world: World) -> None:
    before = len(MlflowClient(tracking_uri=world.first.tracking_uri).search_model_versions("name='tiny'"))
    outcome = world.run(run_mode="dry_run")
    after = len(MlflowClient(tracking_uri=world.first.tracking_uri).search_model_versions("name='tiny'"))
    assert outcome.promotion.version is None
    assert after == before


def test_train_from_step_redoes_only_later_steps(world: World) -> None:
    other = world.run(registry={"name": "again"}, name="again")
    before = steps_begun(other, world.store)
    again = world.run(from_step="export", registry={"name": "again"}, name="again")
    after = steps_begun(again, world.store)
    assert again.run == other.run
    for step in ("extract", "validate", "split", "train"):
        assert after[step] == before[step]
    assert after["export"] > before["export"]


def test_train_reuses_training_and_export_with_another_threshold(world: World) -> None:
    # given a champion, when only thresholds differ,
    outcome = world.run(gate={"min_f1": {"sentence": 0.6, "tokens": 0.7}, "max_size_mb": 0.001})
    # then the new run has read the source and looked at the test rows itself, and trained nothing,
    first, later = steps_begun(world.first, world.store), steps_begun(outcome, world.store)
    assert outcome.run != world.first.run
    for step in ("extract", "validate", "split", "evaluate"):
        assert later[step] > first[step]
    for step in ("train", "export"):
        assert later[step] == first[step]
    assert outcome.verdict.bundle == world.first.verdict.bundle
    # the curves are in its MLflow run, too,
    client = MlflowClient(tracking_uri=outcome.tracking_uri)
    for curve in ("train.loss", "validation.score"):
        earlier, again = (client.get_metric_history(one.mlflow_run, curve) for one in (world.first, outcome))
        assert [(point.step, point.value) for point in again] == [(point.step, point.value) for point in earlier]
    # and the refusal has a card of its own.
    assert outcome.verdict.outcome == "refused"
    assert outcome.card != world.first.card
    assert "refused" in outcome.card.read_text(encoding="utf-8")
    assert world.champion == "1"


def test_train_from_gate_refuses_other_training_settings(world: World) -> None:
    before = world.first.card.read_bytes()
    with pytest.raises(AssayError, match=r"--from gate: .*training\.epochs \(read by train\)"):
        world.run(from_step="gate", training={"epochs": 1})
    assert world.first.card.read_bytes() == before


def test_train_stops_at_invalid_data_and_reads_fixed_data(world: World, tmp_path: Path) -> None:
    # given rows of one class only
    corpus = write_rows(tmp_path / "rows.jsonl")
    mended = corpus.read_text()
    corpus.write_text("".join(line for line in mended.splitlines(keepends=True) if '"good"' in line))
    recipe = make_recipe(corpus, name="mended", training={"epochs": 1}, run_mode="dry_run")
    with pytest.raises(DataError, match="1 class"):
        train(recipe, world.store)
    # when they are mended, the same recipe reads them anew
    corpus.write_text(mended)
    assert Evaluation.load(train(recipe, world.store).evaluation).rows


def test_train_compares_on_rows_new_to_the_champion(world: World) -> None:
    write_rows(world.corpus, 500)
    challenger = world.run(training={"seed": 5})
    checks = {check.name: check for check in challenger.verdict.checks if check.name.startswith("champion")}
    assert set(checks) == {"champion: sentence", "champion: tokens"}
    assert all("of version 1" in check.measured for check in checks.values())
