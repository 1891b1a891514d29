from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from assay.evaluation.parity import ROWS_PER_BATCH, compare_with_torch
from assay.serving.engine import Engine, Row
from tests.bundles import build_bundle
from tests.evaluation.joint_rows import CLASSES, ENTITIES

ROWS = [Row(" ".join(["good apple"] * (number % 5 + 1))) for number in range(ROWS_PER_BATCH + 3)]


class _Twin(nn.Module):
    """The logits of an engine's graph as a torch module, moved by `shift`."""

    def __init__(self, engine: Engine, shift: dict[str, float]) -> None:
        super().__init__()
        self._engine = engine
        self._shift = shift

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        session = self._engine._session
        logits = session.run({"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()})
        moved = {head: torch.from_numpy(values).clone() for head, values in logits.items()}
        for head, shift in self._shift.items():
            moved[head][0, ..., -1] += shift  # the last class or tag of the first row
        return moved


@pytest.fixture
def engine(make_bundle: Any) -> Engine:
    return Engine(make_bundle(classes=CLASSES, entities=ENTITIES), threads=1)


def test_compare_with_torch_finds_no_difference_in_the_same_graph(engine: Engine) -> None:
    parity = compare_with_torch(_Twin(engine, {}), engine, ROWS)
    assert (parity.max_difference, parity.predictions_equal, parity.rows) == (0.0, True, len(ROWS))


@pytest.mark.parametrize("head", ["sentence", "tokens"])
def test_compare_with_torch_finds_one_row_with_other_logits(engine: Engine, head: str) -> None:
    small = compare_with_torch(_Twin(engine, {head: 0.25}), engine, ROWS)
    assert small.max_difference == pytest.approx(0.25)
    assert small.predictions_equal
    large = compare_with_torch(_Twin(engine, {head: 50.0}), engine, ROWS)
    assert large.max_difference == pytest.approx(50)
    assert large.predictions_equal is (head == "sentence")  # that row has the last class already


@pytest.mark.parametrize(
    ("threshold", "shift", "equal"),
    [
        (0.9, 0.5, False),  # from 0.88 to 0.92: across the threshold of the label, and not across 0.5
        (0.5, 0.5, True),
        (0.881, 0.01, True),  # from 0.8808 to 0.8818: next to the threshold, where rounding decides
        (0.881, 0.1, True),
        (0.885, 0.1, False),
    ],
)
def test_compare_with_torch_applies_labels_from_their_thresholds(
    tmp_path: Path, threshold: float, shift: float, equal: bool
) -> None:
    # given a label whose probability is 0.8808
    changes = {"label_thresholds": {"fp32": [threshold]}}
    bundle = build_bundle(tmp_path, {}, {}, row_labels={"bank": "money"}, changes=changes)
    engine = Engine(bundle, threads=1)
    # when torch computes a higher logit, then the labels differ if the threshold lies between
    parity = compare_with_torch(_Twin(engine, {"labels": shift}), engine, [Row("the bank")])
    assert parity.max_difference == pytest.approx(shift, abs=1e-5)
    assert parity.predictions_equal is equal
