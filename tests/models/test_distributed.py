"""Collective operations, alone and in two processes that gloo connects on the CPU."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from assay.models import distributed
from tests.ports import free_port

PATIENCE = 120  # seconds, for processes that import torch beside other tests

# The first process has three of the rows, the second has one: a mean of the means would weigh rows differently.
ROWS = [[1.0, 2.0, 3.0], [10.0]]
WORKER = f"""
import json, sys
import torch
from assay.models import distributed

with distributed.joined():
    rows = torch.tensor({ROWS!r}[distributed.rank()])
    weight = torch.ones(1, requires_grad=True)
    total = torch.tensor(float(len(rows)), requires_grad=True)
    mean = distributed.mean_of_sums(total)
    ((weight * rows).sum() / mean).backward()
    distributed.wait_for_all()
    print(json.dumps({{
        "count": distributed.count(),
        "first": distributed.is_first(),
        "gathered": distributed.gathered({{"rank": distributed.rank()}}),
        "mean": mean.item(),
        "constant": not mean.requires_grad and total.item() == len(rows),
        "gradient": weight.grad.item(),
    }}))
assert (distributed.count(), distributed.rank()) == (1, 0)
"""


def test_operations_of_a_single_process_change_nothing() -> None:
    loss = torch.ones(1, requires_grad=True)
    assert distributed.mean_of_sums(loss) is loss
    row = {"id": 1}
    [mine] = distributed.gathered(row)
    assert mine is row
    assert (distributed.count(), distributed.rank(), distributed.is_first()) == (1, 0, True)
    distributed.wait_for_all()


@pytest.fixture(scope="module")
def processes() -> list[dict[str, Any]]:
    """What each of two connected processes computes, by rank."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={**os.environ, **place, "CUDA_VISIBLE_DEVICES": "", "RANK": str(rank)},
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=PATIENCE)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def test_joined_processes_know_each_other(processes: list[dict[str, Any]]) -> None:
    assert [(one["count"], one["first"]) for one in processes] == [(2, True), (2, False)]
    assert [one["gathered"] for one in processes] == [[{"rank": 0}, {"rank": 1}]] * 2


def test_mean_of_sums_makes_the_mean_gradient_that_of_the_whole_batch(processes: list[dict[str, Any]]) -> None:
    assert [one["mean"] for one in processes] == [2.0, 2.0]
    assert all(one["constant"] for one in processes)
    rows = [value for part in ROWS for value in part]
    assert sum(one["gradient"] for one in processes) / 2 == pytest.approx(sum(rows) / len(rows))
