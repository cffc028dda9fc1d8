"""From a model's scores to probabilities: rising straight lines between knots, as core/model/calibration.ts applies them."""

from dataclasses import dataclass

import numpy as np
from sklearn.isotonic import IsotonicRegression

# With more knots than frauds can bear, the lines follow chance.
KNOTS_MAX = 20
FRAUDS_A_KNOT = 10


@dataclass(frozen=True)
class Calibration:
    scores: np.ndarray  # float64, rising from 0 to 1
    probabilities: np.ndarray  # float64, rising from 0 to 1

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """@param scores float32 @returns float32; the same operations in the same order as in TypeScript"""
        exact = scores.astype(np.float64)
        slopes = np.diff(self.probabilities) / np.diff(self.scores)
        low = np.clip(np.searchsorted(self.scores, exact, side="right") - 1, 0, len(slopes) - 1)
        return (self.probabilities[low] + (exact - self.scores[low]) * slopes[low]).astype(np.float32)

    def card(self) -> dict:
        return {"scores": self.scores.tolist(), "probabilities": self.probabilities.tolist()}


def fit_calibration(scores: np.ndarray, is_fraud: np.ndarray) -> Calibration:
    """Mean score and share of fraud in bins of equally many frauds, brought into rising order (isotonic regression)."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(is_fraud[order])
    bins = max(1, min(KNOTS_MAX, found[-1] // FRAUDS_A_KNOT))
    bin_of = np.minimum((found - is_fraud[order]) * bins // found[-1], bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    means = np.bincount(bin_of, scores[order], minlength=bins) / np.maximum(counts, 1)
    rates = np.bincount(bin_of, is_fraud[order], minlength=bins) / np.maximum(counts, 1)
    kept = counts > 0
    fitted = IsotonicRegression().fit(means[kept], rates[kept], sample_weight=counts[kept])
    return rising(fitted.X_thresholds_, fitted.y_thresholds_)


def rising(scores: np.ndarray, probabilities: np.ndarray) -> Calibration:
    """Of knots that are level with the one before, the last; the ends are 0 and 1."""
    knots = [(0.0, 0.0)]
    for score, probability in sorted(zip(scores.tolist(), probabilities.tolist()), reverse=True):
        if 0 < score < 1 and 0 < probability < 1 and (len(knots) == 1 or probability < knots[-1][1] and score < knots[-1][0]):
            knots.append((score, probability))
    knots = sorted([*knots, (1.0, 1.0)])
    return Calibration(np.array([score for score, _ in knots]), np.array([probability for _, probability in knots]))
