"""A trained model in the layout of Hugging Face: weights, configuration and tokenizer, and an ONNX file for others.

A model with one head is that of transformers. A joint model becomes two, one per head, with the same encoder.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, AutoTokenizer

from assay.corpus.errors import AssayError
from assay.corpus.example import HEADS, Head
from assay.models.bert import pruned_for_export
from assay.models.checkpoint import Checkpoint
from assay.models.deberta import optimised_for_export
from assay.models.export.onnx_graph import export_graph
from assay.models.network import Network, quiet

SENTENCE: Final[Head] = "sentence"
LABELS: Final[Head] = "labels"
TOKENS: Final[Head] = "tokens"
LOGITS = "logits"  # the output that transformers.js and optimum read
GRAPH = Path("onnx") / "model.onnx"  # where transformers.js looks
# Float32 sums in another order differ in the last digits.
_TOLERANCE = 1e-4


def write_huggingface(
    checkpoint: Checkpoint, folder: Path, metadata: dict[str, str], label_thresholds: Mapping[str, float] | None = None
) -> list[Path]:
    """Write a model for transformers, and its ONNX file, into a folder; of a joint model into a subfolder per head.

    Args:
        checkpoint: a finished checkpoint.
        folder: an existing folder.
        metadata: written into the ONNX file, beside labels and length.
        label_thresholds: probability from which each label of a labels head applies, before calibration; written into
            its config.json and ONNX file. None if they are not known.

    Returns:
        The folders that transformers loads.

    Raises:
        AssayError: transformers has no class that computes what a head of the joint model computes.
    """
    network = checkpoint.network()
    if network.joint is None:
        head = TOKENS if checkpoint.tags else LABELS if checkpoint.row_labels else SENTENCE
        return [_write(checkpoint, network.model, head, folder, metadata, label_thresholds)]
    written = []
    names = {SENTENCE: checkpoint.labels, LABELS: checkpoint.row_labels, TOKENS: checkpoint.tags}
    for head in (head for head in HEADS if names[head]):
        model = _split(network, head, len(names[head]))
        (folder / head).mkdir()
        written.append(_write(checkpoint, model, head, folder / head, metadata, label_thresholds))
    return written


def _write(
    checkpoint: Checkpoint,
    model: Any,
    head: Head,
    folder: Path,
    metadata: dict[str, str],
    label_thresholds: Mapping[str, float] | None,
) -> Path:
    names = {SENTENCE: checkpoint.labels, LABELS: checkpoint.row_labels, TOKENS: checkpoint.tags}[head]
    Network(model, None, pooled="labels" if head == LABELS else "sentence").name_labels(names)
    if head == LABELS and label_thresholds is not None:
        model.config.label_thresholds = dict(label_thresholds)
        metadata = {**metadata, "label_thresholds": json.dumps(model.config.label_thresholds)}
    with quiet():
        model.save_pretrained(folder)
        tokenizer: Any = AutoTokenizer.from_pretrained(
            checkpoint.folder,
            local_files_only=True,
            model_max_length=checkpoint.max_length,  # where truncation=True cuts
            model_input_names=["input_ids", "attention_mask", *(["token_type_ids"] * checkpoint.uses_type_ids)],
        )
        tokenizer.save_pretrained(folder)
        # The vocabulary that the model was trained with, byte for byte.
        shutil.copyfile(checkpoint.tokenizer_path, folder / checkpoint.tokenizer_path.name)
        _name_tokenizer(folder / "tokenizer_config.json")
        loader = AutoModelForTokenClassification if head == TOKENS else AutoModelForSequenceClassification
        # The graph is traced with plain attention.
        eager = loader.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    _write_graph(checkpoint, Network(eager, None), folder / GRAPH, {"labels": json.dumps(names), **metadata})
    return folder


def _name_tokenizer(path: Path) -> None:
    """Name the class of the tokenizer as transformers 4 does, too: optimum and other programs still need it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if config["tokenizer_class"] == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"  # the name of the same class before transformers 5
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")


def _write_graph(checkpoint: Checkpoint, network: Network, path: Path, metadata: dict[str, str]) -> None:
    path.parent.mkdir()
    with optimised_for_export(network, checkpoint.max_length), pruned_for_export(network):
        export_graph(network, path, type_ids=checkpoint.uses_type_ids, max_length=checkpoint.max_length)
    model = onnx.load(path)
    [output] = model.graph.output
    for node in model.graph.node:
        node.output[:] = [LOGITS if name == output.name else name for name in node.output]
        node.input[:] = [LOGITS if name == output.name else name for name in node.input]
    output.name = LOGITS
    for name, value in {"max_length": str(checkpoint.max_length), **metadata}.items():
        model.metadata_props.add(key=name, value=value)
    onnx.save(model, path)


def _split(network: Network, head: Head, size: int) -> Any:
    """Return a model of transformers with the encoder of a joint model and one of its heads.

    Raises:
        AssayError: no way to place the weights of the head gives its logits.
    """
    config = type(network.config).from_dict({**network.config.to_dict(), "num_labels": size})
    ways = (_place_tokens,) if head == TOKENS else _POOLED_WAYS
    loader = AutoModelForTokenClassification if head == TOKENS else AutoModelForSequenceClassification
    for place in ways:
        try:
            make: Any = loader.from_config
            model = make(config, dtype=torch.float32).eval()
            encoder = getattr(model, model.base_model_prefix)
            encoder.load_state_dict(network.model.state_dict(), strict=False)
            place(model, network, head)
        except (AttributeError, ValueError, RuntimeError):
            continue
        if _agrees(network, model, head):
            return model
    raise AssayError(
        f"transformers has no {type(network.config).__name__} whose {head} head computes what this one does; "
        "use model.onnx of the bundle"
    )


def _place_linear(target: Any, source: nn.Module) -> None:
    target.load_state_dict(source.state_dict())


def _place_classifier(model: Any, network: Any, head: Head) -> None:
    """Place the head behind the pooler of the encoder, such as that of BERT."""
    _place_linear(model.classifier, getattr(network.joint, head))


def _place_pooler(model: Any, network: Any, head: Head) -> None:
    """Place pooler and head into a model with a pooler of its own and a free activation, such as DeBERTa."""
    model.config.pooler_hidden_act = "tanh"
    _place_linear(model.pooler.dense, _pooler(network))
    _place_linear(model.classifier, getattr(network.joint, head))


def _place_dense(model: Any, network: Any, head: Head) -> None:
    """Place pooler and head into a head of two layers, such as that of RoBERTa."""
    _place_linear(model.classifier.dense, _pooler(network))
    _place_linear(model.classifier.out_proj, getattr(network.joint, head))


def _place_tokens(model: Any, network: Any, head: Head) -> None:
    _place_linear(model.classifier, network.joint.tokens)


def _pooler(network: Any) -> nn.Module:
    """Return the dense layer that pools: the one that the joint model has added, or that of the encoder."""
    added = network.joint.pooler
    dense: nn.Module = network.model.pooler.dense if added is None else added[0]
    return dense


_POOLED_WAYS = (_place_classifier, _place_pooler, _place_dense)


def _agrees(network: Network, model: Any, head: Head) -> bool:
    """Return whether both compute the same logits of random tokens."""
    ids = torch.randint(0, model.config.vocab_size, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        wanted, given = network(ids, mask)[head], model(input_ids=ids, attention_mask=mask).logits
    return bool((wanted - given).abs().max() < _TOLERANCE)
