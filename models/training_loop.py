"""Training, from rows to a checkpoint; a killed training resumes from its newest complete checkpoint."""

import json
import logging
import shutil
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import TrainerCallback, set_seed

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.storage.digest import digest_file, digest_json
from assay.models import distributed as processes
from assay.models.adapters import merge_adapters
from assay.models.batching import BucketLoader
from assay.models.callbacks import SCORE, Log
from assay.models.checkpoint import HISTORY, MANIFEST, TOKENIZER, Checkpoint
from assay.models.dropout import use_cpu_dropout
from assay.models.hardware import choose_precision, device_name, own_determinism, training_device
from assay.models.learning_check import learning_warnings
from assay.models.loss import HeadsLoss, balanced_positive_weights, balanced_weights
from assay.models.network import Network
from assay.models.preparation import Data, checkpoint_manifest, encode, label_set_of, new_network
from assay.models.resume import newest_checkpoint
from assay.models.tokenizer import save_tokenizer
from assay.models.trainer import NetworkTrainer, load_trainable, trainer_arguments
from assay.models.used_embedding import restore_embedding, train_used_rows
from assay.models.validation_scores import crf_scores, metrics, predict
from assay.recipes.recipe import ModelSection, Training

WORK = "work"

_logger = logging.getLogger(__name__)


@own_determinism()
def train(
    train_rows: Collection[Example],
    validation_rows: Sequence[Example],
    model: ModelSection,
    training: Training,
    folder: Path,
    log: Log | None = None,
    callbacks: Sequence[TrainerCallback] = (),
    weights: Sequence[float] | None = None,
    *,
    oversample: bool = False,
) -> None:
    """Train the network of a recipe and write a `Checkpoint` into `folder`.

    If an earlier attempt left complete intermediate checkpoints in the folder, the training resumes as if it had not
    been interrupted. A finished checkpoint is left unchanged.

    Args:
        train_rows: training rows, which define classes and entity types. They are iterated several times.
        validation_rows: rows that are scored after each epoch and decide which epoch is kept.
        model: section `model` of the recipe.
        training: section `training` of the recipe.
        folder: existing folder for the checkpoint.
        log: function that takes metrics (`train.loss`, `validation.tokens.f1` and others) and their step.
        callbacks: additional callbacks of the Trainer.
        weights: sample weights of the training rows; None weighs all rows equally.
        oversample: use the weights as numbers of repeats instead of sample weights.

    Raises:
        AssayError: the rows do not fit the heads, the encoder cannot be loaded, the loss is not finite, or the number
            of processes is not `training.processes`.
    """
    _check_processes(training)
    work = folder / WORK
    if not (folder / MANIFEST).is_file():
        work.mkdir(exist_ok=True)
        precision = choose_precision(training.precision, training_device())
        label_set = label_set_of(train_rows, model)
        set_seed(training.seed, deterministic=training.deterministic)
        network, tokenizer = new_network(train_rows, model, label_set)
        if processes.is_first():
            save_tokenizer(tokenizer, folder)
        manifest = checkpoint_manifest(train_rows, model, label_set, network, tokenizer)
        data = encode(train_rows, validation_rows, folder / TOKENIZER, work, manifest, weights, oversample=oversample)
        trainer = make_trainer(network, data, model, training, precision, work, _log_of_all(log))
        for callback in callbacks:
            trainer.add_callback(callback)
        history = _fit(trainer, training, precision)
        processes.wait_for_all()  # no process still reads intermediate checkpoints
        if processes.is_first():
            _finish(network)
            warnings = learning_warnings(history, validation_rows, model, training)
            for warning in warnings:
                _logger.warning("training: %s", warning.text)
            history["warnings"] = [warning.model_dump() for warning in warnings]
            (folder / HISTORY).write_text(json.dumps(history, indent=1), encoding="utf-8")
            Checkpoint.save(folder, network, manifest.model_copy(update={"crf": crf_scores(network)}))
    if processes.is_first():
        shutil.rmtree(work, ignore_errors=True)


def make_trainer(
    network: Network,
    data: Data,
    model: ModelSection,
    training: Training,
    precision: Literal["fp32", "bf16"],
    work: Path,
    log: Log,
) -> NetworkTrainer:
    """Return the Trainer of one training; intermediate checkpoints are written below `work`."""
    used_ids = np.union1d(np.union1d(data.train.used_ids(), data.validation.used_ids()), [data.collate.pad_id])
    train_used_rows(network, used_ids)
    if training_device().type == "cpu":
        use_cpu_dropout(network)
    class_weights = positive_weights = None
    if training.class_weights == "balanced" and data.label_set.labels:
        class_weights = balanced_weights(data.train.labels, len(data.label_set.labels))
    if training.class_weights == "balanced" and data.label_set.row_labels:
        targets = [data.train.get("row_labels", row) for row in range(len(data.train))]
        positive_weights = balanced_positive_weights(targets)
    digests = {name: digest_file(work / f"{name}.arrow") for name in ("train", "validation")}
    return NetworkTrainer(
        network,
        trainer_arguments(work, training),
        training=training,
        loader=BucketLoader(data.train, data.collate, training.batch_size, training.seed, oversample=data.oversample),
        loss=HeadsLoss(network.crf, training.tokens_weight, training.label_smoothing, class_weights, positive_weights),
        precision=precision,
        metrics=lambda: metrics(
            data.validation_rows,
            predict(network, data.validation, data.collate, data.label_set),
            data.label_set,
        ),
        log=log,
        key=digest_json(
            {
                "model": model.model_dump(mode="json"),
                "training": training.model_dump(mode="json"),
                "oversample": data.oversample,
                **digests,
            }
        ),
    )


def _fit(trainer: NetworkTrainer, training: Training, precision: str) -> dict[str, Any]:
    """Run the training, load the weights of the kept epoch into the network, and return the history."""
    start = time.monotonic()
    work = Path(str(trainer.args.output_dir))
    newest = newest_checkpoint(work, trainer.key)
    if newest is not None:
        _logger.info("resuming from %s", newest.name)
    trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    entries = trainer.state.log_history
    epochs = [entry for entry in entries if SCORE in entry]
    kept_step = trainer.state.best_global_step if training.keep == "best" else trainer.state.global_step
    if (checkpoint := work / f"checkpoint-{kept_step}").is_dir():
        load_trainable(trainer.network, checkpoint)
    return {
        "device": device_name(trainer.args.device),
        "precision": precision,
        "processes": processes.count(),
        "threads": torch.get_num_threads(),
        "seconds": time.monotonic() - start,
        "examples_per_second": trainer.examples_per_second,
        "kept_epoch": next((entry["epoch"] for entry in epochs if entry["step"] == kept_step), None),
        "epochs": [{name.removeprefix("eval_"): value for name, value in entry.items()} for entry in epochs],
        "loss": [[entry["step"], entry["loss"]] for entry in entries if "loss" in entry],
    }


def _finish(network: Network) -> None:
    """Prepare the network for saving: move it to the CPU, restore the full embedding, merge the adapters."""
    network.cpu()
    restore_embedding(network)
    merge_adapters(network)


def _check_processes(training: Training) -> None:
    if training.processes != processes.count():
        raise AssayError(
            f"training.processes is {training.processes}, and {processes.count()} are running; "
            "assay run starts the number that the recipe sets"
        )


def _log_of_all(log: Log | None) -> Log:
    """Return the log in the first process; the others compute the same metrics and do not log them."""
    return log if log is not None and processes.is_first() else _ignore


def _ignore(values: dict[str, float], step: int) -> None:
    """Discard metrics."""
