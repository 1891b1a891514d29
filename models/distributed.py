"""The processes of one training: which of them this is, and what they know together.

Each step's batch is shared out among them, and `DistributedDataParallel` averages their gradients. Their losses are
divided by what all of them hold together (see `mean_of_sums`), so that the average is the gradient of the whole batch,
however unequal the shares are. Without a process group, this process is the only one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as group

# How long a process waits for the others: the first one encodes all rows alone.
PATIENCE = timedelta(hours=2)
T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the processes that torchrun has started, for as long as the block lasts."""
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # gloo carries what is no tensor of the GPU: figures, and waiting for each other.
    group.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        group.destroy_process_group()


def count() -> int:
    """How many processes train together."""
    return group.get_world_size() if group.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return group.get_rank() if group.is_initialized() else 0


def is_first() -> bool:
    """Whether this is the process that writes checkpoints and figures."""
    return rank() == 0


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if count() > 1:
        group.barrier()


def mean_of_sums(value: Tensor) -> Tensor:
    """A sum of each process, on average over the processes; the value itself where there is one process.

    A loss is a sum over labels divided by the sum of their weights. Where each process divides its sum by this mean,
    the average of their gradients is the gradient of the loss over all rows of the step.
    """
    if count() == 1:
        return value
    total = value.detach().clone()
    group.all_reduce(total)
    return total / count()


def gathered(mine: T) -> list[T]:
    """What each process holds, in the order of the processes."""
    if count() == 1:
        return [mine]
    found: list[T | None] = [None] * count()
    group.all_gather_object(found, mine)
    return found  # type: ignore[return-value]  # filled by the line above
