"""Comparison of the exported graph with torch on the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from assay.serving.bundle import BundleManifest
from assay.serving.decoding import Floats
from assay.serving.encoding import EncodedText, pad
from assay.serving.engine import Engine, Prediction, Row

ROWS_PER_BATCH = 16
# A label whose probability is as close as this to its threshold may apply by the last digits of a sum.
AT_THRESHOLD = 1e-3


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest difference of logits, equality of the decoded predictions, and number of rows."""

    max_difference: float
    predictions_equal: bool
    rows: int


def compare_with_torch(network: nn.Module, engine: Engine, rows: Sequence[Row]) -> Parity:
    """Run torch and the engine's graph on the same batches of rows in their order, so that lengths differ.

    Labels apply from the thresholds of the engine.
    """
    encoded = engine.encode(rows)
    largest, equal = 0.0, True
    for begin in range(0, len(encoded), ROWS_PER_BATCH):
        batch = encoded[begin : begin + ROWS_PER_BATCH]
        torch_logits, onnx_logits = _torch_logits(network, batch, engine.manifest), engine.logits(batch)
        for index, text in enumerate(batch):
            onnx_row, torch_row = _row_logits(onnx_logits, index, text), _row_logits(torch_logits, index, text)
            largest = max([largest, *(float(np.abs(onnx_row[head] - torch_row[head]).max()) for head in onnx_row)])
            exported, trained = (engine.predict_from_logits(text, row) for row in (onnx_row, torch_row))
            equal &= same_prediction(exported, trained, engine)
    return Parity(largest, equal, len(encoded))


def same_prediction(first: Prediction, second: Prediction, engine: Engine) -> bool:
    """Return whether two predictions have the same class, entities, and labels, but for those at their threshold."""
    labels = [{one.label for one in prediction.labels} for prediction in (first, second)]
    differing = (labels[0] ^ labels[1]) - engine.labels_at_threshold(first.label_probabilities, AT_THRESHOLD)
    entities = [[(one.start, one.end, one.label) for one in prediction.entities] for prediction in (first, second)]
    return first.label == second.label and not differing and entities[0] == entities[1]


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
