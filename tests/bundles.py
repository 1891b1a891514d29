"""Bundles whose answers are known: each word votes for a class, or is an entity."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from assay.corpus.cleaning import Cleaning
from assay.corpus.storage.digest import digest_file
from assay.serving.bundle import MODEL, TOKENIZER, Bundle, BundleManifest, GoldenRow, write_manifest
from assay.serving.decoding import bio_tags
from assay.serving.engine import Engine, Row

GOLDEN = ("good apple", "bad berlin")


def build_bundle(
    folder: Path,
    classes: Mapping[str, str],
    entities: Mapping[str, str],
    labels: Sequence[str] | None = None,
    changes: Mapping[str, Any] | None = None,
    row_labels: Mapping[str, str] | None = None,
) -> Bundle:
    """A bag-of-words bundle in a folder.

    The sentence's logits are the sum of its words' votes (2 a word) with a small preference for the first
    class; each entity word is an entity of its own. A label of several has the logit -2, and 4 more for each of its
    words. Words not named say nothing.

    Args:
        folder: an empty one.
        classes: word -> class.
        entities: word -> type.
        labels: classes in their order; else by name.
        changes: fields of the manifest.
        row_labels: word -> label of a labels head.
    """
    several = row_labels or {}
    words = {word: number for number, word in enumerate(["[UNK]", *sorted({*classes, *entities, *several})])}
    several_names = sorted(set(several.values()))
    names = list(labels or sorted(set(classes.values())))
    tags = bio_tags(sorted(set(entities.values()))) if entities else []
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / TOKENIZER))
    tables = _votes(words, classes, names), _tag_scores(words, entities, tags), _label_votes(words, several)
    onnx.save(_graph(*tables), folder / MODEL)
    fields: dict[str, Any] = {
        "name": "toy",
        "labels": names,
        "tags": tags,
        "row_labels": several_names,
        "pair": False,
        "type_ids": False,
        "pad_id": 0,
        "max_length": 64,
        "cleaning": Cleaning(),
        "precision": "fp32",
        "cpu_flags": [],
        "files": {file: digest_file(folder / file) for file in (MODEL, TOKENIZER)},
        "snapshot": "0" * 64,
        "recipe": {},
        "golden": [],
        **(changes or {}),
    }
    manifest = BundleManifest(**fields)
    write_manifest(folder, manifest)
    if manifest.pair or manifest.golden:
        return Bundle.load(folder)
    write_manifest(folder, manifest.model_copy(update={"golden": _golden(Bundle.load(folder))}))
    return Bundle.load(folder)


def _golden(bundle: Bundle) -> list[GoldenRow]:
    predictions = Engine(bundle, threads=1).predict([Row(text) for text in GOLDEN])
    return [
        GoldenRow(
            text=text,
            label=prediction.label,
            probabilities=list(prediction.probabilities),
            entities=[(one.start, one.end, one.label) for one in prediction.entities],
            labels=[one.label for one in prediction.labels],
            label_probabilities=list(prediction.label_probabilities),
        )
        for text, prediction in zip(GOLDEN, predictions, strict=True)
    ]


def _votes(words: Mapping[str, int], classes: Mapping[str, str], labels: Sequence[str]) -> np.ndarray:
    table = np.zeros((len(words), len(labels)), dtype=np.float32)
    table[:, :1] += 0.1
    for word, label in classes.items():
        table[words[word], labels.index(label)] = 2
    return table


def _label_votes(words: Mapping[str, int], row_labels: Mapping[str, str]) -> np.ndarray:
    names = sorted(set(row_labels.values()))
    table = np.zeros((len(words), len(names)), dtype=np.float32)
    for word, label in row_labels.items():
        table[words[word], names.index(label)] = 4
    return table


def _tag_scores(words: Mapping[str, int], entities: Mapping[str, str], tags: Sequence[str]) -> np.ndarray:
    table = np.zeros((len(words), len(tags)), dtype=np.float32)
    table[:, :1] += 1
    for word, label in entities.items():
        table[words[word], tags.index(f"B-{label}")] = 4
    return table


def _graph(sentence: np.ndarray, tokens: np.ndarray, labels: np.ndarray) -> onnx.ModelProto:
    """input_ids, attention_mask -> sum of votes over the words, scores of the tags at each word."""
    nodes = [
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
    ]
    tables, outputs = [numpy_helper.from_array(np.array([-1]), "last")], []
    if sentence.shape[1] or labels.shape[1]:
        tables.append(numpy_helper.from_array(np.array([1]), "length"))
    if labels.shape[1]:
        tables += [
            numpy_helper.from_array(labels, "label_votes"),
            numpy_helper.from_array(np.array([-2], dtype=np.float32), "reluctance"),
        ]
        nodes += [
            helper.make_node("Gather", ["label_votes", "input_ids"], ["label_voted"]),
            helper.make_node("Mul", ["label_voted", "column"], ["label_counted"]),
            helper.make_node("ReduceSum", ["label_counted", "length"], ["label_sum"], keepdims=0),
            helper.make_node("Add", ["label_sum", "reluctance"], ["labels"]),
        ]
        outputs.append(helper.make_tensor_value_info("labels", TensorProto.FLOAT, ["rows", labels.shape[1]]))
    if sentence.shape[1]:
        tables.append(numpy_helper.from_array(sentence, "votes"))
        nodes += [
            helper.make_node("Gather", ["votes", "input_ids"], ["voted"]),
            helper.make_node("Mul", ["voted", "column"], ["counted"]),
            helper.make_node("ReduceSum", ["counted", "length"], ["sentence"], keepdims=0),
        ]
        outputs.append(helper.make_tensor_value_info("sentence", TensorProto.FLOAT, ["rows", sentence.shape[1]]))
    if tokens.shape[1]:
        tables.append(numpy_helper.from_array(tokens, "scores"))
        nodes += [
            helper.make_node("Gather", ["scores", "input_ids"], ["scored"]),
            helper.make_node("Mul", ["scored", "column"], ["tokens"]),
        ]
        shape = ["rows", "length", tokens.shape[1]]
        outputs.append(helper.make_tensor_value_info("tokens", TensorProto.FLOAT, shape))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    graph = helper.make_graph(nodes, "bag-of-words", inputs, outputs, tables)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
