from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from assay.corpus.cleaning import Cleaning
from assay.corpus.example import Entity, Example
from assay.models.batching import Collator
from assay.models.crf import LinearChainCrf
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.validation_scores import ROWS_PER_BATCH, DecodedRow, crf_scores, metrics, predict
from assay.serving.encoding import TextEncoder

LABELS = LabelSet(["down", "up"], ["O", "B-ORG", "I-ORG"])
ORG = Entity(0, 4, "ORG")


class _TokenVotes(nn.Module):
    """A network whose logits are looked up by token id: `up` for `play`, and a tag for each word."""

    def __init__(self, up: int, begin: int, inside: int, crf: LinearChainCrf | None = None) -> None:
        super().__init__()
        self.crf = crf
        self.sentence, self.tags = nn.Embedding(400, 2), nn.Embedding(400, 3)
        nn.init.zeros_(self.sentence.weight)
        nn.init.zeros_(self.tags.weight)
        with torch.no_grad():
            self.sentence.weight[:, 0] = 0.01
            self.sentence.weight[up, 1] = 9
            self.tags.weight[:, 0] = 1
            self.tags.weight[begin, 1] = 9
            self.tags.weight[inside, 2] = 9

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        weighed = self.sentence(input_ids) * attention_mask[..., None]
        return {"sentence": weighed.sum(1), "tokens": self.tags(input_ids)}


@pytest.fixture
def tokenizer(tiny_bert_folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny_bert_folder / "tokenizer.json"))


def network_of(tokenizer: Tokenizer, crf: LinearChainCrf | None = None) -> _TokenVotes:
    up, begin, inside = (tokenizer.encode(word, add_special_tokens=False).ids[0] for word in ("play", "jazz", "radio"))
    return _TokenVotes(up, begin, inside, crf)


def encoded(tmp_path: Path, tokenizer: Tokenizer, texts: list[str]) -> EncodedRows:
    rows = [Example(str(number), text, label="up", entities=()) for number, text in enumerate(texts)]
    return EncodedRows.write(tmp_path / "rows.arrow", rows, TextEncoder(tokenizer, 32, Cleaning()), LABELS)


NONE = np.zeros(0, dtype=np.float32)  # of a model without a labels head
COLLATE = Collator(0, type_ids=False, sentence=True, tokens=True)


def test_predict_returns_rows_in_order_whatever_their_batches(tmp_path: Path, tokenizer: Tokenizer) -> None:
    texts = ["play jazz radio", "book", "play " * 9 + "jazz"] * ROWS_PER_BATCH
    network = network_of(tokenizer).train()
    predictions = predict(network, encoded(tmp_path, tokenizer, texts), COLLATE, LABELS)  # type: ignore[arg-type]
    decoded = [(label, entities) for label, entities, _ in predictions]
    assert decoded[:3] == [
        ("up", [Entity(5, 15, "ORG")]),
        ("down", []),
        ("up", [Entity(45, 49, "ORG")]),
    ]
    assert decoded == decoded[:3] * ROWS_PER_BATCH
    assert network.training  # as it was before


def test_predict_follows_the_crf_to_the_best_path(tmp_path: Path, tokenizer: Tokenizer) -> None:
    crf = LinearChainCrf(3)
    with torch.no_grad():
        for scores in (crf.start, crf.end, crf.between):
            scores.zero_()
        crf.between[1, 2] = -99  # never I- after B-
    rows = encoded(tmp_path, tokenizer, ["play jazz radio", ""])
    (_, entities, _), (_, nothing, _) = predict(network_of(tokenizer, crf), rows, COLLATE, LABELS)  # type: ignore[arg-type]
    assert entities != [Entity(5, 15, "ORG")]
    assert nothing == []  # a row without words


def test_crf_scores_are_those_of_the_network(tokenizer: Tokenizer) -> None:
    assert crf_scores(network_of(tokenizer)) is None  # type: ignore[arg-type]
    crf = LinearChainCrf(3)
    scores = crf_scores(network_of(tokenizer, crf))  # type: ignore[arg-type]
    assert scores is not None
    assert np.allclose(scores.between, crf.between.detach().numpy())


def test_metrics_score_is_the_mean_of_the_heads() -> None:
    rows = [Example("1", "Acme", label="up", entities=(ORG,)), Example("2", "Acme", label="down", entities=(ORG,))]
    values = metrics(rows, [("up", [ORG], NONE), ("up", [], NONE)], LABELS)
    assert values["sentence.accuracy"] == 0.5
    assert values["sentence.predicted_classes"] == 1
    assert (values["tokens.precision"], values["tokens.recall"]) == (1.0, 0.5)
    assert values["tokens.predicted_entities"] == 1
    assert values["frame_accuracy"] == 0.5
    assert values["score"] == pytest.approx((values["sentence.macro_f1"] + values["tokens.f1"]) / 2)


def test_metrics_leave_out_rows_without_labels_and_heads_that_are_missing() -> None:
    rows = [Example("1", "Acme", label="up"), Example("2", "Acme", entities=(ORG,))]
    predictions: list[DecodedRow] = [("up", [], NONE), ("down", [ORG], NONE)]
    both = metrics(rows, predictions, LABELS)
    assert (both["sentence.accuracy"], both["tokens.f1"], both["frame_accuracy"]) == (1.0, 1.0, 0.0)
    sentence = metrics(rows, predictions, LabelSet(["down", "up"], []))
    assert {name.partition(".")[0] for name in sentence} == {"sentence", "score"}
    tokens = metrics(rows, [(None, [], NONE), (None, [ORG], NONE)], LabelSet([], ["O", "B-ORG", "I-ORG"]))
    assert {name.partition(".")[0] for name in tokens} == {"tokens", "score"}
    assert tokens["score"] == 1.0


def test_metrics_of_labels_use_the_threshold_that_suits_the_rows_best() -> None:
    rows = [Example("1", "a", labels=("x",)), Example("2", "b", labels=()), Example("3", "c", labels=("x", "y"))]
    rows.append(Example("4", "d"))  # not labelled, so whatever it is predicted as counts for nothing
    scores = [[0.2, 0.4], [0.1, 0.3], [0.3, 0.6], [0.9, 0.9]]
    predictions: list[DecodedRow] = [(None, [], np.array(row, dtype=np.float32)) for row in scores]
    values = metrics(rows, predictions, LabelSet([], [], ["x", "y"]))
    assert values == {"labels.macro_f1": 1, "labels.micro_f1": 1, "labels.subset_accuracy": 1, "score": 1}
