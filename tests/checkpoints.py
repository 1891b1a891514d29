"""Checkpoints with random weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from assay.corpus.example import Head
from assay.models.checkpoint import Checkpoint, CheckpointManifest
from assay.models.network import build_network
from assay.models.tokenizer import load_tokenizer, save_tokenizer
from assay.models.validation_scores import crf_scores
from assay.recipes.recipe import ModelSection


def write_checkpoint(
    folder: Path, encoder: Path, names: Mapping[Head, list[str]], *, config: Any = None, **settings: Any
) -> Checkpoint:
    """Write a checkpoint whose weights are the same each time.

    Args:
        folder: a new folder.
        encoder: folder of the encoder.
        names: classes, tags and labels of the heads that the model has.
        config: of a new encoder in place of that one.
        settings: other keys of the section `model`.
    """
    folder.mkdir(parents=True)
    section = ModelSection.model_validate({"encoder": str(encoder), "heads": list(names), "max_length": 32, **settings})
    labels, tags, topics = (names.get(head, []) for head in ("sentence", "tokens", "labels"))
    torch.manual_seed(1)
    network = build_network(section, len(labels), len(tags), len(topics), config=config).eval()
    for parameter in network.parameters():
        # Random heads alone would give nearly equal probabilities.
        torch.nn.init.normal_(parameter, std=0.2) if parameter.dim() > 1 else None
    tokenizer = load_tokenizer(section)
    save_tokenizer(tokenizer, folder)
    manifest = CheckpointManifest(
        labels=labels,
        tags=tags,
        row_labels=topics,
        pair=False,
        max_length=32,
        cleaning=section.cleaning,
        uses_type_ids=network.reads_type_ids,
        pad_id=tokenizer.pad_token_id,
        crf=crf_scores(network),
    )
    return Checkpoint.save(folder, network, manifest)
