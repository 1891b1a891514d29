import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client

from assay import cli
from assay.cli.exit_codes import ExitCode
from assay.corpus.splitting.ledger import ledger_path
from assay.corpus.storage.digest import digest_file
from assay.evaluation.labelled_predictions import PREDICTIONS, read_predictions, write_predictions
from assay.flows.reproduce import reproduce
from assay.flows.training import TrainingOutcome, train
from assay.registry.versions import Versions
from assay.runs.environment import current_environment, to_text
from assay.runs.lineage_record import predictions_folder
from assay.runs.tags import REPRODUCES_TAG
from assay.runs.tracking import ENVIRONMENT
from assay.serving.bundle import Precision
from assay.tasks.reproduce import Reproduction
from tests.flows.tiny import make_recipe, write_rows

# Four trainings, each with its flow: two versions, and both of them once more.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]

SETTINGS: dict[str, Any] = {"training": {"epochs": 2, "deterministic": True}}


class World:
    """A store with two versions of a model. The splits of the second build on those of the first."""

    def __init__(self, store: Path, corpus: Path) -> None:
        self.store = store
        self.corpus = corpus
        self.first = self._train(120)
        self.second = self._train(180)
        self.uri = self.first.tracking_uri
        self.client = MlflowClient(tracking_uri=self.uri)
        self.experiment = self.client.get_run(self.first.mlflow_run).info.experiment_id

    def _train(self, rows: int) -> TrainingOutcome:
        return train(make_recipe(write_rows(self.corpus, rows), **SETTINGS), self.store)

    @property
    def registry(self) -> dict[str, Any]:
        """Return everything that the registry stores about the model."""
        versions = self.client.search_model_versions("name = 'tiny'")
        return {
            "model": dict(self.client.get_registered_model("tiny")),
            "versions": sorted((one.version, sorted(one.tags.items())) for one in versions),
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, prefect_server: None) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "store").mkdir()
    shutil.copy(mlflow_database, folder / "store" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield World(folder / "store", folder / "rows.jsonl")


def losses(world: World, mlflow_run: str) -> list[float]:
    return [metric.value for metric in world.client.get_metric_history(mlflow_run, "train.loss")]


def surroundings_named(reproduction: Reproduction) -> list[str]:
    """Return the differences, except the commit, which may change while the tests run."""
    return [change.what for change in reproduction.environment if change.what != "commit"]


def shipped_is_slowest(world: World, folder: Path) -> Callable[..., dict[Precision, float]]:
    """A measurement of speed that speaks against the precision that the second version ships."""
    versions = Versions(world.client, "tiny", world.uri)
    shipped = versions.download(versions.get("2"), folder).manifest.precision
    return lambda engines, rows: {precision: 1.0 if precision == shipped else 100.0 for precision in engines}


def test_reproduce_is_equal_to_the_last_digit(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given rows that have changed, a ledger that knows the sides of all runs, and a machine of other speeds
    monkeypatch.setattr(
        "assay.evaluation.precision_measurement.measure_speeds", shipped_is_slowest(world, tmp_path / "version")
    )
    write_rows(world.corpus, 50, seed=9)
    ledger = digest_file(ledger_path(world.store, "tiny"))
    registry = world.registry
    # when
    result = reproduce("models:/tiny/2", world.store)
    # then everything is equal, and it was really trained
    assert result.equal, result.matches
    assert {match.what for match in result.matches} == {"splits", "model.onnx", "predictions", "metrics"}
    assert surroundings_named(result) == []
    assert result.mlflow_run != world.second.mlflow_run
    assert losses(world, result.mlflow_run) == losses(world, world.second.mlflow_run)
    assert len(losses(world, result.mlflow_run)) == result.steps > 0
    # and neither registry nor ledger have heard of it
    assert digest_file(ledger_path(world.store, "tiny")) == ledger
    assert world.registry == registry
    assert not result.folder.exists()


def test_reproduce_logs_the_comparison_to_mlflow_and_prefect(world: World) -> None:
    [run] = world.client.search_runs([world.experiment], f"tags.`{REPRODUCES_TAG}` = 'models:/tiny/2'")
    assert run.info.status == "FINISHED"
    artifacts = {file.path for file in world.client.list_artifacts(run.info.run_id)}
    assert {"reproduction.md", "reproduction.json"} <= artifacts
    with get_client(sync_client=True) as client:
        shown = [artifact for artifact in client.read_artifacts(limit=200) if artifact.key == "reproduction"]
    assert "models:/tiny/2: reproduced to the last digit" in {artifact.description for artifact in shown}


def test_reproduce_command_names_differences_and_exits_with_4(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a version that is said to have answered one row otherwise, on another processor
    first = world.first
    answers = read_predictions(first.evaluation / PREDICTIONS)
    answers[0] = replace(answers[0], predicted="good" if answers[0].predicted == "bad" else "bad")
    write_predictions(answers, tmp_path / PREDICTIONS)
    world.client.log_artifact(first.mlflow_run, str(tmp_path / PREDICTIONS), predictions_folder(first.verdict.bundle))
    world.client.log_text(first.mlflow_run, to_text({**current_environment(), "processor": "An Other"}), ENVIRONMENT)
    # when
    monkeypatch.setattr(sys, "argv", ["assay", "reproduce", "models:/tiny/1", "--store", str(world.store)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    # then
    assert ended.value.code == ExitCode.DIFFERS
    shown = " ".join(capsys.readouterr().out.split())
    assert f"in 1 of {len(answers)} predictions" in shown
    assert "An Other" in shown
    [run] = world.client.search_runs([world.experiment], f"tags.`{REPRODUCES_TAG}` = 'models:/tiny/1'")
    path = world.client.download_artifacts(run.info.run_id, "reproduction.json", str(tmp_path))
    kept = Reproduction.model_validate_json(Path(path).read_bytes())
    assert [match.what for match in kept.matches if not match.equal] == ["predictions"]
    assert surroundings_named(kept) == ["processor"]
    assert kept.folder.is_dir()
