import numpy as np
import pytest
import torch
from torch.nn import functional

from assay.models.crf import IGNORED, LinearChainCrf
from assay.models.loss import HeadsLoss, balanced_weights


def test_heads_loss_averages_over_labelled_positions() -> None:
    torch.manual_seed(0)
    logits = {"sentence": torch.randn(3, 4), "tokens": torch.randn(3, 5, 2)}
    labels = {"sentence": torch.tensor([1, 3, IGNORED]), "tokens": torch.randint(0, 2, (3, 5))}
    labels["tokens"][:, 2:] = IGNORED
    loss = HeadsLoss(None, tokens_weight=0.5)(logits, labels)
    sentence = functional.cross_entropy(logits["sentence"][:2], labels["sentence"][:2])
    tokens = functional.cross_entropy(logits["tokens"][:, :2].flatten(0, 1), labels["tokens"][:, :2].flatten())
    torch.testing.assert_close(loss, sentence + 0.5 * tokens)


def test_heads_loss_weights_and_smoothing_equal_torch() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3), torch.tensor([0, 0, 0, 1, 1, 2])
    weights = balanced_weights(labels.numpy().astype(np.int32), 3)
    torch.testing.assert_close(weights, torch.tensor([6 / 9, 6 / 6, 6 / 3]))
    ours = HeadsLoss(None, class_weights=weights, label_smoothing=0.1)({"sentence": logits}, {"sentence": labels})
    torch.testing.assert_close(ours, functional.cross_entropy(logits, labels, weights, label_smoothing=0.1))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 0, 2], [4 / 6, 1, 4 / 2]),  # as without the class 1, of which there are no rows
        ([0, 2, 0, IGNORED, 2, 2, 0, 2], [7 / 6, 1, 7 / 8]),
        ([IGNORED], [1, 1, 1]),
    ],
)
def test_balanced_weights_have_a_mean_of_one_over_the_rows_of_classes_that_have_any(
    labels: list[int], expected: list[float]
) -> None:
    numbers = np.array(labels, dtype=np.int32)
    weights = balanced_weights(numbers, 3)
    torch.testing.assert_close(weights, torch.tensor(expected, dtype=torch.float32))
    if (labelled := numbers[numbers != IGNORED]).size:
        assert weights[labelled].mean().item() == pytest.approx(1)


def test_heads_loss_of_a_batch_without_labels_is_zero() -> None:
    labels = {"sentence": torch.full((2,), IGNORED), "tokens": torch.full((2, 3), IGNORED)}
    logits = {"sentence": torch.randn(2, 4), "tokens": torch.randn(2, 3, 5)}
    assert HeadsLoss(None, class_weights=torch.ones(4))(logits, labels).item() == 0


@pytest.mark.parametrize("crf", [None, LinearChainCrf(2)], ids=["tags by themselves", "crf"])
def test_heads_loss_counts_a_row_of_weight_two_twice(crf: LinearChainCrf | None) -> None:
    # given a batch of three rows, one of which has no class and fewer words
    torch.manual_seed(0)
    logits = {"sentence": torch.randn(3, 4), "tokens": torch.randn(3, 5, 2)}
    labels = {"sentence": torch.tensor([1, 3, IGNORED]), "tokens": torch.randint(0, 2, (3, 5))}
    labels["tokens"][2, 3:] = IGNORED
    loss = HeadsLoss(crf, tokens_weight=0.5, label_smoothing=0.1, class_weights=torch.tensor([1.0, 2.0, 1.0, 0.5]))

    # when a row weighs two, or the batch holds it twice
    for row in range(3):
        weights = torch.ones(3)
        weights[row] = 2
        weighted = loss(logits, {**labels, "weights": weights})
        twice = [0, 1, 2, row]
        repeated = loss(
            {name: values[twice] for name, values in logits.items()},
            {name: values[twice] for name, values in labels.items()},
        )

        # then it is the same
        torch.testing.assert_close(weighted, repeated)
    torch.testing.assert_close(loss(logits, {**labels, "weights": torch.full((3,), 3.0)}), loss(logits, labels))
