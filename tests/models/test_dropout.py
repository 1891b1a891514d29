import pytest
import torch
from torch import nn

from assay.models.dropout import CpuDropout, use_cpu_dropout


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_cpu_dropout_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(1)
    values = torch.ones(1001, 999)
    dropped = CpuDropout(p)(values)
    assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=4e-3)
    assert len(dropped.unique()) == 2


def test_cpu_dropout_drops_neighbours_independently() -> None:
    torch.manual_seed(2)
    zero = CpuDropout(0.5)(torch.ones(400_000)) == 0
    for lag in (1, 2, 3, 4, 8):
        assert (zero[lag:] & zero[:-lag]).float().mean().item() == pytest.approx(0.25, abs=4e-3)


def test_cpu_dropout_passes_gradients_of_kept_values() -> None:
    values = torch.randn(7, 5, requires_grad=True)
    dropped = CpuDropout(0.3)(values)
    dropped.sum().backward()
    assert values.grad is not None
    torch.testing.assert_close(values.grad * values, dropped)
    assert (values.grad == 0).any()


def test_cpu_dropout_drops_all_at_one_and_nothing_outside_training() -> None:
    values = torch.ones(3, 3)
    assert not CpuDropout(1.0)(values).any()
    assert CpuDropout(0.9).eval()(values) is values


def test_cpu_dropout_draws_from_the_generator_of_torch() -> None:
    values = torch.ones(50)
    torch.manual_seed(3)
    first = CpuDropout(0.5)(values)
    torch.manual_seed(3)
    torch.testing.assert_close(CpuDropout(0.5)(values), first)


def test_use_cpu_dropout_replaces_all_dropout_of_a_network() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2), nn.Sequential(nn.Dropout(0.3)))
    use_cpu_dropout(network)
    assert [module.p for module in network.modules() if isinstance(module, CpuDropout)] == [0.2, 0.3]
    assert not any(type(module) is nn.Dropout for module in network.modules())
