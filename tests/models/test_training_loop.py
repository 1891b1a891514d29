import itertools
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoTokenizer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.storage.digest import digest_folder
from assay.models.callbacks import PruneTrial
from assay.models.checkpoint import Checkpoint
from assay.models.training_loop import WORK, train
from assay.models.training_stops import PrunedTrial
from assay.recipes.recipe import Head, Lora, ModelSection, Scratch, Training

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS = [
    Example(
        id=str(index),
        text=f"shares of {name} {verb}" + " today" * (index % 4),
        label="up" if verb == "rose" else "down",
        entities=(Entity(10, 10 + len(name), "ORG"),),
    )
    for index, (name, verb) in enumerate(
        (name, verb) for name in ["Bayer", "Siemens", "New York", "Süß & Söhne"] for verb in ["rose", "fell"] * 3
    )
]
TRAINING = Training(epochs=3, batch_size=8, learning_rate=1e-3)
SCRATCH = Scratch(layers=1, hidden=16, attention_heads=2, vocabulary=100)


class _KilledError(Exception):
    """End of the process."""


class _KillAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self._step:
            raise _KilledError


class _KillBehindSave(TrainerCallback):
    def __init__(self, step: int) -> None:
        self._step = step

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self._step:
            raise _KilledError


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{file}.{name}": value
        for file in ("model.safetensors", "encoder.safetensors", "heads.safetensors")
        if (folder / file).is_file()
        for name, value in load_file(folder / file).items()
    }


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
@pytest.mark.parametrize("heads", [["sentence"], ["tokens"], ["sentence", "tokens"]])
def test_train_every_pair_of_encoder_and_heads(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str, heads: list[Head]
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    one = TRAINING.model_copy(update={"epochs": 1})
    train(ROWS, ROWS[:8], ModelSection(encoder=str(folder), heads=heads, max_length=32), one, tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    inputs = AutoTokenizer.from_pretrained(tmp_path)(ROWS[0].text, return_tensors="pt")
    logits = checkpoint.network()(inputs["input_ids"], inputs["attention_mask"])
    sizes = {"sentence": len(checkpoint.labels), "tokens": len(checkpoint.tags)}
    assert {head: values.shape[-1] for head, values in logits.items()} == {head: sizes[head] for head in heads}
    assert not (tmp_path / WORK).exists()


WEIGHTS = [1.5 if index % 3 else 1.0 for index in range(len(ROWS))]


@pytest.mark.parametrize(
    ("options", "weighting"),
    [
        ({"heads": ["sentence", "tokens"], "crf": True}, {}),
        ({"heads": ["sentence"], "lora": Lora(r=4)}, {}),
        ({"heads": ["sentence", "tokens"], "crf": True}, {"weights": WEIGHTS}),
        ({"heads": ["sentence", "tokens"]}, {"weights": [2.0, 1.0, 1.0] * 8, "oversample": True}),
    ],
    ids=["crf", "lora", "weighted rows", "repeated rows"],
)
def test_train_resumes_a_killed_training_to_the_same_end(
    tmp_path: Path, tiny_bert_folder: Path, options: dict[str, Any], weighting: dict[str, Any]
) -> None:
    model = ModelSection(encoder=str(tiny_bert_folder), max_length=32, **options)
    straight, broken = _new(tmp_path / "straight"), _new(tmp_path / "broken")
    train(ROWS, ROWS[:8], model, TRAINING, straight, **weighting)

    # when it is killed within the second epoch, and once more within the third
    losses: dict[int, float] = {}

    def log(values: dict[str, float], step: int) -> None:
        if "train.loss" in values:
            losses[step] = values["train.loss"]

    steps = 4 if weighting.get("oversample") else 3
    for step in (2 * steps - 1, 3 * steps - 1):
        with pytest.raises(_KilledError):
            train(ROWS, ROWS[:8], model, TRAINING, broken, log, [_KillAt(step)], **weighting)
        losses.clear()
    train(ROWS, ROWS[:8], model, TRAINING, broken, log, **weighting)

    # then only the third epoch was trained again, and all weights and metrics are those of the uninterrupted run
    assert sorted(losses) == list(range(2 * steps + 1, 3 * steps + 1))
    _assert_equal(straight, broken)


@pytest.mark.parametrize("keep", ["best", "last"])
def test_train_does_not_continue_a_killed_training_that_stopped_early(
    tmp_path: Path, keep: Literal["best", "last"]
) -> None:
    # given steps too small to change a prediction, so that the second epoch is no better and the last one
    model = ModelSection(scratch=SCRATCH, heads=["sentence", "tokens"], max_length=16)
    training = TRAINING.model_copy(update={"learning_rate": 1e-5, "early_stopping": 1, "keep": keep})
    straight, broken = _new(tmp_path / "straight"), _new(tmp_path / "broken")
    train(ROWS, ROWS[:8], model, training, straight)
    assert [entry["step"] for entry in Checkpoint.load(straight).history["epochs"]] == [3, 6]

    # when it is killed once its last epoch is saved, and resumed
    with pytest.raises(_KilledError):
        train(ROWS, ROWS[:8], model, training, broken, callbacks=[_KillBehindSave(6)])
    train(ROWS, ROWS[:8], model, training, broken)

    _assert_equal(straight, broken)


def _assert_equal(straight: Path, broken: Path) -> None:
    """Check that two trainings ended with the same weights and metrics."""
    expected = _weights(straight)
    for name, found in _weights(broken).items():
        torch.testing.assert_close(found, expected[name], atol=1e-6, rtol=0, msg=name)
    histories = [json.loads((folder / "history.json").read_text()) for folder in (straight, broken)]
    assert histories[0]["epochs"] == histories[1]["epochs"]
    assert histories[0]["loss"] == histories[1]["loss"]
    assert histories[0]["kept_epoch"] == histories[1]["kept_epoch"]


@pytest.mark.parametrize("harm", ["cut", "unmarked"])
def test_train_skips_an_incomplete_checkpoint(tmp_path: Path, tiny_bert_folder: Path, harm: str) -> None:
    # given a training that was killed after its second epoch
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["sentence"], max_length=32)
    with pytest.raises(_KilledError):
        train(ROWS, ROWS[:8], model, TRAINING, tmp_path, callbacks=[_KillAt(8)])

    # when its newest checkpoint is damaged
    newest = tmp_path / WORK / "checkpoint-6"
    if harm == "cut":
        os.truncate(newest / "optimizer.pt", 100)
    else:
        (newest / "complete.json").unlink()
    steps: list[int] = []
    train(ROWS, ROWS[:8], model, TRAINING, tmp_path, lambda values, step: steps.append(step))

    # then the one before is resumed
    assert min(steps) == 4
    Checkpoint.load(tmp_path)


def test_train_leaves_a_finished_checkpoint_unchanged(tmp_path: Path) -> None:
    model = ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16)
    train(ROWS, ROWS[:8], model, TRAINING, tmp_path)
    steps: list[int] = []
    train(ROWS, ROWS[:8], model, TRAINING, tmp_path, lambda values, step: steps.append(step))
    assert steps == []


