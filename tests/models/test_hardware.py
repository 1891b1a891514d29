import pytest
import torch

from assay.corpus.errors import AssayError
from assay.models import hardware
from assay.models.hardware import choose_precision, device_name, numeric_environment, own_determinism

CPU = torch.device("cpu")


@pytest.mark.parametrize(("bf16", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_choose_precision_is_bf16_only_where_the_device_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, chosen: str
) -> None:
    monkeypatch.setattr(hardware, "has_bf16", lambda device: bf16)
    assert choose_precision("auto", CPU) == chosen
    assert choose_precision("fp32", CPU) == "fp32"


def test_choose_precision_refuses_bf16_without_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "has_bf16", lambda device: False)
    with pytest.raises(AssayError, match=r"training\.precision is 'bf16', but cpu, \d+ threads does not .* set it to"):
        choose_precision("bf16", CPU)


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16", None])
def test_has_bf16_reads_the_capabilities_of_the_processor(monkeypatch: pytest.MonkeyPatch, flag: str | None) -> None:
    capabilities = {"avx2": True, "amx_bf16": False} | ({flag: True} if flag else {})
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert hardware.has_bf16(CPU) is (flag is not None)


def test_numeric_environment_takes_a_requested_precision_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "training_device", lambda: CPU)
    monkeypatch.setattr(hardware, "has_bf16", lambda device: False)
    environment = numeric_environment("bf16")  # the training itself refuses it
    assert (environment["precision"], environment["device"], environment["name"]) == ("bf16", "cpu", device_name(CPU))
    assert numeric_environment("auto")["precision"] == "fp32"


def test_own_determinism_restores_the_settings_after_an_error() -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    with pytest.raises(RuntimeError), own_determinism():
        torch.use_deterministic_algorithms(not before[0])
        torch.backends.cudnn.benchmark = not before[1]
        raise RuntimeError
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == before
