"""The process group of a training: rank, size and collective operations.

Each step's batch is divided among the processes, and `DistributedDataParallel` averages their gradients. Losses are
divided by the sum over all processes (see `mean_of_sums`), so that the average is the gradient of the whole batch, for
shares of any size. Without a process group, this process is the only one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as group

# Time that a process waits for the others, since the first one encodes all rows alone.
PATIENCE = timedelta(hours=2)
T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Join the process group of torchrun for the duration of the block."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # gloo transfers everything except GPU tensors: metrics and barriers.
    group.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        group.destroy_process_group()


def count() -> int:
    """Return the number of processes."""
    return group.get_world_size() if group.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return group.get_rank() if group.is_initialized() else 0


def is_first() -> bool:
    """Return whether this process writes checkpoints and metrics."""
    return rank() == 0


def wait_for_all() -> None:
    """Wait until every process has reached this call."""
    if count() > 1:
        group.barrier()


def mean_of_sums(value: Tensor) -> Tensor:
    """Return the mean over the processes of a sum of each process; with one process, the value itself.

    A loss is a sum over labels divided by the sum of their weights. If each process divides its sum by this mean,
    the average of their gradients is the gradient of the loss over all rows of the step.
    """
    if count() == 1:
        return value
    total = value.detach().clone()
    group.all_reduce(total)
    return total / count()


def gathered(mine: T) -> list[T]:
    """Return the objects of all processes, in the order of their ranks."""
    if count() == 1:
        return [mine]
    values: list[T | None] = [None] * count()
    group.all_gather_object(values, mine)
    return values  # type: ignore[return-value]  # filled by the line above
