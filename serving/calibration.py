"""Calibration of confidences: of the predictions made with 80 %, 80 % are to be right; no prediction changes.

Class probabilities are sharpened or flattened by a temperature (Guo et al. 2017, "On calibration of modern neural
networks"). An entity has one confidence, that its span and type are right, whose log-odds are scaled and shifted (Platt
1999). Both are fitted on validation rows, for each precision that a bundle ships. No confidence is higher than these
rows can show: as in Laplace's rule of succession, n rows without an error leave a doubt of 1 / (n + 2).
"""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

# Confidences of 0 and 1 have no log-odds.
SMALLEST = 1e-7


class LabelCalibration(BaseModel):
    """How the probability of each row label is corrected: its log-odds are scaled and shifted (Platt 1999)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slopes: list[Annotated[float, Field(gt=0)]] = Field(description="Factor on the log-odds of each label")
    offsets: list[float] = Field(description="Added to the log-odds of each label")
    doubt: float = Field(0.0, ge=0, lt=1, description="Share of each probability that is spread evenly")

    def probabilities(self, probabilities: Floats) -> Doubles:
        """Return calibrated probabilities (… x labels); their order stays within each label."""
        confidence = _logistic(np.array(self.slopes) * log_odds(probabilities) + np.array(self.offsets))
        return (1 - self.doubt) * confidence + self.doubt / 2

    def uncalibrated_probabilities(self, probabilities: Floats) -> Doubles:
        """Return the probabilities before their calibration."""
        without_doubt = (np.asarray(probabilities, dtype=np.float64) - self.doubt / 2) / (1 - self.doubt)
        return _logistic((log_odds(without_doubt) - np.array(self.offsets)) / np.array(self.slopes))

    def uncalibrated_thresholds(self, thresholds: Floats) -> Doubles:
        """Return the thresholds that the same predictions reach before their calibration.

        Args:
            thresholds: threshold of each label on its calibrated probability.
        """
        without_doubt = (np.asarray(thresholds, dtype=np.float64) - self.doubt / 2) / (1 - self.doubt)
        # Exact also next to 0, where calibrated probabilities of a rare label may lie.
        inside = np.clip(without_doubt, np.finfo(np.float64).tiny, 1 - np.finfo(np.float64).epsneg)
        odds = (np.log(inside) - np.log1p(-inside) - np.array(self.offsets)) / np.array(self.slopes)
        reached: Doubles = np.where(without_doubt <= 0, 0.0, _logistic(odds))
        return reached


class Calibration(BaseModel):
    """How the confidences of a model are corrected; the defaults correct nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(1.0, gt=0, description="Class probabilities to the power of 1 / temperature")
    entity_slope: float = Field(1.0, gt=0, description="Factor on the log-odds of an entity's confidence")
    entity_offset: float = Field(0.0, description="Added to the log-odds of an entity's confidence")
    labels: LabelCalibration | None = Field(None, description="Of the labels head; None corrects nothing")
    doubt: float = Field(0.0, ge=0, lt=1, description="Share of the class probabilities that is spread evenly")
    entity_doubt: float = Field(0.0, ge=0, lt=1, description="The same of an entity's confidence, right or wrong")

    def probabilities(self, probabilities: Floats) -> Doubles:
        """Return calibrated class probabilities (… x classes); their order stays."""
        sharpened = _sharpened(probabilities, 1 / self.temperature)
        calibrated: Doubles = (1 - self.doubt) * sharpened + self.doubt / sharpened.shape[-1]
        return calibrated

    def uncalibrated_probabilities(self, probabilities: Floats) -> Doubles:
        """Return the probabilities before their calibration."""
        classes = np.shape(probabilities)[-1]
        sharpened = (np.asarray(probabilities, dtype=np.float64) - self.doubt / classes) / (1 - self.doubt)
        return _sharpened(np.maximum(sharpened, 0), self.temperature)

    def label_probabilities(self, probabilities: Floats) -> Doubles:
        """Return calibrated probabilities of the row labels (… x labels)."""
        values = np.asarray(probabilities, dtype=np.float64)
        return values if self.labels is None else self.labels.probabilities(values)

    def uncalibrated_label_probabilities(self, probabilities: Floats) -> Doubles:
        """Return the probabilities of the row labels before their calibration."""
        values = np.asarray(probabilities, dtype=np.float64)
        return values if self.labels is None else self.labels.uncalibrated_probabilities(values)

    def entity_confidence(self, score: Floats) -> Doubles:
        """Return the probability that span and type of an entity are right, from the mean probability of its tags."""
        confidence = _logistic(self.entity_slope * log_odds(score) + self.entity_offset)
        return (1 - self.entity_doubt) * confidence + self.entity_doubt / 2

    def uncalibrated_entity_confidence(self, confidence: Floats) -> Doubles:
        """Return the mean probability of the tags before its calibration."""
        without_doubt = (np.asarray(confidence, dtype=np.float64) - self.entity_doubt / 2) / (1 - self.entity_doubt)
        return _logistic((log_odds(without_doubt) - self.entity_offset) / self.entity_slope)


UNCALIBRATED = Calibration()


def log_odds(probability: Floats) -> Doubles:
    """Return the logarithm of p / (1 - p); probabilities next to 0 and 1 are moved away from them."""
    inside = np.clip(np.asarray(probability, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    odds: Doubles = np.log(inside / (1 - inside))
    return odds


def _logistic(odds: Doubles) -> Doubles:
    # A steep line leads to log-odds whose exponential overflows.
    decayed = np.exp(-np.abs(odds))
    probability: Doubles = np.where(odds >= 0, 1 / (1 + decayed), decayed / (1 + decayed))
    return probability


def _sharpened(probabilities: Floats, power: float) -> Doubles:
    powers = np.asarray(probabilities, dtype=np.float64) ** power
    normalised: Doubles = powers / powers.sum(axis=-1, keepdims=True)
    return normalised
