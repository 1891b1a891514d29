import random

import pytest

from assay.serving.http.cost import BatchCost, overhead_in_tokens


def test_speed_and_overhead_are_told_apart() -> None:
    # 0.1 ms a token and 2 ms a batch, which 20 tokens take
    assert overhead_in_tokens((100, 0.012), (500, 0.052)) == pytest.approx(20)
    cost = BatchCost(20)
    cost.observe(4, 480, 0.05)
    assert cost.seconds_per_token == pytest.approx(1e-4)
    assert cost.seconds(4, 480) == pytest.approx(0.05)
    assert cost.seconds(8, 960) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("small", "large", "overhead"),
    [(0.05, 0.04, 1.0), (0.008, 0.05, 1.0), (0.04, 0.05, 100.0)],
    ids=["a larger batch was faster", "a small one cost nothing beside", "a small one cost too much"],
)
def test_noise_makes_no_overhead_absurd(small: float, large: float, overhead: float) -> None:
    assert overhead_in_tokens((100, small), (500, large)) == overhead


def test_a_machine_that_becomes_slower_is_noticed() -> None:
    cost = BatchCost(10)
    draw = random.Random(0)
    for per_token in [1e-4] * 60 + [3e-4] * 200:
        cost.observe(4, 300, per_token * 310 * draw.uniform(0.9, 1.1))
    assert cost.seconds_per_token == pytest.approx(3e-4, rel=0.1)


def test_a_backlog_of_many_rows_costs_their_batches() -> None:
    cost = BatchCost(100)
    for _ in range(500):
        cost.observe(5, 100, 1e-2)
        cost.observe(5, 200, 1.5e-2)
    assert cost.rows_per_batch == pytest.approx(5, rel=0.01)
    assert cost.seconds(50, 1000) == pytest.approx(5e-5 * 1000 + 10 * 5e-3, rel=0.05)
