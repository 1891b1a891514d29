"""Training steps of DeBERTa on this machine: our relative scores against those of transformers (`make bench-train`).

Three layers as in DeBERTa-v3-xsmall, and a small vocabulary: forward, backward, no optimizer. Rounds are interleaved
and the median of the ratios counts, since other load on the machine affects both.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from assay.models.adapters import add_adapters
from assay.models.deberta_training import use_fast_attention
from assay.models.hardware import choose_precision, training_device
from assay.models.network import Network, quiet
from assay.recipes.recipe import Lora
from benchmarks.deberta import xsmall_config
from benchmarks.results import Row, write_rows

COMMAND = "make bench-train"
SHAPES = ((32, 32), (8, 128))
VOCABULARY = 5000
REQUIRED = 1.1


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-record", action="store_true", help="print the rows only")
    arguments = parser.parse_args()
    rows = list(measure(arguments.rounds))
    if arguments.no_record:
        print("\n".join(row.model_dump_json() for row in rows))
    else:
        write_rows("deberta_training", rows)


def measure(rounds: int) -> Iterator[Row]:
    """Return a row for each training method and each shape of batches."""
    precisions = dict.fromkeys(["fp32", choose_precision("auto", training_device())])
    for lora, precision in product((False, True), precisions):
        reference, ours = make_network(lora=lora), make_network(lora=lora)
        use_fast_attention(ours)
        for shape in SHAPES:
            steps = [_step(network, shape, bf16=precision == "bf16") for network in (reference, ours)]
            times = [[step() for step in steps] for _ in range(rounds + 1)][1:]
            ratios = [stock / own for stock, own in times]
            stock, own = (statistics.median(column) * 1000 for column in zip(*times, strict=True))
            yield Row(
                measure=f"DeBERTa training step, {'LoRA' if lora else 'full'}, {precision}, {shape[0]}x{shape[1]}",
                value=round(statistics.median(ratios), 2),
                better="higher",
                required=REQUIRED,
                spread=(round(min(ratios), 2), round(max(ratios), 2)),
                command=COMMAND,
                note=f"{own:.0f} against {stock:.0f} ms, {rounds} interleaved rounds",
            )


def make_network(*, lora: bool) -> Network:
    """Build a network with random weights, in training mode."""
    torch.manual_seed(0)
    config = xsmall_config(vocab_size=VOCABULARY, num_hidden_layers=3)
    loader: Any = AutoModelForSequenceClassification
    with quiet():
        network = Network(loader.from_config(config), None)
    if lora:
        add_adapters(network, Lora())
    return network.train()


def _step(network: Network, shape: tuple[int, int], *, bf16: bool) -> Callable[[], float]:
    """Return the seconds of one forward and backward pass."""
    ids = torch.randint(5, VOCABULARY, shape)
    mask = torch.ones_like(ids)

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = network(ids, mask)["sentence"].float().square().mean()
        loss.backward()
        network.zero_grad(set_to_none=True)
        return time.perf_counter() - began

    return step


if __name__ == "__main__":
    main()
