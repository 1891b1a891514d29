"""The labels head of the network: alone as the class of transformers, beside others, with adapters, and its loss."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForSequenceClassification

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.models.adapters import add_adapters, merge_adapters
from assay.models.crf import IGNORED
from assay.models.dataset import LabelSet
from assay.models.loss import HeadsLoss, balanced_positive_weights
from assay.models.network import build_network, load_network
from assay.models.preparation import label_set_of
from assay.recipes.recipe import Head, Lora, ModelSection, Scratch

IDS = torch.tensor([[2, 7, 8, 9, 3], [2, 11, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
def test_network_with_a_labels_head_alone_is_a_multi_label_model_of_transformers(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    network = build_network(ModelSection(encoder=str(folder), heads=["labels"]), 0, 0, 4).eval()
    network.name_labels(["a", "b", "c", "d"])
    network.save(tmp_path)
    ours = load_network(tmp_path, 0, 0, 4)(IDS, MASK)
    theirs: Any = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert list(ours) == ["labels"]
    torch.testing.assert_close(ours["labels"], theirs(input_ids=IDS, attention_mask=MASK).logits)
    assert theirs.config.problem_type == "multi_label_classification"
    assert theirs.config.id2label[3] == "d"


@pytest.mark.parametrize("encoder", ["bert", "deberta"])
@pytest.mark.parametrize("heads", [["labels", "tokens"], ["sentence", "labels"], ["sentence", "labels", "tokens"]])
def test_network_with_labels_beside_other_heads_trains_with_adapters_and_loads_again(
    request: pytest.FixtureRequest, tmp_path: Path, encoder: str, heads: list[Head]
) -> None:
    folder = request.getfixturevalue(f"tiny_{encoder}_folder")
    sizes = [3 if "sentence" in heads else 0, 5 if "tokens" in heads else 0, 4]
    network = build_network(ModelSection(encoder=str(folder), heads=heads), *sizes).eval()
    add_adapters(network, Lora(r=2))
    before = network(IDS, MASK)
    assert set(before) == set(heads)
    assert before["labels"].shape == (2, 4)
    merge_adapters(network)
    network.save(tmp_path)
    for head, logits in load_network(tmp_path, *sizes)(IDS, MASK).items():
        torch.testing.assert_close(logits, before[head], atol=1e-5, rtol=0)


def test_heads_loss_of_labels_is_the_binary_cross_entropy_of_labelled_rows() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3)
    labels = torch.tensor([[1, 0, 1], [0, 0, 0], [IGNORED] * 3, [0, 1, 1]])
    weights = torch.tensor([1.0, 5.0, 0.5])
    known = [0, 1, 3]
    ours = HeadsLoss(None, positive_weights=weights)({"labels": logits}, {"labels": labels})
    theirs = functional.binary_cross_entropy_with_logits(logits[known], labels[known].float(), pos_weight=weights)
    torch.testing.assert_close(ours, theirs)
    # A row of weight two counts as if it stood there twice.
    twice = HeadsLoss(None)({"labels": logits[[0, 1, 3, 3]]}, {"labels": labels[[0, 1, 3, 3]]})
    weighted = HeadsLoss(None)({"labels": logits}, {"labels": labels, "weights": torch.tensor([1.0, 1, 1, 2])})
    torch.testing.assert_close(weighted, twice)
    nothing = HeadsLoss(None)({"labels": logits}, {"labels": torch.full((4, 3), IGNORED)})
    assert nothing.item() == 0


def test_balanced_positive_weights_are_rows_without_a_label_per_row_with_it() -> None:
    rows = [np.array(row, dtype=np.int32) for row in ([1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0], [IGNORED] * 3)]
    assert balanced_positive_weights(rows).tolist() == pytest.approx([1 / 3, 4.0, 3.0])


def test_label_set_numbers_row_labels_and_refuses_unknown_ones() -> None:
    model = ModelSection(scratch=Scratch(), heads=["labels"])
    rows = [Example("1", "a", labels=("x", "y")), Example("2", "b", labels=()), Example("3", "c")]
    label_set = label_set_of(rows, model)
    assert label_set == LabelSet([], [], ["x", "y"])
    assert [label_set.applied(row) for row in rows] == [[1, 1], [0, 0], [IGNORED] * 2]
    with pytest.raises(AssayError, match="row '4' has the label 'z', which no training row has"):
        label_set.applied(Example("4", "d", labels=("z",)))
    with pytest.raises(AssayError, match="the training rows have no label"):
        label_set_of(rows[1:], model)
