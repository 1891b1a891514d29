"""Training speed on a GPU against the stock Trainer with padding: `python -m benchmarks.train_gpu`.

It needs only torch, transformers and peft (and `models/buckets.py`, `models/deberta_training.py`), so that it runs on
a bare GPU machine. Two trainings in the most common shapes, with random weights and random token ids, since
neither changes the time of a step; the row lengths are those of real data.

Stock: transformers' Trainer, every row padded to the full length, bf16, fused AdamW, and peft's adapters for LoRA.
Ours: rows of similar length form a batch, which is padded to a multiple of 8; DeBERTa scores distances by a shift
(`models/deberta_training.py`); the same number format, optimizer, batch size and rows. `--compile` adds a third method:
ours through torch.compile.

Rounds are interleaved, and the medians of their ratios count. The last output is one line of JSON per training.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, LoraModel
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Dataset
from transformers import (
    AutoModel,
    BertConfig,
    DebertaV2Config,
    PretrainedConfig,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from assay.models.buckets import LengthBuckets
from assay.models.deberta_training import use_fast_attention

CLASSES, TAGS, IGNORED, PAD = 7, 73, -100, 0
# Tokens per row at each twentieth of the rows: SNIPS and the financial tweets, in word pieces of BERT.
SNIPS = (4, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 12, 13, 14, 14, 15, 16, 17, 19, 38)
TWEETS = (3, 10, 12, 13, 14, 15, 17, 18, 20, 22, 25, 28, 31, 34, 37, 40, 42, 44, 47, 51, 82)
LORA_LAYERS = ["query_proj", "key_proj", "value_proj", "dense"]
MULTIPLE = 8  # of a batch's width: suits matrix units, and gives the compiler few shapes
PEAK_SIDE = {"cuda": 8192, "cpu": 1024}
Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """One training: the encoder, the lengths of its rows, and their padded length."""

    name: str
    config: PretrainedConfig
    lengths: Sequence[int]
    padded: int
    tokens: bool
    lora: bool
    required: float


@dataclass(frozen=True)
class Speed:
    """Measured speed of a method: examples and real tokens per second, and the share of the peak of matrix products."""

    examples: float
    tokens: float
    share_of_peak: float


class Heads(nn.Module):
    """An encoder with a sentence head and an optional token head; returns the loss, as the Trainer expects."""

    def __init__(self, encoder: nn.Module, hidden: int, *, tokens: bool) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.sentence = nn.Linear(hidden, CLASSES)
        self.tokens = nn.Linear(hidden, TAGS) if tokens else None

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, tags: Tensor) -> dict[str, Tensor]:
        """Return the loss of a batch: ids, mask and tags are B x L, labels B."""
        states = self.dropout(self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state)
        loss = nn.functional.cross_entropy(self.sentence(states[:, 0]).float(), labels)
        if self.tokens is not None:
            scores = self.tokens(states).float().flatten(0, 1)
            loss = loss + nn.functional.cross_entropy(scores, tags.flatten(), ignore_index=IGNORED)
        return {"loss": loss}


class Rows(Dataset[Batch]):
    """Dataset of random tokens with the row lengths of real data."""

    def __init__(self, shape: Shape, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        places = np.linspace(0, 1, len(shape.lengths))
        self.lengths = np.interp(rng.random(count), places, shape.lengths).round().astype(np.int32)
        self._ids = [torch.from_numpy(rng.integers(5, shape.config.vocab_size, length)) for length in self.lengths]
        self._labels = torch.from_numpy(rng.integers(0, CLASSES, count))
        self._width = shape.padded

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: int) -> Batch:
        """Return a row at the full width, as with `padding="max_length"`."""
        return {name: values[0] for name, values in self.batch([row], self._width).items()}

    def batch(self, rows: Sequence[int], width: int) -> Batch:
        """Return rows padded to a width."""
        ids = torch.full((len(rows), width), PAD)
        tags = torch.full((len(rows), width), IGNORED)
        for place, row in enumerate(rows):
            ids[place, : self.lengths[row]] = self._ids[row]
            tags[place, : self.lengths[row]] = self._ids[row] % TAGS
        return {
            "input_ids": ids,
            "attention_mask": (ids != PAD).long(),
            "labels": self._labels[list(rows)],
            "tags": tags,
        }


class Clock(TrainerCallback):
    """Callback that times a Trainer from the first measured step to the last."""

    def __init__(self, warm_up: int) -> None:
        self._warm_up = warm_up
        self._began = 0.0
        self.seconds = 0.0

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Start the clock after the warm-up."""
        if state.global_step == self._warm_up:
            self._began = now()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop the clock."""
        self.seconds = now() - self._began


class Bench:
    """One training, measured with several methods on the same rows."""

    def __init__(self, shape: Shape, *, steps: int, warm_up: int, batch_size: int, seed: int = 0) -> None:
        self.shape = shape
        self._steps, self._warm_up, self._batch_size = steps, warm_up, batch_size
        self._rows = Rows(shape, steps * batch_size, seed)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._peak = peak_flops(self._device)

    def stock(self) -> Speed:
        """Measure the stock Trainer on rows of full width. Warm-up rows come first and are not counted."""
        warm = Rows(self.shape, self._warm_up * self._batch_size, seed=1)
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                per_device_train_batch_size=self._batch_size,
                num_train_epochs=1,
                bf16=has_bf16(self._device),
                use_cpu=self._device.type == "cpu",
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                logging_strategy="no",
            )
            clock = Clock(self._warm_up)
            data: ConcatDataset[Batch] = ConcatDataset([warm, self._rows])
            trainer = Trainer(self._network(ours=False), arguments, train_dataset=data, callbacks=[clock])
            trainer.train()
        return self._speed(clock.seconds)

    def ours(self, *, compiled: bool = False) -> Speed:
        """Measure length buckets and fast attention in a plain loop."""
        network = self._network(ours=True).to(self._device)
        run: Callable[..., dict[str, Tensor]] = torch.compile(network, dynamic=False) if compiled else network
        step = self._step(network, run)
        shortest = np.argsort(self._rows.lengths)[: self._batch_size].tolist()
        for width in self._widths():  # each shape once, so that compiling and tuning are not counted
            step(self._rows.batch(shortest, width))
        for batch in self._batches(self._warm_up):
            step(batch)
        began = now()
        for batch in self._batches():
            step(batch)
        return self._speed(now() - began)

    def _network(self, *, ours: bool) -> nn.Module:
        torch.manual_seed(0)
        loader: Any = AutoModel  # transformers leaves `from_config` untyped
        network = Heads(loader.from_config(self.shape.config), self.shape.config.hidden_size, tokens=self.shape.tokens)
        if ours:
            use_fast_attention(network)
        if self.shape.lora:
            adapters = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=LORA_LAYERS)
            network.encoder = LoraModel(network.encoder, adapters, "default")
        return network.train()

    def _step(self, network: nn.Module, run: Callable[..., dict[str, Tensor]]) -> Callable[[Batch], None]:
        learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learnt, lr=5e-5, fused=True)

        def step(batch: Batch) -> None:
            loss: Any  # torch leaves `backward` untyped
            moved = {name: values.to(self._device, non_blocking=True) for name, values in batch.items()}
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=has_bf16(self._device)):
                loss = run(**moved)["loss"]
            loss.backward()
            nn.utils.clip_grad_norm_(learnt, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        return step

    def _batches(self, most: int | None = None) -> Iterator[Batch]:
        buckets = LengthBuckets(self._rows.lengths, self._batch_size, seed=0)
        for rows in list(buckets)[:most]:
            yield self._rows.batch(rows, _rounded(self._rows.lengths[rows].max()))

    def _widths(self) -> Iterable[int]:
        buckets = LengthBuckets(self._rows.lengths, self._batch_size, seed=0)
        return sorted({_rounded(self._rows.lengths[rows].max()) for rows in buckets})

    def _speed(self, seconds: float) -> Speed:
        flops = sum(training_flops(self.shape, int(length)) for length in self._rows.lengths)
        return Speed(len(self._rows) / seconds, int(self._rows.lengths.sum()) / seconds, flops / seconds / self._peak)


def training_flops(shape: Shape, length: int) -> float:
    """Return the floating-point operations of forward and backward pass of a row of so many tokens, without padding.

    Twice the weights of the layers per token forward, the same backward for the activations, and once more for the
    weights unless they are frozen; attention 4 * length * hidden per token and layer forward, twice that backward.
    Embeddings, norms and heads are left out, and so are DeBERTa's products with relative positions.
    """
    config = shape.config
    layer = 4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size
    passes = 2 if shape.lora else 3
    weights = 2 * passes * layer
    attention = 3 * 4 * length * config.hidden_size
    return float(config.num_hidden_layers * length * (weights + attention))


def peak_flops(device: torch.device) -> float:
    """Return the operations per second of one large matrix product, in the number format of the training."""
    split_name = PEAK_SIDE[device.type]
    kind = torch.bfloat16 if has_bf16(device) else torch.float32
    left, right = (torch.randn(split_name, split_name, device=device, dtype=kind) for _ in range(2))
    seconds = []
    for _ in range(12):
        began = now()
        left @ right
        seconds.append(now() - began)
    return 2 * split_name**3 / statistics.median(seconds[2:])


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def now() -> float:
    """Return the time in seconds, after synchronising the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _rounded(length: int) -> int:
    return -(-int(length) // MULTIPLE) * MULTIPLE


def shapes(*, tiny: bool) -> list[Shape]:
    """Return both trainings: the shapes of BERT-base and DeBERTa-v3-base, or tiny ones for any machine."""
    small: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 500}
    small |= {"intermediate_size": 64}
    bert = BertConfig(**(small if tiny else {}))
    # As published for microsoft/deberta-v3-base.
    deberta_settings: dict[str, Any] = {
        "vocab_size": 128_100, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "relative_attention": True, "position_buckets": 256, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False,
        "max_position_embeddings": 512, "max_relative_positions": -1, "type_vocab_size": 0, "layer_norm_eps": 1e-7,
    }  # fmt: skip
    deberta = DebertaV2Config(**(deberta_settings | (small if tiny else {})))
    return [
        Shape("JointBERT (BERT-base)", bert, SNIPS, 50, tokens=True, lora=False, required=3.0),
        Shape("LoRA-DeBERTa (v3-base)", deberta, TWEETS, 128, tokens=False, lora=True, required=2.0),
    ]