def test_train_keeps_the_best_epoch(tmp_path: Path) -> None:
    # given a learning rate that ruins the first epochs is unlikely to end on its best epoch
    model = ModelSection(scratch=SCRATCH, heads=["sentence", "tokens"], max_length=16)
    training = Training(epochs=6, batch_size=4, learning_rate=0.02, early_stopping=2)
    train(ROWS, ROWS, model, training, tmp_path)
    history = Checkpoint.load(tmp_path).history
    scores = {entry["epoch"]: entry["score"] for entry in history["epochs"]}
    assert scores[history["kept_epoch"]] == max(scores.values())
    assert history["kept_epoch"] == min(epoch for epoch, score in scores.items() if score == max(scores.values()))
    # stopped two epochs after the best, or at the end
    assert max(scores) == min(6, history["kept_epoch"] + 2)


def test_train_keeps_the_last_epoch_if_the_recipe_says_so(tmp_path: Path) -> None:
    model = ModelSection(scratch=SCRATCH, heads=["sentence", "tokens"], max_length=16)
    # such steps ruin the weights, so that the last epoch is not the best one
    training = Training(epochs=4, batch_size=4, learning_rate=0.2, max_grad_norm=100, keep="last")
    train(ROWS, ROWS, model, training, tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    scores = [entry["score"] for entry in checkpoint.history["epochs"]]
    assert scores[-1] < max(scores)
    assert checkpoint.history["kept_epoch"] == 4


def test_train_gives_equal_weights_for_equal_inputs(tmp_path: Path) -> None:
    model = ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16)
    training = Training(epochs=1, batch_size=8, class_weights="balanced", label_smoothing=0.1)
    folders = [_new(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        train(ROWS, ROWS[:8], model, training, folder)
    assert (folders[0] / "model.safetensors").read_bytes() == (folders[1] / "model.safetensors").read_bytes()
    assert (folders[0] / "tokenizer.json").read_bytes() == (folders[1] / "tokenizer.json").read_bytes()


def test_train_favours_rows_with_larger_weights(tmp_path: Path) -> None:
    # given rows that contradict each other, and one half of them with ten times the weight
    rows = [Example(id=str(index), text="shares rose", label=["up", "down"][index % 2]) for index in range(128)]
    model = ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16)
    training = Training(epochs=1, batch_size=16, learning_rate=0.02)
    for favoured, oversample in itertools.product(("up", "down"), (False, True)):
        folder = _new(tmp_path / f"{favoured}-{oversample}")
        weights = [10.0 if row.label == favoured else 1.0 for row in rows]
        train(rows, rows, model, training, folder, weights=weights, oversample=oversample)

        # then the model predicts as that half does
        checkpoint = Checkpoint.load(folder)
        inputs = AutoTokenizer.from_pretrained(folder)(rows[0].text, return_tensors="pt")
        logits = checkpoint.network()(inputs["input_ids"], inputs["attention_mask"])["sentence"]
        assert checkpoint.labels[int(logits.argmax())] == favoured


def test_train_prunes_a_hopeless_trial_and_reports_its_scores(tmp_path: Path) -> None:
    model = ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16)
    asked: list[int] = []

    def hopeless(scores: Sequence[float]) -> bool:
        asked.append(len(scores))
        return len(scores) == 2

    with pytest.raises(PrunedTrial) as caught:
        train(ROWS, ROWS[:8], model, TRAINING, tmp_path, callbacks=[PruneTrial(hopeless)])
    assert len(caught.value.scores) == 2
    # asked again in a later attempt, it knows the epochs of the first one; nobody asks after the last epoch
    with pytest.raises(PrunedTrial):
        train(ROWS, ROWS[:8], model, TRAINING, tmp_path, callbacks=[PruneTrial(hopeless)])
    train(ROWS, ROWS[:8], model, TRAINING, tmp_path, callbacks=[PruneTrial(lambda scores: len(scores) == 3)])
    assert asked == [1, 2, 2]


