"""Training, from rows to a checkpoint; a killed training goes on from its newest whole checkpoint."""

import itertools
import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, TrainerCallback, set_seed

from corpus.digest import digest_file, digest_json
from corpus.errors import AssayError
from corpus.example import Example
from models.adapters import add_adapters, merge_adapters
from models.batching import BucketLoader, Collator
from models.checkpoint import HISTORY, MANIFEST, TOKENIZER, Checkpoint, CheckpointManifest
from models.dataset import EncodedRows, LabelSet
from models.evaluation import crf_scores, figures, predict
from models.hardware import choose_precision, device_name, training_device
from models.loss import HeadsLoss, balanced_weights
from models.network import Network, build_network
from models.resume import newest_checkpoint
from models.scratch import scratch_config, train_tokenizer
from models.tokenizer import load_tokenizer, save_tokenizer
from models.trainer import SCORE, Log, NetworkTrainer, load_trainable, trainer_arguments
from models.vocabulary import restore_embedding, train_used_rows
from recipes.recipe import Model, Training
from serving.decoding import bio_tags
from serving.encoding import TextEncoder

WORK = "work"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """What a training reads: encoded rows of both sides, and the validation rows themselves to score against."""

    train: EncodedRows
    validation: EncodedRows
    validation_rows: Sequence[Example]
    label_set: LabelSet
    collate: Collator


def train(
    train_rows: Sequence[Example],
    validation_rows: Sequence[Example],
    model: Model,
    training: Training,
    folder: Path,
    log: Log | None = None,
    callbacks: Sequence[TrainerCallback] = (),
) -> None:
    """Train the network of a recipe and write a `Checkpoint` into `folder`.

    A folder in which an earlier attempt left whole intermediate checkpoints is gone on with, as if the
    attempt had never been interrupted. A finished checkpoint is left as it is.

    Args:
        train_rows: rows to learn from; classes and entity types are theirs.
        validation_rows: rows that decide which epoch is kept.
        model: section `model` of the recipe.
        training: section `training` of the recipe.
        folder: where the checkpoint goes; it exists.
        log: takes figures (`train.loss`, `validation.tokens.f1` and others) and their step.
        callbacks: further callbacks of the Trainer.

    Raises:
        AssayError: the rows do not fit the heads, the encoder cannot be had, or the loss is no number.
    """
    work = folder / WORK
    if not (folder / MANIFEST).is_file():
        work.mkdir(exist_ok=True)
        precision = choose_precision(training.precision, training_device())
        label_set = label_set_of(train_rows, model)
        set_seed(training.seed, deterministic=training.deterministic)
        network, tokenizer = new_network(train_rows, model, label_set)
        save_tokenizer(tokenizer, folder)
        manifest = _manifest(train_rows, model, label_set, network, tokenizer)
        data = encode(train_rows, validation_rows, folder / TOKENIZER, work, manifest)
        trainer = make_trainer(network, data, model, training, precision, work, log or _ignore)
        for callback in callbacks:
            trainer.add_callback(callback)
        history = _fit(trainer, precision)
        _finish(network)
        (folder / HISTORY).write_text(json.dumps(history, indent=1), encoding="utf-8")
        Checkpoint.save(folder, network, manifest.model_copy(update={"crf": crf_scores(network)}))
    shutil.rmtree(work, ignore_errors=True)


def label_set_of(rows: Sequence[Example], model: Model) -> LabelSet:
    """The classes and tags of the training rows, sorted, for the heads that the recipe asks for.

    Raises:
        AssayError: there are no rows, or too few classes or entity types to learn anything.
    """
    if not rows:
        raise AssayError("no training rows: the source or the split gave none; check source and split")
    labels = sorted({row.label for row in rows if row.label is not None}) if "sentence" in model.heads else []
    types = {entity.label for row in rows for entity in row.entities or ()} if "tokens" in model.heads else set()
    if "sentence" in model.heads and len(labels) < 2:
        raise AssayError(
            f"the training rows have the classes {labels}; a sentence head needs two, see source.fields.label"
        )
    if "tokens" in model.heads and not types:
        raise AssayError("the training rows have no entity; a token head needs some, see source.fields.entities")
    return LabelSet(labels, bio_tags(sorted(types)) if types else [])


def new_network(rows: Sequence[Example], model: Model, label_set: LabelSet) -> tuple[Network, PreTrainedTokenizerFast]:
    """The untrained network of a recipe, with adapters where it asks for them, and its tokenizer.

    Raises:
        AssayError: the encoder cannot be had, or is shorter than `model.max_length`.
    """
    classes, tags = len(label_set.labels), len(label_set.tags)
    if model.scratch is not None:
        texts = itertools.chain.from_iterable(
            (text for text in (row.text, row.text_pair) if text is not None) for row in rows
        )
        tokenizer = train_tokenizer((model.cleaning.apply(text).text for text in texts), model.scratch.vocabulary)
        config = scratch_config(model.scratch, tokenizer, model.max_length)
        network = build_network(model, classes, tags, config=config)
    else:
        tokenizer = load_tokenizer(model)
        network = build_network(model, classes, tags)
    _check_length(network, model)
    if model.lora is not None:
        add_adapters(network, model.lora)
    return network, tokenizer


