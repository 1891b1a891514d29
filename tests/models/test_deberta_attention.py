"""Each part of the attention; that the whole equals transformers is tested beside the encoder."""

from typing import Any

import pytest
import torch
from torch import nn
from transformers import DebertaV2Config
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention

from assay.models.deberta_attention import (
    DisentangledAttention,
    distance_rows,
    first_tokens,
    half_up,
    product_with_transposed,
    scaled,
)
from tests.models.deberta import ATTENTION_KINDS, V3

LONGEST = 12


def original(**changes: Any) -> DisentangledSelfAttention:
    torch.manual_seed(0)
    make: Any = DebertaV2Config
    config = make(hidden_size=16, num_attention_heads=2, **(V3 | {"max_position_embeddings": 40} | changes))
    attention: Any = DisentangledSelfAttention
    module: DisentangledSelfAttention = attention(config).eval()
    return module


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("changes", [{}, *ATTENTION_KINDS], ids=str)
def test_disentangled_attention_equals_its_definition(changes: dict[str, Any], first_only: bool) -> None:
    # given a module of transformers, embeddings of its distances, and two texts, one of them padded
    module = original(**changes)
    distances = torch.randn(2 * module.pos_ebd_size, 16) if module.relative_attention else None
    attention = DisentangledAttention(module, distances, LONGEST, first_only=first_only)
    length = 6
    states, mask = torch.randn(2, length, 16), torch.ones(2, length)
    mask[1, 4:] = 0
    padding = (1 - mask)[:, None, None, :] * torch.finfo(torch.float32).min

    # when it attends
    with torch.inference_mode():
        attended = attention(states.view(-1, 16), padding).view(2, -1, 16)

    # then each query has the sum of its products with contents and distances
    expected = by_definition(module, distances, states, padding)
    assert torch.allclose(attended, expected[:, :1] if first_only else expected, atol=1e-5)


def by_definition(
    module: DisentangledSelfAttention, distances: torch.Tensor | None, states: torch.Tensor, padding: torch.Tensor
) -> torch.Tensor:
    length, width = states.shape[1], module.attention_head_size

    def by_head(values: torch.Tensor) -> torch.Tensor:
        return values.view(*values.shape[:-1], 2, width)

    query, key, value = (by_head(part(states)) for part in (module.query_proj, module.key_proj, module.value_proj))
    kinds = list(module.pos_att_type or []) if module.relative_attention else []
    scores = torch.einsum("bihd,bjhd->bhij", query, key)
    if distances is not None:
        shared = module.share_att_key
        rows = distance_rows(module, LONGEST)
        place = torch.arange(length)[:, None] - torch.arange(length)[None, :] + LONGEST  # of i - j
        if "c2p" in kinds:
            keys = by_head((module.key_proj if shared else module.pos_key_proj)(distances)[rows])
            scores = scores + torch.einsum("bihd,ijhd->bhij", query, keys[place])
        if "p2c" in kinds:
            queries = by_head((module.query_proj if shared else module.pos_query_proj)(distances)[rows])
            scores = scores + torch.einsum("bjhd,ijhd->bhij", key, queries[place])
    factor = 1 + ("c2p" in (module.pos_att_type or [])) + ("p2c" in (module.pos_att_type or []))
    weights = (scores / (width * factor) ** 0.5 + padding).softmax(-1)
    return torch.einsum("bhij,bjhd->bihd", weights, value).reshape(2, length, -1)


def test_distance_rows_are_buckets_around_the_middle() -> None:
    plain = distance_rows(original(position_buckets=-1, max_position_embeddings=20), 30)
    assert len(plain) == 61
    assert plain[30] == 20
    assert plain.tolist() == [min(max(20 + distance, 0), 39) for distance in range(-30, 31)]
    buckets = distance_rows(original(position_buckets=8), 30)
    assert buckets[30] == 8
    assert buckets[27:34].tolist() == [5, 6, 7, 8, 9, 10, 11]  # near tokens have a bucket each
    assert (buckets.diff() >= 0).all()


def test_product_with_transposed_equals_its_name() -> None:
    left, right = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5)
    assert torch.equal(product_with_transposed(left, right), left @ right.transpose(-1, -2))


def test_first_tokens_are_those_of_each_text() -> None:
    states = torch.arange(24.0).view(6, 4)
    assert first_tokens(states, 2).tolist() == [states[0].tolist(), states[3].tolist()]


@pytest.mark.parametrize(("length", "half"), [(0, 0), (1, 1), (2, 1), (7, 4)])
def test_half_up_rounds_up(length: int, half: int) -> None:
    assert half_up(length) == half


def test_scaled_leaves_the_original_unchanged() -> None:
    linear = nn.Linear(3, 2)
    before = linear.weight.clone()
    result = scaled(linear, 2.0, 3.0)
    assert torch.equal(result.weight, before * 2)
    assert torch.equal(result.bias, linear.bias * 3)
    assert torch.equal(linear.weight, before)
    assert torch.equal(scaled(linear, 2.0).bias, linear.bias)
