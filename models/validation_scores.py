"""Figures of the heads on rows whose answers are known: what decides which epoch is kept."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from assay.corpus.example import Entity, Example
from assay.models import distributed as processes
from assay.models.batching import Collator, ordered_batches
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.network import Network
from assay.models.scores import entity_scores, frame_accuracy, sentence_scores
from assay.serving.bundle import Crf
from assay.serving.decoding import Transitions, spans

ROWS_A_BATCH = 64
LabelledPrediction = tuple[str | None, list[Entity]]


def crf_scores(network: Network) -> Crf | None:
    """The scores of the network's CRF, in the form that travels in the bundle; None without one."""
    if network.crf is None:
        return None
    scores = {name: value.float().cpu().tolist() for name, value in network.crf.state_dict().items()}
    return Crf.model_validate(scores)


def predict(network: Network, rows: EncodedRows, collate: Collator, label_set: LabelSet) -> list[LabelledPrediction]:
    """Class and entities of every row, in the order of the rows; several processes share the work."""
    answers: dict[int, LabelledPrediction] = {}
    crf = crf_scores(network)
    transitions = None if crf is None else crf.transitions()
    for indices, logits in _logits(network, rows, collate):
        for place, row in enumerate(indices):
            label = label_set.labels[int(logits["sentence"][place].argmax())] if "sentence" in logits else None
            entities: list[Entity] = []
            if "tokens" in logits:
                emissions = logits["tokens"][place, rows.get("units", row)]
                entities = spans(_tags(emissions, transitions, label_set.tags), rows.units(row))
            answers[row] = (label, entities)
    everyone = {row: answer for part in processes.gathered(answers) for row, answer in part.items()}
    return [everyone[row] for row in range(len(rows))]


def metrics(rows: Sequence[Example], answers: Sequence[LabelledPrediction], label_set: LabelSet) -> dict[str, float]:
    """Flat figures of each head and, as `score`, the mean of the heads' F1."""
    found: dict[str, float] = {}
    pairs = list(zip(rows, answers, strict=True))
    heads = []
    if label_set.labels:
        known = [(row.label, label) for row, (label, _) in pairs if row.label is not None and label is not None]
        sentence = sentence_scores([gold for gold, _ in known], [given for _, given in known], label_set.labels)
        found |= {"sentence.macro_f1": sentence.macro_f1, "sentence.accuracy": sentence.accuracy}
        found["sentence.predicted_classes"] = len({given for _, given in known})
        heads.append(sentence.macro_f1)
    if label_set.tags:
        marked = [(row.entities, entities) for row, (_, entities) in pairs if row.entities is not None]
        tokens = entity_scores([gold for gold, _ in marked], [given for _, given in marked]).overall
        found |= {"tokens.f1": tokens.f1, "tokens.precision": tokens.precision, "tokens.recall": tokens.recall}
        found["tokens.predicted_entities"] = sum(len(given) for _, given in marked)
        heads.append(tokens.f1)
    if label_set.labels and label_set.tags:
        found["frame_accuracy"] = _frame_accuracy(pairs)
    return found | {"score": sum(heads) / len(heads)}


def _frame_accuracy(pairs: Sequence[tuple[Example, LabelledPrediction]]) -> float:
    full = [
        (row.label, label, row.entities, entities)
        for row, (label, entities) in pairs
        if row.label is not None and row.entities is not None and label is not None
    ]
    columns = zip(*full, strict=True) if full else ((), (), (), ())
    labels, given_labels, gold, given = columns
    return frame_accuracy(labels, given_labels, gold, given)


@torch.no_grad()
def _logits(
    network: Network, rows: EncodedRows, collate: Collator
) -> Iterator[tuple[list[int], dict[str, npt.NDArray[np.float32]]]]:
    was_training = network.training
    device = next(network.parameters()).device
    network.eval()
    batches = ordered_batches(rows, ROWS_A_BATCH)
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
