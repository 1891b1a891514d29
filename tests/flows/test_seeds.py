"""Train with several seeds, two at a time in threads."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.flows.runners import task_runner
from assay.flows.seeds import SeedScores, train_across_seeds
from tests.flows.tiny import make_recipe

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow  # each training is a process of its own, which imports torch
def test_train_across_seeds_trains_each_seed_once_on_the_same_splits(
    corpus: Path, store: Path, prefect_server: None
) -> None:
    recipe = make_recipe(corpus, training={"epochs": 2, "keep": "last"})
    flow = train_across_seeds.with_options(task_runner=task_runner("threads:2"))
    result = flow(recipe, [3, 4], store)

    assert sorted(result.scores) == [3, 4]
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    nested = client.search_runs([experiment.experiment_id], "params.`training.seed` != '13'")
    assert sorted(run.data.params["training.seed"] for run in nested) == ["3", "4"]
    assert len({client.get_metric_history(run.info.run_id, "train.loss")[0].value for run in nested}) == 2
    # begun again with one more, only that one is trained
    done = {path: path.stat().st_mtime_ns for path in store.glob("runs/*/trial-*/step.json")}
    more = flow(recipe, [3, 4, 5], store)
    assert more.scores.items() > result.scores.items()
    after = {path: path.stat().st_mtime_ns for path in store.glob("runs/*/trial-*/step.json")}
    assert after.items() > done.items()
    assert len(after) == 3


def test_seed_scores_have_mean_and_deviation() -> None:
    result = SeedScores(scores={0: 0.5, 1: 0.7})
    assert result.mean == pytest.approx(0.6)
    assert result.deviation == pytest.approx(0.1414, abs=1e-4)
    assert SeedScores(scores={0: 0.5}).deviation == 0


@pytest.mark.parametrize("seeds", [[], [1, 1]])
def test_train_across_seeds_refuses_empty_and_duplicate_seeds(corpus: Path, store: Path, seeds: list[int]) -> None:
    with pytest.raises(AssayError, match="name at least one, and each only once"):
        train_across_seeds.fn(make_recipe(corpus), seeds, store)
