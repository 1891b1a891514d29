"""Two forms of one model on the same rows: torch against ONNX, float32 against int8."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import nn

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import as_tagged, row_of
from assay.models.scores import entity_scores, sentence_scores
from assay.recipes.recipe import Head
from assay.serving.bundle import BundleManifest
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText, pad
from assay.serving.engine import Engine, Prediction, Row

ROWS_A_BATCH = 16


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference of logits, whether labels and entities are the same, and over how many rows."""

    max_difference: float
    predictions_equal: bool
    rows: int


class Int8Comparison(BaseModel):
    """F1 of each head with float32 and with int8 weights, on validation rows, and by how much it falls."""

    model_config = ConfigDict(frozen=True)

    f1_fp32: dict[Head, float]
    f1_int8: dict[Head, float]
    drop: dict[Head, float]
    rows: int


def compare_with_torch(network: nn.Module, engine: Engine, rows: Sequence[Row]) -> Parity:
    """Run torch and the engine's graph on the same batches, in the order of the rows, so that lengths differ."""
    encoded = engine.encode(rows)
    largest, equal = 0.0, True
    for begin in range(0, len(encoded), ROWS_A_BATCH):
        batch = encoded[begin : begin + ROWS_A_BATCH]
        torch_logits, onnx_logits = _torch_logits(network, batch, engine.manifest), engine.logits(batch)
        for index, text in enumerate(batch):
            ours, theirs = _row_logits(onnx_logits, index, text), _row_logits(torch_logits, index, text)
            largest = max([largest, *(float(np.abs(ours[head] - theirs[head]).max()) for head in ours)])
            equal &= _same(engine.answer(text, ours), engine.answer(text, theirs))
    return Parity(largest, equal, len(encoded))


def compare_precisions(fp32: Engine, int8: Engine, rows: Sequence[Example]) -> Int8Comparison:
    """Score both on the labelled rows."""
    before, after = f1_scores(fp32, rows), f1_scores(int8, rows)
    drop = {head: round(before[head] - after[head], 6) for head in before}
    return Int8Comparison(f1_fp32=before, f1_int8=after, drop=drop, rows=len(rows))


def f1_scores(engine: Engine, rows: Sequence[Example]) -> dict[Head, float]:
    """Macro-F1 of the sentence head, strict entity F1 of the token head; a head with nothing to find is left out."""
    answers = engine.predict([row_of(row, engine.manifest.pair) for row in rows])
    scores: dict[Head, float] = {}
    pairs = list(zip(as_tagged(engine, rows), answers, strict=True))
    labels = [(row.label, answer.label or "") for row, answer in pairs if row.label is not None]
    if engine.labels and labels:
        gold, predicted = zip(*labels, strict=True)
        scores["sentence"] = sentence_scores(gold, predicted, engine.labels).macro_f1
    entities = [(row.entities, _entities(answer)) for row, answer in pairs if row.entities is not None]
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
    """Logits of one row without its padding, on which nothing rests."""
    own = {head: values[index] for head, values in logits.items()}
    return own | {"tokens": own["tokens"][: len(text)]} if "tokens" in own else own


def _same(one: Prediction, other: Prediction) -> bool:
    return one.label == other.label and _entities(one) == _entities(other)


def _entities(answer: Prediction) -> list[Entity]:
    return [Entity(entity.start, entity.end, entity.label) for entity in answer.entities]
