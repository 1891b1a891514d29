import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from assay.models.label_thresholds import choose_thresholds
from assay.serving.calibration import UNCALIBRATED, Calibration, LabelCalibration, log_odds

SHARP = Calibration(temperature=2.5, entity_slope=0.5, entity_offset=-1.0, doubt=0.01, entity_doubt=0.02)


@given(arrays(np.float64, (5, 4), elements=st.floats(0.001, 1)), st.floats(0.1, 20))
def test_calibration_keeps_the_order_of_the_classes(weights: np.ndarray, temperature: float) -> None:
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    calibrated = Calibration(temperature=temperature).probabilities(probabilities)
    assert calibrated.sum(axis=1) == pytest.approx(np.ones(5))
    for before, after in zip(probabilities, calibrated, strict=True):
        assert after[before.argmax()] == after.max()


def test_calibration_of_certain_predictions_stays_finite() -> None:
    certain = np.array([[1.0, 0.0, 0.0]])
    assert SHARP.probabilities(certain)[0] == pytest.approx([0.99 + 0.01 / 3, 0.01 / 3, 0.01 / 3])
    confidences = SHARP.entity_confidence(np.array([0.0, 1.0]))
    assert np.isfinite(confidences).all()
    assert 0 < confidences[0] < confidences[1] < 1


def test_calibration_by_a_steep_line_stays_finite() -> None:
    steep = Calibration(entity_slope=200.0, labels=LabelCalibration(slopes=[200.0], offsets=[-5.0]))
    scores = np.array([0.0, 0.2, 0.5, 0.8, 1.0])
    assert (np.diff(steep.entity_confidence(scores)) >= 0).all()
    assert steep.label_probabilities(scores[:, None]).ravel()[[0, -1]].tolist() == [0.0, 1.0]


def test_calibration_can_be_undone() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05]])
    assert SHARP.uncalibrated_probabilities(SHARP.probabilities(probabilities)) == pytest.approx(probabilities)
    scores = np.array([0.2, 0.6, 0.999])
    assert SHARP.uncalibrated_entity_confidence(SHARP.entity_confidence(scores)) == pytest.approx(scores)


def test_calibration_that_was_never_fitted_changes_nothing() -> None:
    assert UNCALIBRATED.probabilities(np.array([0.25, 0.75])) == pytest.approx([0.25, 0.75])
    assert UNCALIBRATED.entity_confidence(np.array([0.9])) == pytest.approx([0.9])
    assert log_odds(np.array([0.5])) == pytest.approx([0])


@pytest.mark.parametrize("field", ["temperature", "entity_slope"])
def test_calibration_refuses_what_would_turn_the_order_round(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Calibration.model_validate({field: -1.0})


@pytest.mark.parametrize("slope", [0.0, -1.0, float("nan")])
def test_label_calibration_refuses_what_would_turn_the_order_round(slope: float) -> None:
    with pytest.raises(ValidationError, match="slopes"):
        LabelCalibration(slopes=[1.0, slope], offsets=[0.0, 0.0])


@given(
    arrays(np.float64, (20, 1), elements=st.integers(1, 999).map(lambda value: value / 1000)),
    arrays(np.bool_, (20, 1)),
    st.floats(0.05, 20),
    st.floats(-10, 10),
    st.sampled_from([0.0, 0.001, 0.1]),
)
def test_label_thresholds_reach_the_same_labels_before_calibration(
    probabilities: np.ndarray, gold: np.ndarray, slope: float, offset: float, doubt: float
) -> None:
    calibration = LabelCalibration(slopes=[slope], offsets=[offset], doubt=doubt)
    calibrated = calibration.probabilities(probabilities)
    thresholds = np.array(choose_thresholds(calibrated, gold))
    plain = calibration.uncalibrated_thresholds(thresholds)
    # but for those that rounding puts on the threshold
    clear = np.abs(calibrated - thresholds) > 1e-9
    assert ((probabilities >= plain) == (calibrated >= thresholds))[clear].all()
