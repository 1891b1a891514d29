"""Metrics of the heads on validation rows, which decide the epoch that is kept."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from assay.corpus.example import Entity, Example
from assay.models import distributed as processes
from assay.models.batching import Collator, ordered_batches
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.label_thresholds import applied_labels, choose_thresholds
from assay.models.network import Network
from assay.models.scores import LabelScores, entity_scores, frame_accuracy, label_scores, sentence_scores
from assay.serving.bundle import Crf
from assay.serving.decoding import Transitions, sigmoid, spans

ROWS_PER_BATCH = 64
Floats = npt.NDArray[np.float32]
# The class, the entities, and the probability of each row label.
DecodedRow = tuple[str | None, list[Entity], Floats]
_NO_LABELS: Floats = np.zeros(0, dtype=np.float32)


def crf_scores(network: Network) -> Crf | None:
    """Return the scores of the network's CRF in the format of the bundle; None without a CRF."""
    if network.crf is None:
        return None
    scores = {name: value.float().cpu().tolist() for name, value in network.crf.state_dict().items()}
    return Crf.model_validate(scores)


def predict(network: Network, rows: EncodedRows, collate: Collator, label_set: LabelSet) -> list[DecodedRow]:
    """Return class, entities and probabilities of the row labels of every row, in order; processes share the work."""
    predictions: dict[int, DecodedRow] = {}
    crf = crf_scores(network)
    transitions = None if crf is None else crf.transitions()
    for indices, logits in _logits(network, rows, collate):
        for position, row in enumerate(indices):
            label = label_set.labels[int(logits["sentence"][position].argmax())] if "sentence" in logits else None
            entities: list[Entity] = []
            if "tokens" in logits:
                emissions = logits["tokens"][position, rows.get("word_ids", row)]
                entities = spans(_tags(emissions, transitions, label_set.tags), rows.words(row))
            probabilities = sigmoid(logits["labels"][position]) if "labels" in logits else _NO_LABELS
            predictions[row] = (label, entities, probabilities)
    gathered = {row: prediction for part in processes.gathered(predictions) for row, prediction in part.items()}
    return [gathered[row] for row in range(len(rows))]


def metrics(rows: Sequence[Example], predictions: Sequence[DecodedRow], label_set: LabelSet) -> dict[str, float]:
    """Return flat metrics of each head and, as `score`, the mean F1 of the heads."""
    values: dict[str, float] = {}
    pairs = list(zip(rows, predictions, strict=True))
    heads = []
    if label_set.labels:
        labelled = [(row.label, label) for row, (label, *_) in pairs if row.label is not None and label is not None]
        sentence = sentence_scores(
            [gold for gold, _ in labelled], [predicted for _, predicted in labelled], label_set.labels
        )
        values |= {"sentence.macro_f1": sentence.macro_f1, "sentence.accuracy": sentence.accuracy}
        values["sentence.predicted_classes"] = len({predicted for _, predicted in labelled})
        heads.append(sentence.macro_f1)
    if label_set.row_labels:
        several = _label_scores(pairs, label_set.row_labels)
        values |= {"labels.macro_f1": several.macro_f1, "labels.micro_f1": several.micro_f1}
        values["labels.subset_accuracy"] = several.subset_accuracy
        heads.append(several.macro_f1)
    if label_set.tags:
        with_entities = [(row.entities, entities) for row, (_, entities, _) in pairs if row.entities is not None]
        tokens = entity_scores(
            [gold for gold, _ in with_entities], [predicted for _, predicted in with_entities]
        ).overall
        values |= {"tokens.f1": tokens.f1, "tokens.precision": tokens.precision, "tokens.recall": tokens.recall}
        values["tokens.predicted_entities"] = sum(len(predicted) for _, predicted in with_entities)
        heads.append(tokens.f1)
    if label_set.labels and label_set.tags:
        values["frame_accuracy"] = _frame_accuracy(pairs)
    return values | {"score": sum(heads) / len(heads)}


def _label_scores(pairs: Sequence[tuple[Example, DecodedRow]], names: list[str]) -> LabelScores:
    """Score the labels with the thresholds that suit these rows best, as the export chooses them."""
    labelled = [(row.labels, probabilities) for row, (_, _, probabilities) in pairs if row.labels is not None]
    if not labelled:
        return label_scores([], [], names)
    gold = np.array([[name in labels for name in names] for labels, _ in labelled])
    probabilities = np.array([row for _, row in labelled])
    applied = applied_labels(probabilities, choose_thresholds(probabilities, gold))
    predicted = [[name for name, applies in zip(names, row, strict=True) if applies] for row in applied]
    return label_scores([labels for labels, _ in labelled], predicted, names)


def _frame_accuracy(pairs: Sequence[tuple[Example, DecodedRow]]) -> float:
    complete = [
        (row.label, label, row.entities, entities)
        for row, (label, entities, _) in pairs
        if row.label is not None and row.entities is not None and label is not None
    ]
    columns = zip(*complete, strict=True) if complete else ((), (), (), ())
    labels, predicted_labels, gold, predicted = columns
    return frame_accuracy(labels, predicted_labels, gold, predicted)


@torch.no_grad()
def _logits(
    network: Network, rows: EncodedRows, collate: Collator
) -> Iterator[tuple[list[int], dict[str, npt.NDArray[np.float32]]]]:
    was_training = network.training
    device = next(network.parameters()).device
    network.eval()
    batches = ordered_batches(rows, ROWS_PER_BATCH)
    for indices in itertools.islice(batches, processes.rank(), None, processes.count()):
        batch = {name: values.to(device) for name, values in collate(rows, indices).items()}
        logits = network(**{name: values for name, values in batch.items() if not name.startswith("labels_")})
        yield indices, {head: values.float().cpu().numpy() for head, values in logits.items()}
    network.train(was_training)


def _tags(emissions: npt.NDArray[np.float32], transitions: Transitions | None, tags: Sequence[str]) -> list[str]:
    if not len(emissions):
        return []
    path = emissions.argmax(axis=1) if transitions is None else transitions.best_path(emissions)
    return [tags[index] for index in path]
