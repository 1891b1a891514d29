from typing import Any

import pytest
from transformers import (
    BartConfig,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    MBartConfig,
    MPNetConfig,
    MT5Config,
    PretrainedConfig,
    RobertaConfig,
    T5Config,
    XLMRobertaConfig,
)

from assay.corpus.errors import AssayError
from assay.models.network import build_network
from assay.models.preparation import _check_length
from assay.recipes.recipe import ModelSection

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
BART_SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
}
T5_SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "d_model": 16,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 1,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}


@pytest.mark.parametrize(
    ("config", "longest"),
    [
        (RobertaConfig(max_position_embeddings=66, pad_token_id=1, **SIZES), 64),
        (XLMRobertaConfig(max_position_embeddings=130, pad_token_id=1, **SIZES), 128),
        (CamembertConfig(max_position_embeddings=40, pad_token_id=3, **SIZES), 36),
        (MPNetConfig(max_position_embeddings=66, **SIZES), 64),
        (ElectraConfig(max_position_embeddings=64, embedding_size=16, **SIZES), 64),
        (DistilBertConfig(vocab_size=60, dim=16, hidden_dim=32, n_layers=1, n_heads=2, max_position_embeddings=64), 64),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_check_length_accepts_exactly_the_tokens_that_the_encoder_reads(config: PretrainedConfig, longest: int) -> None:
    model = ModelSection(encoder="unused", heads=["sentence"], max_length=longest)
    network = build_network(model, 2, 0, config=config).train()
    _check_length(network, model)
    assert network.training
    with pytest.raises(AssayError, match=f"the encoder reads {longest} tokens at most; lower it"):
        _check_length(network, model.model_copy(update={"max_length": longest + 1}))


def test_check_length_tries_a_length_that_the_configuration_does_not_limit() -> None:
    # given an encoder that claims to read more than it has positions for
    config = BertConfig(max_position_embeddings=32, **SIZES)
    model = ModelSection(encoder="unused", heads=["sentence"], max_length=40)
    network = build_network(model, 2, 0, config=config)
    network.config.max_position_embeddings = 64
    with pytest.raises(
        AssayError, match=r"model\.max_length is 40, and the encoder fails at so many tokens \(.+\); lower it"
    ):
        _check_length(network, model)


@pytest.mark.parametrize("head", ["sentence", "tokens"])
@pytest.mark.parametrize(
    "config",
    [BartConfig(**BART_SIZES), MBartConfig(**BART_SIZES), T5Config(**T5_SIZES), MT5Config(**T5_SIZES)],
    ids=lambda config: config.model_type,
)
def test_check_length_accepts_encoders_with_a_decoder(config: PretrainedConfig, head: Any) -> None:
    model = ModelSection(encoder="unused", heads=[head], max_length=40)
    classes, tags = (2, 0) if head == "sentence" else (0, 3)
    try:
        network = build_network(model, classes, tags, config=config)
    except ValueError:  # no such class in transformers
        pytest.skip(f"{config.model_type} has no head {head}")
    _check_length(network, model)


def test_check_length_reports_a_failing_encoder_in_one_line() -> None:
    # given a classifier that misses its end token
    model = ModelSection(encoder="unused", heads=["sentence"], max_length=40)
    network = build_network(model, 2, 0, config=BartConfig(**BART_SIZES))
    network.config.eos_token_id = None
    with pytest.raises(AssayError, match=r"the encoder fails at so many tokens \(.+\); lower it") as caught:
        _check_length(network, model)
    assert "\n" not in str(caught.value)