def measure(bench: Bench, rounds: int, *, compiled: bool) -> dict[str, Any]:
    """Measure all methods of one training, round by round."""
    ways: dict[str, Callable[[], Speed]] = {"stock": bench.stock, "ours": bench.ours}
    if compiled:
        ways["ours, compiled"] = lambda: bench.ours(compiled=True)
    speeds_of: dict[str, list[Speed]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            speeds_of[name].append(way())
            speed = speeds_of[name][-1]
            print(f"{bench.shape.name}, round {number + 1}, {name}: {speed.examples:.0f} examples/s, "
                  f"{speed.tokens:.0f} tokens/s, {speed.share_of_peak:.1%} of the peak", flush=True)  # fmt: skip
    stock = speeds_of.pop("stock")
    return {
        "training": bench.shape.name,
        "required": bench.shape.required,
        "stock": _median(stock),
        **{
            name: {
                **_median(speeds),
                "ratio": statistics.median(
                    own.examples / reference.examples for own, reference in zip(speeds, stock, strict=True)
                ),
            }
            for name, speeds in speeds_of.items()
        },
    }


def _median(speeds: Sequence[Speed]) -> dict[str, float]:
    return {name: statistics.median(asdict(speed)[name] for speed in speeds) for name in asdict(speeds[0])}


def main() -> None:
    """Measure both trainings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="measured steps per round")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before them")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile, too")
    parser.add_argument("--tiny", action="store_true", help="small networks, to try the script without measuring")
    arguments = parser.parse_args()
    with suppress(AttributeError):
        torch.backends.cuda.matmul.fp32_precision = "tf32"  # for everything outside autocast, in both methods
    sizes = {"steps": arguments.steps, "warm_up": arguments.warm_up, "batch_size": arguments.batch_size}
    results = [
        measure(Bench(shape, **sizes), arguments.rounds, compiled=arguments.compile)
        for shape in shapes(tiny=arguments.tiny)
    ]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    for result in results:
        print(json.dumps({"device": device, "torch": torch.__version__, **sizes, **result}))


if __name__ == "__main__":
    main()
