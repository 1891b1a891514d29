import logging
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from assay.models.callbacks import SCORE, EarlyStopping, MetricLogging, PruneTrial, scores_of
from assay.models.training_stops import NonFiniteLoss, PrunedTrial

STEP = {"loss": 0.5, "learning_rate": 0.1, "grad_norm": 2.0}


@pytest.fixture
def arguments(tmp_path: Path) -> TrainingArguments:
    return TrainingArguments(output_dir=str(tmp_path), report_to=[])


def state_of(scores: Sequence[float], step: int = 10, last: int = 100) -> TrainerState:
    """The state after epochs with these scores; the Trainer logs steps between them."""
    state = TrainerState(global_step=step, max_steps=last)
    for score in scores:
        state.log_history += [dict(STEP), {SCORE: score, "epoch": 1.0}]
    return state


def logged(arguments: TrainingArguments, values: dict[str, float] | None) -> list[tuple[dict[str, float], int]]:
    calls: list[tuple[dict[str, float], int]] = []
    callback = MetricLogging(lambda metrics, step: calls.append((metrics, step)))
    callback.on_log(arguments, state_of([], step=7), TrainerControl(), values)
    return calls


def test_metric_logging_names_metrics_of_training_and_validation(
    arguments: TrainingArguments, caplog: pytest.LogCaptureFixture
) -> None:
    train = {"train.loss": 0.5, "train.learning_rate": 0.1, "train.grad_norm": 2.0}
    assert logged(arguments, {**STEP, "epoch": 0.5}) == [(train, 7)]
    with caplog.at_level(logging.INFO):
        assert logged(arguments, {"eval_score": 0.25, "epoch": 2.0}) == [({"validation.score": 0.25}, 7)]
    assert caplog.messages == ["epoch 2: score 0.2500"]


@pytest.mark.parametrize("values", [None, {}, {"train_runtime": 3.0, "epoch": 1.0}])
def test_metric_logging_leaves_out_what_is_no_metric(
    arguments: TrainingArguments, values: dict[str, float] | None
) -> None:
    assert logged(arguments, values) == []


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_metric_logging_stops_a_training_without_a_finite_loss(arguments: TrainingArguments, loss: float) -> None:
    with pytest.raises(NonFiniteLoss, match=f"the training loss is {loss} at step 7; lower training.learning_rate"):
        logged(arguments, {**STEP, "loss": loss})


@pytest.mark.parametrize(
    ("scores", "stops"),
    [
        ([], False),
        ([0.5], False),
        ([0.5, 0.4], False),
        ([0.5, 0.4, 0.5], True),  # as good is not better
        ([0.5, 0.4, 0.6], False),
        ([0.5, 0.4, 0.6, 0.5, 0.5], True),
    ],
)
def test_early_stopping_waits_for_a_better_epoch(
    arguments: TrainingArguments, scores: list[float], stops: bool
) -> None:
    for event in ("on_evaluate", "on_epoch_begin"):  # the second after a restart
        control = TrainerControl()
        getattr(EarlyStopping(2), event)(arguments, state_of(scores), control)
        assert control.should_training_stop is stops


def test_prune_trial_sees_every_score_and_spares_the_last_epoch(arguments: TrainingArguments) -> None:
    seen: list[Sequence[float]] = []

    def hopeless(scores: Sequence[float]) -> bool:
        seen.append(scores)
        return scores[-1] < 0.3

    callback = PruneTrial(hopeless)
    callback.on_evaluate(arguments, state_of([0.5]), TrainerControl())
    with pytest.raises(PrunedTrial) as caught:
        callback.on_evaluate(arguments, state_of([0.5, 0.2]), TrainerControl())
    assert caught.value.scores == [0.5, 0.2]
    callback.on_evaluate(arguments, state_of([0.5, 0.2], step=100), TrainerControl())
    assert seen == [[0.5], [0.5, 0.2]]


def test_scores_of_are_those_of_epochs() -> None:
    assert scores_of(state_of([0.5, 0.25])) == [0.5, 0.25]
