from pathlib import Path

import pytest

from assay.models.loss import HeadsLoss
from assay.tasks.trial import Plan, run_trial
from tests.tasks.tuning.search_runs import Data, a_run, nested, write_data

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Return rows of three splits."""
    return write_data(tmp_path)


def test_run_trial_fails_non_finite_trials_and_prunes_poor_ones(
    store: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(store, training={"epochs": 20, "warmup_ratio": 0.0})
    tuning = run.recipe.tuning
    assert tuning is not None
    wild = Plan(number=0, settings={"training.learning_rate": 1.0}, other_trials=[])
    # given a loss that overflows, which no allowed rate brings about on so few rows
    with monkeypatch.context() as overflowing:
        loss = HeadsLoss.__call__
        overflowing.setattr(HeadsLoss, "__call__", lambda *inputs: loss(*inputs) * float("inf"))
        non_finite = run_trial.fn(run, *data, tuning, wild)
    assert (non_finite.state, non_finite.score) == ("failed", None)
    assert "lower training.learning_rate" in non_finite.why

    perfect = non_finite.model_copy(update={"state": "finished", "scores": [1.0] * 20})
    other_trials = [
        perfect.model_copy(update={"number": number, "settings": {"training.learning_rate": 0.01}})
        for number in range(5)
    ]
    slow = Plan(number=5, settings={"training.learning_rate": 1e-7}, other_trials=other_trials)
    pruned = run_trial.fn(run, *data, tuning, slow)
    assert (pruned.state, len(pruned.scores)) == ("pruned", 1)
    tags = [each.data.tags["assay.trial"] for each in nested(run)]
    assert tags == ["failed", "pruned"]
    assert not list(store.rglob("model.safetensors"))
