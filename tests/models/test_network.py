import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from assay.corpus.errors import AssayError
from assay.models.network import JOINT_HEADS, build_network, load_network
from assay.models.tokenizer import load_tokenizer
from assay.recipes.recipe import Head, ModelSection

IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 11, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
@pytest.mark.parametrize(
    ("loader", "classes", "tags"),
    [(AutoModelForSequenceClassification, 3, 0), (AutoModelForTokenClassification, 0, 5)],
)
def test_network_with_one_head_loads_with_the_class_of_transformers(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str, loader: Any, classes: int, tags: int
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    network = build_network(
        ModelSection(encoder=str(folder), heads=["sentence" if classes else "tokens"]), classes, tags
    )
    network.save(tmp_path)
    ours = load_network(tmp_path, classes, tags)(IDS, MASK)
    model = loader.from_pretrained(tmp_path, dtype=torch.float32).eval()
    theirs = model(input_ids=IDS, attention_mask=MASK).logits
    torch.testing.assert_close(next(iter(ours.values())), theirs)


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
def test_network_with_both_heads_loads_and_never_with_random_heads(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    network = build_network(ModelSection(encoder=str(folder), heads=["tokens", "sentence"]), 3, 5).eval()
    before = network(IDS, MASK)
    network.save(tmp_path)
    after = load_network(tmp_path, 3, 5)(IDS, MASK)
    assert before["sentence"].shape == (2, 3)
    assert before["tokens"].shape == (2, 5, 5)
    for head, logits in before.items():
        torch.testing.assert_close(after[head], logits)
    assert (tmp_path / JOINT_HEADS).is_file()
    # A class of transformers would add heads with random weights.
    with pytest.raises(OSError, match=r"no file named .*model\.safetensors"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path)


def test_network_predictions_do_not_depend_on_padding(tiny_bert_folder: Path) -> None:
    network = build_network(ModelSection(encoder=str(tiny_bert_folder), heads=["sentence", "tokens"]), 3, 5).eval()
    both, alone = network(IDS, MASK), network(IDS[1:, :3], MASK[1:, :3])
    torch.testing.assert_close(both["sentence"][1:], alone["sentence"])
    torch.testing.assert_close(both["tokens"][1:, :3], alone["tokens"])


def test_build_network_converts_half_precision_weights_to_float32(tmp_path: Path, tiny_bert_folder: Path) -> None:
    BertModel.from_pretrained(tiny_bert_folder, dtype=torch.float16).save_pretrained(tmp_path)
    network = build_network(ModelSection(encoder=str(tmp_path), heads=["sentence"]), 2, 0)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_build_network_sets_head_dropout_on_the_head_only(tiny_bert_folder: Path) -> None:
    network = build_network(ModelSection(encoder=str(tiny_bert_folder), heads=["tokens"], head_dropout=0.4), 0, 5)
    dropouts = {name: module.p for name, module in network.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert dropouts.pop("model.dropout") == 0.4
    assert set(dropouts.values()) == {0.1}


def test_build_network_sets_dropout_on_the_encoder_only(tiny_bert_folder: Path) -> None:
    model = ModelSection(encoder=str(tiny_bert_folder), heads=["tokens"], dropout=0.3, head_dropout=0.4)
    network = build_network(model, 0, 5)
    dropouts = {name: module.p for name, module in network.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert dropouts.pop("model.dropout") == 0.4
    assert set(dropouts.values()) == {0.3}


@pytest.mark.parametrize("name", ["missing/folder", "owner/no-such-model"])
def test_encoder_errors_are_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = ModelSection(encoder=name, revision="0" * 40, heads=["sentence"])
    with pytest.raises(AssayError) as caught:
        build_network(model, 2, 0)
    assert "\n" not in str(caught.value)
    assert f"model.encoder {name!r}" in str(caught.value)
    with pytest.raises(AssayError, match=r"model\.encoder"):
        load_tokenizer(model)


def test_load_tokenizer_refuses_a_tokenizer_without_padding(tmp_path: Path, tiny_bert_folder: Path) -> None:
    tokenizer = load_tokenizer(ModelSection(encoder=str(tiny_bert_folder), heads=["sentence"]))
    make: Any = PreTrainedTokenizerFast
    bare = make(tokenizer_object=tokenizer.backend_tokenizer)
    bare.save_pretrained(tmp_path)
    with pytest.raises(AssayError, match="has no padding token"):
        load_tokenizer(ModelSection(encoder=str(tmp_path), heads=["sentence"]))


SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
CONFIGS: list[PretrainedConfig] = [
    BertConfig(**SIZES),
    RobertaConfig(**SIZES, pad_token_id=1),
    ElectraConfig(**SIZES, embedding_size=16),
    DebertaV2Config(**SIZES),
    DistilBertConfig(vocab_size=60, dim=16, hidden_dim=32, n_layers=1, n_heads=2),
]


@pytest.mark.parametrize("published", [AutoModelForSequenceClassification, AutoModelForTokenClassification])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
@pytest.mark.parametrize(("classes", "tags"), [(2, 0), (3, 0), (0, 2), (0, 5), (3, 5)])
def test_build_network_gives_new_heads_to_an_encoder_that_was_published_with_one(
    tmp_path: Path, config: PretrainedConfig, published: Any, classes: int, tags: int
) -> None:
    # given a published classifier or tagger of two labels
    config.id2label, config.label2id = {0: "POSITIVE", 1: "NEGATIVE"}, {"POSITIVE": 0, "NEGATIVE": 1}
    stored = published.from_config(config)
    stored.save_pretrained(tmp_path)
    heads: list[Head] = ["sentence"] * bool(classes) + ["tokens"] * bool(tags)  # type: ignore[assignment]
    # when
    network = build_network(ModelSection(encoder=str(tmp_path), heads=heads, max_length=16), classes, tags).eval()
    # then its encoder is taken over, its head and its labels are not
    kept = dict(stored.base_model.named_parameters())
    for name, parameter in network.encoder.named_parameters():
        if not name.startswith("pooler"):
            torch.testing.assert_close(parameter, kept[name])
    theirs = dict(stored.named_parameters())
    for name, parameter in network.model.named_parameters():
        if (
            "classifier" in name
            and name in theirs
            and parameter.shape == theirs[name].shape
            and name.endswith("weight")
        ):
            assert not torch.equal(parameter, theirs[name])
    logits = network(IDS, MASK)
    assert [tuple(values.shape) for values in logits.values()] == [(2, classes)] * bool(classes) + [
        (2, 5, tags)
    ] * bool(tags)
    if network.joint is None:
        assert list((network.config.id2label or {}).values()) == [f"LABEL_{number}" for number in range(classes + tags)]


def test_build_network_refuses_weights_of_another_encoder(tiny_bert_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_bert_folder, tmp_path / "other")
    config = json.loads((tmp_path / "other/config.json").read_text())
    (tmp_path / "other/config.json").write_text(
        json.dumps(config | {"intermediate_size": 2 * config["intermediate_size"]})
    )
    with pytest.raises(AssayError, match="weights and configuration belong to different models"):
        build_network(ModelSection(encoder=str(tmp_path / "other"), heads=["sentence"]), 2, 0)
