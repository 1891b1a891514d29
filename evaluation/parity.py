"""Comparison of two forms of one model on the same rows: torch with ONNX, and float32 with int8."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from assay.corpus.example import Entity, Example
from assay.evaluation.export_report import Int8Comparison
from assay.evaluation.labelled_predictions import as_tagged, row_of
from assay.models.scores import entity_scores, sentence_scores
from assay.recipes.recipe import Head
from assay.serving.bundle import BundleManifest
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText, pad
from assay.serving.engine import Engine, Prediction, Row

ROWS_PER_BATCH = 16


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference of logits, equality of the decoded predictions, and number of rows."""

    max_difference: float
    predictions_equal: bool
    rows: int


def compare_with_torch(network: nn.Module, engine: Engine, rows: Sequence[Row]) -> Parity:
    """Run torch and the engine's graph on the same batches of rows in their order, so that lengths differ."""
    encoded = engine.encode(rows)
    largest, equal = 0.0, True
    for begin in range(0, len(encoded), ROWS_PER_BATCH):
        batch = encoded[begin : begin + ROWS_PER_BATCH]
        torch_logits, onnx_logits = _torch_logits(network, batch, engine.manifest), engine.logits(batch)
        for index, text in enumerate(batch):
            onnx_row, torch_row = _row_logits(onnx_logits, index, text), _row_logits(torch_logits, index, text)
            largest = max([largest, *(float(np.abs(onnx_row[head] - torch_row[head]).max()) for head in onnx_row)])
            equal &= _same(engine.predict_from_logits(text, onnx_row), engine.predict_from_logits(text, torch_row))
    return Parity(largest, equal, len(encoded))


def compare_precisions(fp32: Engine, int8: Engine, rows: Sequence[Example]) -> Int8Comparison:
    """Score both engines on the labelled rows."""
    before, after = f1_scores(fp32, rows), f1_scores(int8, rows)
    drop = {head: round(before[head] - after[head], 6) for head in before}
    return Int8Comparison(f1_fp32=before, f1_int8=after, drop=drop, rows=len(rows))


def f1_scores(engine: Engine, rows: Sequence[Example]) -> dict[Head, float]:
    """Return macro-F1 of the sentence head and strict entity F1 of the token head; skip heads without gold labels."""
    predictions = engine.predict([row_of(row, engine.manifest.pair) for row in rows])
    scores: dict[Head, float] = {}
    pairs = list(zip(as_tagged(engine, rows), predictions, strict=True))
    labels = [(row.label, prediction.label or "") for row, prediction in pairs if row.label is not None]
    if engine.labels and labels:
        gold, predicted = zip(*labels, strict=True)
        scores["sentence"] = sentence_scores(gold, predicted, engine.labels).macro_f1
    entities = [(row.entities, _entities(prediction)) for row, prediction in pairs if row.entities is not None]
    if engine.tags and any(gold for gold, _ in entities):
        scores["tokens"] = entity_scores(*zip(*entities, strict=True)).overall.f1
    return scores


def _torch_logits(network: nn.Module, batch: Sequence[EncodedText], manifest: BundleManifest) -> dict[str, Floats]:
    arrays = pad(batch, manifest.pad_id)
    names = ["input_ids", "attention_mask"] + (["token_type_ids"] if manifest.type_ids else [])
    with torch.inference_mode():
        outputs = network(*(torch.from_numpy(arrays[name]) for name in names))
    return {head: values.numpy() for head, values in outputs.items()}


def _row_logits(logits: dict[str, Floats], index: int, text: EncodedText) -> dict[str, Floats]:
    """Return the logits of one row without its padding."""
    row = {head: values[index] for head, values in logits.items()}
    return row | {"tokens": row["tokens"][: len(text)]} if "tokens" in row else row


def _same(first: Prediction, second: Prediction) -> bool:
    return first.label == second.label and _entities(first) == _entities(second)


def _entities(prediction: Prediction) -> list[Entity]:
    return [Entity(entity.start, entity.end, entity.label) for entity in prediction.entities]