def encode(
    train_rows: Sequence[Example],
    validation_rows: Sequence[Example],
    tokenizer: Path,
    work: Path,
    manifest: CheckpointManifest,
) -> Data:
    """Encode both sides into Arrow files below `work`.

    Raises:
        AssayError: there are no validation rows, or one has a class or type that no training row has.
    """
    if not validation_rows:
        raise AssayError("no validation rows: they decide which epoch is kept; check split.validation")
    label_set = LabelSet(manifest.labels, manifest.tags)
    encoder = TextEncoder.from_file(tokenizer, manifest.max_length, manifest.cleaning)
    return Data(
        train=EncodedRows.write(work / "train.arrow", train_rows, encoder, label_set),
        validation=EncodedRows.write(work / "validation.arrow", validation_rows, encoder, label_set),
        validation_rows=validation_rows,
        label_set=label_set,
        collate=Collator(
            manifest.pad_id,
            type_ids=manifest.uses_type_ids,
            sentence=bool(manifest.labels),
            tokens=bool(manifest.tags),
        ),
    )


def make_trainer(
    network: Network,
    data: Data,
    model: Model,
    training: Training,
    precision: Literal["fp32", "bf16"],
    work: Path,
    log: Log,
) -> NetworkTrainer:
    """The Trainer of one training; intermediate checkpoints go below `work`."""
    used = np.union1d(np.union1d(data.train.used_ids(), data.validation.used_ids()), [data.collate.pad_id])
    train_used_rows(network, used)
    weights = None
    if training.class_weights == "balanced" and data.label_set.labels:
        weights = balanced_weights(data.train.labels, len(data.label_set.labels))
    content = {name: digest_file(work / f"{name}.arrow") for name in ("train", "validation")}
    return NetworkTrainer(
        network,
        trainer_arguments(work, training),
        training=training,
        loader=BucketLoader(data.train, data.collate, training.batch_size, training.seed),
        loss=HeadsLoss(network.crf, training.tokens_weight, training.label_smoothing, weights),
        precision=precision,
        figures=lambda: figures(
            data.validation_rows,
            predict(network, data.validation, data.collate, data.label_set),
            data.label_set,
        ),
        log=log,
        key=digest_json(
            {"model": model.model_dump(mode="json"), "training": training.model_dump(mode="json")} | content
        ),
    )


def _fit(trainer: NetworkTrainer, precision: str) -> dict[str, Any]:
    """Train to the end, put the best epoch's weights into the network, and tell how it went."""
    began = time.monotonic()
    work = Path(str(trainer.args.output_dir))
    newest = newest_checkpoint(work, trainer.key)
    if newest is not None:
        _logger.info("going on from %s", newest.name)
    trainer.train(resume_from_checkpoint=None if newest is None else str(newest))
    best = work / f"checkpoint-{trainer.state.best_global_step}"
    if best.is_dir():
        load_trainable(trainer.network, best)
    entries = trainer.state.log_history
    epochs = [entry for entry in entries if SCORE in entry]
    return {
        "device": device_name(trainer.args.device),
        "precision": precision,
        "threads": torch.get_num_threads(),
        "seconds": time.monotonic() - began,
        "examples_per_second": trainer.examples_per_second,
        "best_epoch": next(
            (entry["epoch"] for entry in epochs if entry["step"] == trainer.state.best_global_step), None
        ),
        "epochs": [{name.removeprefix("eval_"): value for name, value in entry.items()} for entry in epochs],
        "loss": [[entry["step"], entry["loss"]] for entry in entries if "loss" in entry],
    }


def _finish(network: Network) -> None:
    """Bring the network into the form that is saved: float32 on the processor, whole embedding, no adapters."""
    network.cpu()
    restore_embedding(network)
    merge_adapters(network)


def _manifest(
    rows: Sequence[Example],
    model: Model,
    label_set: LabelSet,
    network: Network,
    tokenizer: PreTrainedTokenizerFast,
) -> CheckpointManifest:
    pair = any(row.text_pair is not None for row in rows)
    return CheckpointManifest(
        labels=label_set.labels,
        tags=label_set.tags,
        pair=pair,
        max_length=model.max_length,
        cleaning=model.cleaning,
        uses_type_ids=pair and network.reads_type_ids,
        pad_id=tokenizer.pad_token_id,
    )


def _check_length(network: Network, model: Model) -> None:
    positions = getattr(network.config, "max_position_embeddings", None) or model.max_length
    # RoBERTa counts positions from behind the padding id.
    offset = positions - 512 if positions in (513, 514) else 0
    if model.max_length > positions - offset:
        raise AssayError(
            f"model.max_length is {model.max_length}: the encoder reads {positions - offset} tokens at most; lower it"
        )


def _ignore(values: dict[str, float], step: int) -> None:
    """The log of a caller that wants none."""
