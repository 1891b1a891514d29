from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from assay.models.adapters import add_adapters, merge_adapters
from assay.models.deberta_training import ShiftedSelfAttention, use_fast_attention
from assay.models.network import Network, quiet
from assay.recipes.recipe import Lora
from tests.models.deberta import ATTENTION_KINDS, batch, make_network

KINDS = [{}, *ATTENTION_KINDS]


def run_training(network: Network, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the loss of a step in training mode, dropout included, and all gradients."""
    network.train()
    torch.manual_seed(1)
    loss: Tensor = network(**inputs)["sentence"].square().mean()
    loss.backward()  # type: ignore[no-untyped-call]
    return loss, {name: value.grad for name, value in network.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("lora", [None, Lora(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("changes", KINDS, ids=str)
def test_fast_attention_gives_losses_and_gradients_of_transformers(changes: dict[str, Any], lora: Lora | None) -> None:
    stock, ours = make_network("sentence", **changes), make_network("sentence", **changes)
    use_fast_attention(ours)
    for network in (stock, ours):
        torch.manual_seed(2)
        if lora is not None:
            add_adapters(network, lora)
    for length in (1, 2, 17, 40):
        (loss, gradients), (our_loss, our_gradients) = (
            run_training(stock, batch(length)),
            run_training(ours, batch(length)),
        )
        torch.testing.assert_close(our_loss, loss)
        assert our_gradients.keys() == gradients.keys()
        for name, gradient in gradients.items():
            torch.testing.assert_close(our_gradients[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_fast_attention_uses_the_same_buckets_for_long_texts() -> None:
    stock, ours = make_network("sentence"), make_network("sentence")
    use_fast_attention(ours)
    with torch.inference_mode():
        torch.testing.assert_close(ours(**batch(300)), stock(**batch(300)), atol=1e-5, rtol=0)


def test_fast_attention_saves_weights_that_transformers_loads(tmp_path: Path) -> None:
    network = make_network("sentence")
    use_fast_attention(network)
    assert any(isinstance(module, ShiftedSelfAttention) for module in network.modules())
    add_adapters(network, Lora(r=4))
    merge_adapters(network)
    network.save(tmp_path)
    with quiet():
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    inputs = batch(20)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(**inputs).logits, network.eval()(**inputs)["sentence"], atol=1e-5, rtol=0)
