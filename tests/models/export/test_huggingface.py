import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from transformers import DistilBertConfig, RobertaConfig, pipeline

from assay.corpus.errors import AssayError
from assay.models.checkpoint import Checkpoint
from assay.models.export.huggingface import write_huggingface
from assay.recipes.recipe import Head
from tests.checkpoints import write_checkpoint

LABELS, TAGS, TOPICS = ["down", "up", "flat"], ["O", "B-ORG", "I-ORG"], ["money", "sport", "weather", "war"]
NAMES: dict[Head, list[str]] = {"sentence": LABELS, "tokens": TAGS, "labels": TOPICS}
THRESHOLDS = {"money": 0.25, "sport": 0.5, "weather": 0.75, "war": 0.0}
TEXTS = ["The weather in Berlin is fine today", "shares fall", "a"]


@pytest.fixture
def make_checkpoint(tmp_path: Path) -> Any:
    """Return `make(encoder, heads)`, which writes a checkpoint with random weights."""

    def make(encoder: Path, heads: list[Head], config: Any = None) -> Checkpoint:
        return write_checkpoint(tmp_path / "checkpoint", encoder, {head: NAMES[head] for head in heads}, config=config)

    return make


def logits_of(checkpoint: Checkpoint, folder: Path, text: str, head: str) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return the logits of the checkpoint and of the ONNX file in the folder."""
    reader: Any = pipeline("token-classification" if head == "tokens" else "text-classification", str(folder))
    encoded = reader.tokenizer(text, return_tensors="pt", truncation=True)
    with torch.no_grad():
        network = checkpoint.network()
        wanted = network(encoded["input_ids"], encoded["attention_mask"])[head].numpy()
    session = ort.InferenceSession(str(folder / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    [given] = session.run(["logits"], {name: value.numpy() for name, value in encoded.items() if name in names})
    return wanted, given, reader


@pytest.mark.slow  # the exporter traces each network
@pytest.mark.parametrize(
    ("encoder", "heads"),
    [
        ("bert", ["sentence"]),
        ("bert", ["tokens"]),
        ("bert", ["sentence", "tokens"]),
        ("deberta", ["sentence", "tokens"]),
        ("bert", ["labels"]),
        ("deberta", ["sentence", "labels"]),
    ],
)
def test_pipeline_and_onnx_predict_as_the_checkpoint(
    request: pytest.FixtureRequest, make_checkpoint: Any, tmp_path: Path, encoder: str, heads: list[Head]
) -> None:
    checkpoint = make_checkpoint(request.getfixturevalue(f"tiny_{encoder}_folder"), heads)
    (tmp_path / "out").mkdir()
    folders = write_huggingface(checkpoint, tmp_path / "out", {"bundle": "abc"}, THRESHOLDS)
    assert len(folders) == len(heads)
    for head, folder in zip(heads, folders, strict=True):
        for text in TEXTS:
            wanted, given, reader = logits_of(checkpoint, folder, text, head)
            np.testing.assert_allclose(given, wanted, atol=2e-4)
            read = reader(text)
            if head == "sentence":
                assert read[0]["label"] == LABELS[int(wanted.argmax())]
            elif head == "labels":  # each label by itself, so that the probabilities do not add up to 1
                scores = {one["label"]: one["score"] for one in reader(text, top_k=None)}
                assert [scores[name] for name in TOPICS] == pytest.approx(1 / (1 + np.exp(-wanted[0])), abs=1e-4)
            else:
                best = [TAGS[tag] for tag in wanted[0].argmax(-1)]
                assert all(word["entity"] == best[word["index"]] for word in read)
        metadata = {entry.key: entry.value for entry in onnx.load(folder / "onnx" / "model.onnx").metadata_props}
        assert json.loads(metadata["labels"]) == NAMES[head]
        assert (metadata["bundle"], metadata["max_length"]) == ("abc", "32")
        # thresholds are those of a labels head alone
        assert getattr(reader.model.config, "label_thresholds", None) == (THRESHOLDS if head == "labels" else None)
        assert json.loads(metadata.get("label_thresholds", "null")) == (THRESHOLDS if head == "labels" else None)
        # transformers 4, which optimum needs, has no other class that reads any tokenizer.json.
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        assert config["tokenizer_class"] == "PreTrainedTokenizerFast"


@pytest.mark.slow  # the exporter traces each network
def test_joint_head_of_two_layers_is_placed(make_checkpoint: Any, tmp_path: Path, tiny_bert_folder: Path) -> None:
    config = RobertaConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, pad_token_id=0
    )
    checkpoint = make_checkpoint(tiny_bert_folder, ["sentence", "tokens"], config)
    (tmp_path / "out").mkdir()
    sentence, _ = write_huggingface(checkpoint, tmp_path / "out", {})
    wanted, given, _ = logits_of(checkpoint, sentence, TEXTS[0], "sentence")
    np.testing.assert_allclose(given, wanted, atol=2e-4)


def test_joint_head_without_an_equal_is_refused(make_checkpoint: Any, tmp_path: Path, tiny_bert_folder: Path) -> None:
    config = DistilBertConfig(vocab_size=300, dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    checkpoint = make_checkpoint(tiny_bert_folder, ["sentence", "tokens"], config)
    (tmp_path / "out").mkdir()
    with pytest.raises(AssayError, match=r"transformers has no DistilBertConfig whose sentence head"):
        write_huggingface(checkpoint, tmp_path / "out", {})


def test_pipeline_reads_a_checkpoint_of_one_head_and_refuses_a_joint_one(
    make_checkpoint: Any, tmp_path: Path, tiny_bert_folder: Path
) -> None:
    one = make_checkpoint(tiny_bert_folder, ["sentence"])
    reader: Any = pipeline("text-classification", str(one.folder))
    assert reader(TEXTS[0])[0]["label"] in LABELS
    shutil.rmtree(one.folder)
    joint = make_checkpoint(tiny_bert_folder, ["sentence", "tokens"])
    with pytest.raises((OSError, ValueError), match=r"no file named|Could not load model"):
        pipeline("text-classification", str(joint.folder))


MODULES = Path(os.environ.get("ASSAY_NODE_MODULES", "node_modules")).resolve()
SCRIPT = """
import { pipeline, env } from "@huggingface/transformers";
env.allowRemoteModels = false;
env.localModelPath = process.argv[2];
const read = await pipeline("text-classification", "out", { dtype: "fp32" });
console.log(JSON.stringify(await read(process.argv[3])));
"""


@pytest.mark.skipif(
    not (shutil.which("node") and (MODULES / "@huggingface" / "transformers").is_dir()),
    reason="transformers.js is not installed; npm install @huggingface/transformers, and set ASSAY_NODE_MODULES",
)
def test_transformers_js_predicts_as_the_checkpoint(
    make_checkpoint: Any, tmp_path: Path, tiny_bert_folder: Path
) -> None:
    checkpoint = make_checkpoint(tiny_bert_folder, ["sentence"])
    (tmp_path / "out").mkdir()
    [folder] = write_huggingface(checkpoint, tmp_path / "out", {})
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "read.mjs").write_text(SCRIPT, encoding="utf-8")
    command = ["node", "read.mjs", str(tmp_path), TEXTS[0]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wanted, _, _ = logits_of(checkpoint, folder, TEXTS[0], "sentence")
    assert json.loads(done.stdout.splitlines()[-1])[0]["label"] == LABELS[int(wanted.argmax())]
