"""Search for settings with real, tiny networks."""

from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.runs.run import Run
from assay.tasks.tune import tune
from assay.tasks.tuning.result import TuningResult
from tests.snapshots import make_run
from tests.tasks.tuning.search_runs import Data, a_run, nested, write_data

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Return rows of three splits."""
    return write_data(tmp_path)


def test_tune_logs_trials_and_best_settings(store: Path, data: Data) -> None:
    run = a_run(store)
    result = TuningResult.load(tune.fn(run, *data).path)

    # The first trial is the recipe as it stands, and the best is the best of all.
    assert [trial.number for trial in result.trials] == [0, 1, 2]
    assert result.trials[0].settings == {"training.learning_rate": 0.002}
    assert result.best.score == max(trial.score or 0 for trial in result.trials)
    # Each trial is a nested run with its parameters and its curve,
    client = MlflowClient(tracking_uri=run.tracking_uri)
    runs = nested(run)
    assert [each.info.run_name for each in runs] == ["trial 0", "trial 1", "trial 2"]
    for each, trial in zip(runs, result.trials, strict=True):
        assert each.info.status == "FINISHED"
        assert float(each.data.params["training.learning_rate"]) == trial.settings["training.learning_rate"]
        curve = client.get_metric_history(each.info.run_id, "validation.score")
        assert [metric.value for metric in curve] == trial.scores
        assert [metric.step for metric in curve] == [3, 6]
    # and the run of the pipeline tells the outcome, but holds no curve of a training.
    parent = client.get_run(run.mlflow_run).data
    assert parent.tags["assay.tuned"] == result.overrides[0]
    assert parent.metrics["tuning.score"] == result.trials[2].score
    assert "train.loss" not in parent.metrics
    assert [file.path for file in client.list_artifacts(run.mlflow_run)] == ["tuning.json"]


def test_tune_resumes_without_repeating_finished_trials(
    store: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = a_run(store, "unbroken")
    unbroken = TuningResult.load(tune.fn(straight, *data).path)

    # given a search that is interrupted in its second trial, behind its first epoch
    run = a_run(store, "broken")
    epochs = 0

    def interrupt(folder: Path, key: str) -> None:
        nonlocal epochs
        mark_complete(folder, key)
        epochs += 1
        if epochs == 3:
            raise KeyboardInterrupt

    from assay.models import resume

    mark_complete = resume.mark_complete
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(resume, "mark_complete", interrupt)
        tune.fn(run, *data)
    assert [each.info.status for each in nested(run)] == ["FINISHED", "FAILED"]
    [first] = (store / "runs" / "broken").glob("trial-*/step.json")
    done = first.stat().st_mtime_ns

    # when it is started again
    result = TuningResult.load(tune.fn(run, *data).path)

    # then all trials are those of the unbroken one, the first was not repeated, and the second not begun anew
    assert result == unbroken
    assert first.stat().st_mtime_ns == done
    assert [each.info.status for each in nested(run)] == ["FINISHED"] * 3
    assert losses(nested(run)[1], run) == losses(nested(straight)[1], straight)


def losses(trial: Any, run: Run) -> dict[int, float]:
    """Return the loss of each step, which must be logged once."""
    curve = MlflowClient(tracking_uri=run.tracking_uri).get_metric_history(trial.info.run_id, "train.loss")
    assert sorted(metric.step for metric in curve) == [1, 2, 3, 4, 5, 6]
    return {metric.step: metric.value for metric in curve}


def test_tune_continues_with_the_trials_of_an_earlier_attempt(store: Path, data: Data) -> None:
    run = a_run(store, trials=1, epochs=1)
    first = TuningResult.load(tune.fn(run, *data).path)
    second = TuningResult.load(tune.fn(run, *data, attempt=1).path)
    assert second.trials[:1] == first.trials
    assert len(second.trials) == 2
    assert len(nested(run)) == 2
    assert [len(trial.scores) for trial in second.trials] == [1, 1]


def test_tune_reports_a_missing_section_in_one_line(store: Path, data: Data) -> None:
    with pytest.raises(AssayError, match=r"add tuning\.space to the recipe"):
        tune.fn(make_run(store), *data)
