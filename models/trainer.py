"""A Hugging Face Trainer with length buckets, the loss of both heads, parameter groups and small checkpoints."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers import (
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from assay.corpus.errors import AssayError
from assay.models import distributed as processes
from assay.models import resume
from assay.models.batching import Batch, BucketLoader
from assay.models.callbacks import EarlyStopping, Log, MetricLogging
from assay.models.hardware import training_device
from assay.models.loss import HeadsLoss
from assay.models.network import Network
from assay.models.weight_files import weights_written_to
from assay.recipes.recipe import Training

WEIGHTS = "model.safetensors"


class NetworkTrainer(Trainer):
    """Trainer of a `Network`. `evaluate` returns the metrics that `metrics` computes, including `score`.

    Args:
        network: network to train.
        arguments: see `trainer_arguments`.
        training: section `training` of the recipe.
        loader: loader of the training rows.
        loss: loss of all heads.
        precision: `bf16` for autocast, or `fp32`.
        metrics: function that computes the validation metrics.
        log: function that takes metrics and their step.
        key: digest of the inputs of the training; checkpoints with another key are ignored when it resumes.
    """

    def __init__(
        self,
        network: Network,
        arguments: TrainingArguments,
        *,
        training: Training,
        loader: BucketLoader,
        loss: HeadsLoss,
        precision: str,
        metrics: Callable[[], dict[str, float]],
        log: Log,
        key: str,
    ) -> None:
        # The Trainer requires a validation set; `evaluate` does not use it.
        super().__init__(network, arguments, train_dataset=loader.dataset, eval_dataset=loader.dataset)
        self._training = training
        self._loader = loader
        self._loss = loss.to(arguments.device)
        self._bf16 = precision == "bf16"
        self._metrics = metrics
        self._validation_seconds = 0.0
        self.network = network
        self.key = key
        self.remove_callback(PrinterCallback)
        self.add_callback(MetricLogging(log))
        if training.early_stopping is not None:
            self.add_callback(EarlyStopping(training.early_stopping))

    def get_train_dataloader(self) -> BucketLoader:
        """Return the length buckets, not wrapped by accelerate, which copies and prefetches each batch."""
        return self._loader

    def create_optimizer(self, model: nn.Module | None = None) -> Optimizer:
        """Create AdamW (Loshchilov and Hutter 2019) over `parameter_groups`."""
        if self.optimizer is None:
            self.optimizer = AdamW(
                parameter_groups(self.network, self._training), eps=self._training.epsilon, fused=True
            )
        return self.optimizer

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """Return the loss of one batch."""
        labels = {name.removeprefix("labels_"): inputs.pop(name) for name in list(inputs) if name.startswith("labels_")}
        with torch.autocast(self.args.device.type, dtype=torch.bfloat16, enabled=self._bf16):
            logits = model(**inputs)
        loss = self._loss(logits, labels)
        return (loss, logits) if return_outputs else loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Return validation metrics with the prefix `eval_`, as the Trainer expects them."""
        start = time.monotonic()
        metrics = {f"eval_{name}": value for name, value in self._metrics().items()}
        self._validation_seconds += time.monotonic() - start
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @property
    def examples_per_second(self) -> float | None:
        """Return the rows per second of the last call of `train`, without validation; None before it."""
        entries = [entry for entry in self.state.log_history if "train_runtime" in entry]
        if not entries:
            return None
        entry = entries[-1]
        rows: float = entry["train_samples_per_second"] * entry["train_runtime"]
        return rows / max(entry["train_runtime"] - self._validation_seconds, 1e-9)

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # The Trainer first checks whether to stop after a step. A training that stopped early, and was killed while its
        # end was written, would take one more step when it is resumed.
        if not self.control.should_training_stop:
            super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save the trainable weights as safetensors, without pickled files."""
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        save_file(trainable_state(self.network), folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        load_trainable(self.network, Path(resume_from_checkpoint))

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        with weights_written_to(folder):
            super()._save_checkpoint(model, trial)
        processes.wait_for_all()  # each process has written its random state
        if processes.is_first():
            resume.mark_complete(folder, self.key)


class OneDeviceArguments(TrainingArguments):
    """Arguments of a process that trains on one device, for any number of visible GPUs.

    With several GPUs, the Trainer would wrap the network in `DataParallel`, which multiplies the batch size and loses
    the names of the outputs; training on several GPUs uses one process per GPU (`training.processes`).
    """

    @property
    def n_gpu(self) -> int:
        """Return 1 with a GPU, else 0."""
        return min(1, int(super().n_gpu))


def trainer_arguments(folder: Path, training: Training) -> TrainingArguments:
    """Return the arguments of the Trainer for a recipe."""
    return OneDeviceArguments(
        output_dir=str(folder),
        use_cpu=training_device().type == "cpu",  # accelerate looks for a GPU otherwise
        num_train_epochs=training.epochs,
        per_device_train_batch_size=training.batch_size,  # for statistics; the loader distributes rows
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup_ratio,  # below 1 it is a share of all steps
        max_grad_norm=training.max_grad_norm,
        seed=training.seed + processes.rank(),  # of dropout: processes must not share their masks
        full_determinism=training.deterministic,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,  # the newest to resume from, and the best
        metric_for_best_model="score",
        greater_is_better=True,
        logging_steps=1,
        logging_nan_inf_filter=False,  # it would hide a non-finite loss
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        ddp_static_graph=True,  # the encoder may have weights that no head uses, and the CRF is outside forward
        ddp_broadcast_buffers=False,  # they never change
        bf16=False,  # autocast is entered in compute_loss, so that the same switch serves CPU and GPU
    )


def parameter_groups(network: Network, training: Training) -> list[dict[str, Any]]:
    """Return up to four groups: encoder and heads, with and without weight decay.

    Heads may have their own learning rate; biases, norms and the CRF do not decay.
    """
    encoder = {id(parameter) for parameter in network.encoder.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decays = parameter.dim() > 1 and not name.startswith("crf.")
            groups.setdefault((id(parameter) in encoder, decays), []).append(parameter)
    heads = training.head_learning_rate or training.learning_rate
    return [
        {
            "params": parameters,
            "lr": training.learning_rate if in_encoder else heads,
            "weight_decay": training.weight_decay if decays else 0.0,
        }
        for (in_encoder, decays), parameters in groups.items()
    ]


def trainable_state(network: nn.Module) -> dict[str, Tensor]:
    """Return the trainable parameters by name."""
    return {
        name: parameter.detach().contiguous()
        for name, parameter in network.named_parameters()
        if parameter.requires_grad
    }


def load_trainable(network: nn.Module, checkpoint: Path) -> None:
    """Load the trainable weights of a checkpoint into the network; frozen weights stay."""
    state = load_file(checkpoint / WEIGHTS)
    if state.keys() != trainable_state(network).keys():
        raise AssayError(f"{checkpoint} was written for another network; remove it to restart the training")
    network.load_state_dict(state, strict=False)
