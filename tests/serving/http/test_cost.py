import random

import pytest

from serving.http.cost import BatchCost


def observe(cost: BatchCost, sizes: list[int], per_token: float, overhead: float, noise: float = 0.0) -> None:
    draw = random.Random(0)
    for tokens in sizes:
        cost.observe(4, tokens, (per_token * tokens + overhead) * (1 + noise * draw.uniform(-1, 1)))


def test_the_line_is_found() -> None:
    cost = BatchCost()
    observe(cost, [16, 64, 256, 512, 1024, 300], per_token=1e-4, overhead=2e-3)
    assert cost.per_token == pytest.approx(1e-4, rel=1e-6)
    assert cost.overhead == pytest.approx(2e-3, rel=1e-6)
    assert cost.overhead_tokens == pytest.approx(20, rel=1e-6)


def test_a_machine_that_becomes_slower_is_noticed() -> None:
    cost = BatchCost()
    observe(cost, [16, 128, 1024] * 20, per_token=1e-4, overhead=1e-3)
    observe(cost, [16, 128, 1024] * 70, per_token=3e-4, overhead=1e-3)
    assert cost.per_token == pytest.approx(3e-4, rel=0.05)


def test_batches_of_one_size_say_nothing_of_the_overhead() -> None:
    cost = BatchCost()
    observe(cost, [128] * 10, per_token=1e-4, overhead=1e-3)
    assert cost.seconds(4, 128) == pytest.approx(128e-4 + 1e-3, rel=0.15)


def test_noise_makes_no_cost_negative() -> None:
    cost = BatchCost()
    observe(cost, [100, 101, 99, 100, 102] * 8, per_token=1e-4, overhead=0.0, noise=0.9)
    assert cost.per_token > 0
    assert cost.overhead > 0


def test_a_backlog_of_many_rows_costs_their_batches() -> None:
    cost = BatchCost()
    for _ in range(500):
        cost.observe(5, 100, 1e-2)
        cost.observe(5, 200, 1.5e-2)
    assert cost.rows == pytest.approx(5, rel=0.01)
    assert cost.seconds(50, 1000) == pytest.approx(5e-5 * 1000 + 10 * 5e-3, rel=0.05)
