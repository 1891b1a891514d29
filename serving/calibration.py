"""Calibration of confidences: of the predictions made with 80 %, 80 % are to be right; no prediction changes.

Class probabilities are sharpened or flattened by a temperature (Guo et al. 2017, "On calibration of modern neural
networks"). An entity has one confidence, that its span and type are right, whose log-odds are scaled and shifted (Platt
1999). Both are fitted on validation rows, for each precision that a bundle ships.
"""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

# Confidences of 0 and 1 have no log-odds.
SMALLEST = 1e-7


class Calibration(BaseModel):
    """How the confidences of a model are corrected; the defaults correct nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    temperature: float = Field(1.0, gt=0, description="Class probabilities to the power of 1 / temperature")
    entity_slope: float = Field(1.0, gt=0, description="Factor on the log-odds of an entity's confidence")
    entity_offset: float = Field(0.0, description="Added to the log-odds of an entity's confidence")

    def probabilities(self, probabilities: Floats) -> Doubles:
        """Return calibrated class probabilities (… x classes); their order stays."""
        return _sharpened(probabilities, 1 / self.temperature)

    def uncalibrated_probabilities(self, probabilities: Floats) -> Doubles:
        """Return the probabilities before their calibration."""
        return _sharpened(probabilities, self.temperature)

    def entity_confidence(self, score: Floats) -> Doubles:
        """Return the probability that span and type of an entity are right, from the mean probability of its tags."""
        return _from_log_odds(self.entity_slope * log_odds(score) + self.entity_offset)

    def uncalibrated_entity_confidence(self, confidence: Floats) -> Doubles:
        """Return the mean probability of the tags before its calibration."""
        return _from_log_odds((log_odds(confidence) - self.entity_offset) / self.entity_slope)


UNCALIBRATED = Calibration()


def log_odds(probability: Floats) -> Doubles:
    """Return the logarithm of p / (1 - p); probabilities next to 0 and 1 are moved away from them."""
    inside = np.clip(np.asarray(probability, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    odds: Doubles = np.log(inside / (1 - inside))
    return odds


def _from_log_odds(odds: Doubles) -> Doubles:
    probability: Doubles = 1 / (1 + np.exp(-odds))
    return probability


def _sharpened(probabilities: Floats, power: float) -> Doubles:
    powers = np.asarray(probabilities, dtype=np.float64) ** power
    normalised: Doubles = powers / powers.sum(axis=-1, keepdims=True)
    return normalised