def test_train_distinguishes_pairs_by_segment(tmp_path: Path) -> None:
    rows = [
        Example(id=str(number), text="does it rain", text_pair=f"it {word}", label=word)
        for number, word in enumerate(["rains", "shines"] * 8)
    ]
    train(rows, rows[:4], ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16), TRAINING, tmp_path)
    checkpoint = Checkpoint.load(tmp_path)
    assert checkpoint.pair
    assert checkpoint.uses_type_ids


@pytest.mark.parametrize(
    ("rows", "validation", "heads", "message"),
    [
        ([], ROWS, ["sentence"], "no training rows"),
        (ROWS, [], ["sentence"], "no validation rows"),
        ([row for row in ROWS if row.label == "up"], ROWS, ["sentence"], r"have the classes \['up'\]"),
        ([Example(id="1", text="a", label="b")], ROWS, ["tokens"], "the training rows have no entity"),
        (ROWS, [Example(id="v9", text="a", label="sideways")], ["sentence"], "row 'v9' has label 'sideways'"),
    ],
)
def test_train_reports_rows_that_do_not_fit_the_heads_in_one_line(
    tmp_path: Path, rows: list[Example], validation: list[Example], heads: list[Head], message: str
) -> None:
    with pytest.raises(AssayError, match=message):
        train(rows, validation, ModelSection(scratch=SCRATCH, heads=heads, max_length=16), TRAINING, tmp_path)


def test_train_reports_a_non_finite_loss_in_one_line(tmp_path: Path) -> None:
    # given a step that no recipe may ask for, and that ends in infinity at once
    steps = {"learning_rate": 1e12, "max_grad_norm": 1e12}
    wild = Training(epochs=20, batch_size=8, warmup_ratio=0.0).model_copy(update=steps)
    with pytest.raises(AssayError, match=r"lower training\.learning_rate"):
        train(ROWS, ROWS[:8], ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=16), wild, tmp_path)


def test_train_refuses_a_max_length_beyond_the_encoder(tmp_path: Path, tiny_bert_folder: Path) -> None:
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["sentence"], max_length=256)
    with pytest.raises(AssayError, match=r"model\.max_length is 256: the encoder reads 128 tokens at most"):
        train(ROWS, ROWS[:8], model, TRAINING, tmp_path)


class _Deterministic(TrainerCallback):
    def __init__(self) -> None:
        self.steps: list[bool] = []

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        self.steps.append(torch.are_deterministic_algorithms_enabled())


def test_train_is_deterministic_and_restores_the_mode(tmp_path: Path, tiny_bert_folder: Path) -> None:
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["sentence", "tokens"], crf=True, max_length=32)
    training = TRAINING.model_copy(update={"epochs": 1, "deterministic": True})
    seen = _Deterministic()
    for name in ("one", "two"):
        train(ROWS, ROWS[:8], model, training, _new(tmp_path / name), callbacks=[seen])
    assert digest_folder(tmp_path / "one")["heads.safetensors"] == digest_folder(tmp_path / "two")["heads.safetensors"]
    one, two = (digest_folder(tmp_path / name)["encoder.safetensors"] for name in ("one", "two"))
    assert one == two
    assert seen.steps
    assert all(seen.steps)
    assert not torch.are_deterministic_algorithms_enabled()
