"""A tiny bundle that exposes the cost around the model: 2 layers, 64 wide, one sentence head, hardly trained."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.corpus.storage.digest import digest_file
from assay.models.checkpoint import Checkpoint
from assay.models.export.onnx_graph import export_graph
from assay.models.training_loop import train
from assay.recipes.recipe import ModelSection, Scratch, Training
from assay.serving.bundle import MODEL, TOKENIZER, Bundle, BundleManifest, write_manifest
from assay.serving.cpu import cpu_flags
from demo.virtual import virtual_documents

TRAINING_ROWS = 1_000
SCRATCH = Scratch(layers=2, hidden=64, attention_heads=2, vocabulary=2_000)
MAX_LENGTH = 64


def virtual_examples(count: int, seed: int) -> list[Example]:
    """Return sentences of the virtual data set with the first occurrence of each entity name."""
    examples: list[Example] = []
    for sentence in _sentences(count, seed):
        text = sentence["Text"]
        spans = [(text.find(entity["EntityName"]), entity) for entity in sentence["Entities"]]
        entities = [
            Entity(at, at + len(entity["EntityName"]), entity["type"]) for at, entity in sorted(spans, key=_start)
        ]
        if all(at >= 0 for at, _ in spans):
            examples.append(Example(str(len(examples)), text, label=sentence["sentiment"], entities=tuple(entities)))
    return examples


def tiny_bundle(folder: Path) -> Bundle:
    """Train, export in float32, write the manifest."""
    model = ModelSection(scratch=SCRATCH, heads=["sentence"], max_length=MAX_LENGTH)
    examples = virtual_examples(TRAINING_ROWS, seed=1)
    work, bundle = folder / "checkpoint", folder / "bundle"
    work.mkdir()
    bundle.mkdir()
    train(examples, examples[:100], model, Training(epochs=1, batch_size=32, learning_rate=2e-3), work)
    checkpoint = Checkpoint.load(work)
    network = checkpoint.network(attention="eager")
    export_graph(network, bundle / MODEL, type_ids=checkpoint.uses_type_ids, max_length=MAX_LENGTH)
    (bundle / TOKENIZER).write_bytes(checkpoint.tokenizer_path.read_bytes())
    manifest = BundleManifest(
        name="tiny",
        labels=checkpoint.labels,
        tags=checkpoint.tags,
        pair=False,
        type_ids=checkpoint.uses_type_ids,
        pad_id=checkpoint.pad_id,
        max_length=MAX_LENGTH,
        cleaning=Cleaning(),
        precision="fp32",
        cpu_flags=cpu_flags(),
        files={name: digest_file(bundle / name) for name in (MODEL, TOKENIZER)},
        snapshot="0" * 64,
        recipe={},
        golden=[],
    )
    write_manifest(bundle, manifest)
    return Bundle.load(bundle)


def _sentences(count: int, seed: int) -> Iterator[dict[str, Any]]:
    for document in virtual_documents(count, seed):
        for sentence in document["Parse"] if isinstance(document.get("Parse"), list) else []:
            if isinstance(sentence, dict) and isinstance(sentence.get("Text"), str) and sentence.get("sentiment"):
                yield sentence


def _start(span: tuple[int, Any]) -> int:
    return span[0]
