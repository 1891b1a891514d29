"""Training speed against the Hugging Face Trainer in its usual setup (`make bench-train`).

Both train the same JointBERT (MiniLM encoder, SNIPS rows, batches of 32, AdamW, dropout, gradient clipping)
with the Trainer of the installed transformers. Theirs pads every row to 50 tokens, as public JointBERT
trainers do; ours is `assay.models.training_loop`. Rounds are interleaved and the median of the ratios counts, since
other load on the machine affects both.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments, set_seed
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from assay.corpus.documents.document_reader import DocumentReader
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.raw_document import Document
from assay.corpus.example import Example
from assay.models.checkpoint import TOKENIZER
from assay.models.hardware import choose_precision, has_bf16, training_device
from assay.models.loss import HeadsLoss
from assay.models.network import Network
from assay.models.preparation import Data, checkpoint_manifest, encode, label_set_of, new_network
from assay.models.tokenizer import save_tokenizer
from assay.models.training_loop import make_trainer
from assay.recipes.recipe import ModelSection, Training
from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, write_rows

DATA = Path(__file__).parents[2] / "shared" / "data" / "snips"
COMMAND = "make bench-train"
MEASURE = "training: examples a second against the Trainer padding to 50 tokens"
PADDED_LENGTH = 50
BATCH_SIZE = 32
WARM_UP_STEPS = 5


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60, help="measured steps per round")
    parser.add_argument("--no-record", action="store_true", help="print the rows only")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    rows = speed_rows(arguments.rounds, arguments.steps)
    if arguments.no_record:
        print("\n".join(row.model_dump_json() for row in rows))
    else:
        write_rows("train", rows)


def speed_rows(rounds: int, steps: int) -> list[Row]:
    """Return our examples per second divided by theirs, in the default precision and, if supported, in bf16 as ours."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), steps)
        ways: dict[str, Callable[[], float]] = {"ours": bench.ours, "usual": bench.stock}
        if has_bf16(training_device()):
            ways["bf16"] = lambda: bench.stock(bf16=True)
        speeds = [{way: measure() for way, measure in ways.items()} for _ in range(rounds)]
    usual = _row(MEASURE, speeds, "usual", f"{rounds} interleaved rounds of {steps} steps", required=3.5, aim=4.5)
    if "bf16" not in ways:
        return [usual]
    return [usual, _row(f"{MEASURE}, bf16 switched on there, too", speeds, "bf16", "its default is off")]


def _row(
    measure: str,
    speeds: Sequence[dict[str, float]],
    way: str,
    note: str,
    required: float | None = None,
    aim: float | None = None,
) -> Row:
    ratios = [speed["ours"] / speed[way] for speed in speeds]
    ours, stock = (statistics.median(speed[name] for speed in speeds) for name in ("ours", way))
    return Row(
        measure=measure,
        value=round(statistics.median(ratios), 2),
        better="higher",
        required=required,
        aim=aim,
        spread=(round(min(ratios), 2), round(max(ratios), 2)),
        command=COMMAND,
        note=f"{ours:.0f} against {stock:.0f} examples/s, {note}",
    )


class Bench:
    """The rows, encoded once for ours; theirs also encodes before its clock starts."""

    def __init__(self, folder: Path, steps: int) -> None:
        self._folder = folder
        self._steps = steps
        self._model = ModelSection(encoder=str(minilm_folder()), heads=["sentence", "tokens"], max_length=PADDED_LENGTH)
        self._training = Training(epochs=1, batch_size=BATCH_SIZE, learning_rate=5e-5)
        rows = read_snips("train")
        self._label_set = label_set_of(rows, self._model)
        self._rows = rows
        network, tokenizer = new_network(rows, self._model, self._label_set)
        save_tokenizer(tokenizer, folder)
        manifest = checkpoint_manifest(rows, self._model, self._label_set, network, tokenizer)
        self._data = encode(rows, read_snips("dev"), folder / TOKENIZER, folder, manifest)
        self._padded = pad_all(self._data)

    def ours(self) -> float:
        """Return the examples per second of `assay.models.training_loop`."""
        precision = choose_precision("auto", training_device())
        network = self._network()
        trainer = make_trainer(network, self._data, self._model, self._training, precision, self._folder, _ignore)
        trainer.args.eval_strategy, trainer.args.save_strategy = IntervalStrategy.NO, SaveStrategy.NO
        return self._time(trainer)

    def stock(self, *, bf16: bool = False) -> float:
        """Return the examples per second of the Trainer with its own loader, collator, optimizer and settings.

        Args:
            bf16: enable its autocast, which is off by default.
        """
        arguments = TrainingArguments(
            output_dir=str(self._folder),
            per_device_train_batch_size=BATCH_SIZE,
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            bf16=bf16,
            use_cpu=training_device().type == "cpu",  # the Trainer accepts bf16 on a CPU only with this flag
        )
        return self._time(Trainer(WithLoss(self._network()), arguments, train_dataset=self._padded))

    def _network(self) -> Network:
        set_seed(self._training.seed)
        return new_network(self._rows, self._model, self._label_set)[0]

    def _time(self, trainer: Trainer) -> float:
        clock = StepClock(self._steps)
        trainer.add_callback(clock)
        trainer.train()
        return self._steps * BATCH_SIZE / clock.seconds


class WithLoss(nn.Module):
    """Network whose forward pass returns the loss, as the Trainer expects."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self._loss = HeadsLoss(None)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels_sentence: Tensor, labels_tokens: Tensor
    ) -> dict[str, Tensor]:
        """Return the loss of a batch."""
        logits = self._network(input_ids, attention_mask)
        return {"loss": self._loss(logits, {"sentence": labels_sentence, "tokens": labels_tokens})}


class StepClock(TrainerCallback):
    """Callback that times steps after a warm-up, with data loading and optimizer, and then stops the training."""

    def __init__(self, steps: int) -> None:
        self._last = WARM_UP_STEPS + steps
        self._began = 0.0
        self.seconds = 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Start or stop the clock."""
        if state.global_step == WARM_UP_STEPS:
            self._began = time.perf_counter()
        if state.global_step == self._last:
            self.seconds = time.perf_counter() - self._began
            control.should_training_stop = True


def pad_all(data: Data) -> Dataset:
    """Dataset with every row at the full length, as with `padding="max_length"`."""
    batch = data.collate(data.train, range(len(data.train)))
    width = batch["input_ids"].shape[1]
    fill = {"input_ids": data.collate.pad_id, "attention_mask": 0, "labels_tokens": -100}
    padded = {
        name: nn.functional.pad(values, (0, PADDED_LENGTH - width), value=fill[name]) if name in fill else values
        for name, values in batch.items()
    }
    return Dataset.from_dict({name: values.numpy() for name, values in padded.items()}).with_format("torch")


def read_snips(split_name: str) -> Sequence[Example]:
    """Return one published split."""
    path = DATA / f"snips_{split_name}.jsonl"
    if not path.is_file():
        raise SystemExit(f"{path} is absent: this benchmark reads real rows from there")
    tokens = DocumentFormat.model_validate({"format": "tokens", "fields": {"label": "intent"}})
    reader = DocumentReader(tokens, needs_label=True, needs_entities=True)
    with path.open(encoding="utf-8") as lines:
        documents = [Document(f"{split_name}-{number}", json.loads(line)) for number, line in enumerate(lines)]
    return [row for document in documents for row in reader.read(document)[0]]


def _ignore(values: dict[str, float], step: int) -> None:
    """Return the logger of a benchmark."""


if __name__ == "__main__":
    main()
