import random

import pytest

from assay.serving.http.cost import BatchCost, overhead_in_tokens


def test_cost_separates_speed_from_overhead() -> None:
    # 0.1 ms per token, and 2 ms per batch, which equals 20 tokens
    assert overhead_in_tokens((100, 0.012), (500, 0.052)) == pytest.approx(20)
    cost = BatchCost(20)
    cost.observe(4, 480, 0.05)
    assert cost.seconds_per_token == pytest.approx(1e-4)
    assert cost.seconds(4, 480) == pytest.approx(0.05)
    assert cost.seconds(8, 960) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("small", "large", "overhead"),
    [(0.05, 0.04, 1.0), (0.008, 0.05, 1.0), (0.04, 0.05, 100.0)],
    ids=["a larger batch was faster", "a small batch had no overhead", "a small batch had too much overhead"],
)
def test_overhead_in_tokens_is_bounded(small: float, large: float, overhead: float) -> None:
    assert overhead_in_tokens((100, small), (500, large)) == overhead


def test_cost_adapts_to_a_slower_machine() -> None:
    cost = BatchCost(10)
    draw = random.Random(0)
    for per_token in [1e-4] * 60 + [3e-4] * 200:
        cost.observe(4, 300, per_token * 310 * draw.uniform(0.9, 1.1))
    assert cost.seconds_per_token == pytest.approx(3e-4, rel=0.1)


def test_cost_seconds_includes_the_overhead_of_each_batch() -> None:
    cost = BatchCost(100)
    for _ in range(500):
        cost.observe(5, 100, 1e-2)
        cost.observe(5, 200, 1.5e-2)
    assert cost.rows_per_batch == pytest.approx(5, rel=0.01)
    assert cost.seconds(50, 1000) == pytest.approx(5e-5 * 1000 + 10 * 5e-3, rel=0.05)
