from pathlib import Path

import pytest
import torch

from assay.corpus.errors import AssayError
from assay.models.adapters import add_adapters, merge_adapters
from assay.models.network import Network, build_network
from assay.recipes.recipe import Head, Lora, ModelSection

IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 11, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
CASES = [
    (encoder, heads) for encoder in ("bert", "deberta") for heads in (["sentence"], ["tokens"], ["sentence", "tokens"])
]


def _network(folder: Path, heads: list[Head], lora: Lora | None = None) -> Network:
    model = ModelSection(encoder=str(folder), heads=heads, lora=lora)
    torch.manual_seed(0)
    network = build_network(model, 3 if "sentence" in heads else 0, 5 if "tokens" in heads else 0)
    if lora is not None:
        add_adapters(network, lora)
    return network


@pytest.mark.parametrize(("encoder", "heads"), CASES)
def test_merge_adapters_keeps_predictions(request: pytest.FixtureRequest, encoder: str, heads: list[Head]) -> None:
    # given trained adapters
    network = _network(request.getfixturevalue(f"tiny_{encoder}_folder"), heads, Lora(r=4, alpha=8)).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
        before = network(IDS, MASK)

        # when they are merged
        merge_adapters(network)
        after = network(IDS, MASK)

    # then nothing is left of them but their effect
    assert not any("lora" in name for name, _ in network.named_parameters())
    for head, logits in before.items():
        torch.testing.assert_close(after[head], logits, atol=1e-5, rtol=0)
    plain = _network(request.getfixturevalue(f"tiny_{encoder}_folder"), heads)
    assert {name for name, _ in network.named_parameters()} == {name for name, _ in plain.named_parameters()}


def test_add_adapters_freezes_all_but_adapters_and_heads(tiny_bert_folder: Path) -> None:
    network = _network(tiny_bert_folder, ["sentence", "tokens"], Lora(r=4, targets=["query", "value"]))
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    adapters = {name for name in trained if "lora" in name}
    assert len(adapters) == 2 * 2 * 2  # two layers, query and value, A and B
    assert {name.rpartition(".")[0].split(".")[-2] for name in trained - adapters} <= {"joint", "pooler"}
    assert any("pooler" in name for name in trained)


def test_add_adapters_names_an_unknown_layer(tiny_bert_folder: Path) -> None:
    with pytest.raises(AssayError, match=r"model\.lora\.targets names 'query_proj'.*dense, key, query, value"):
        _network(tiny_bert_folder, ["sentence"], Lora(targets=["query_proj"]))


def test_merge_adapters_leaves_a_network_without_adapters_unchanged(tiny_bert_folder: Path) -> None:
    network = _network(tiny_bert_folder, ["tokens"])
    encoder = network.encoder
    merge_adapters(network)
    assert network.encoder is encoder
