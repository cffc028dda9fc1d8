"""Where review and decline begin: where payments cost least, of what costs are stated to be, within what is allowed.

A fraud that is approved costs its amount. One that is declined or reviewed costs nothing more; every review costs a fixed
sum, and so does a legitimate payment that is declined. Costs are per 1,000 payments, in the dataset's currency.
"""

from dataclasses import dataclass

import numpy as np

CANDIDATES = 500
CURVE_POINTS = 60


@dataclass(frozen=True)
class Costs:
    review: float  # of looking at one payment
    insult: float  # of declining one legitimate payment
    max_decline_rate: float  # share of all payments
    max_review_rate: float


class Ranked:
    """Sums over the payments from the greatest score down to each candidate: the payments of one score stay together."""

    def __init__(self, scores: np.ndarray, is_fraud: np.ndarray, amounts: np.ndarray):
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) + 1
        ends = ends[np.unique(np.geomspace(1, len(ends), CANDIDATES).astype(int) - 1)]
        self.payments = len(scores)
        self.alerted = ends
        self.thresholds = ranked[ends - 1]
        self.frauds = np.cumsum(is_fraud[order])[ends - 1]
        self.legitimate = ends - self.frauds
        self.stopped = np.cumsum(np.where(is_fraud, amounts, 0)[order].astype(np.float64))[ends - 1]
        self.fraud_count = int(is_fraud.sum())
        self.fraud_amount = float(amounts[is_fraud].sum(dtype=np.float64))


def cheapest(ranked: Ranked, costs: Costs) -> tuple[float, float]:
    """@returns the thresholds of review and of decline; the first may equal the second: nothing is reviewed"""
    declining = costs.insult * ranked.legitimate - costs.review * ranked.alerted
    alerting = costs.review * ranked.alerted - ranked.stopped
    total = declining[:, None] + alerting[None, :]
    reviewed = ranked.alerted[None, :] - ranked.alerted[:, None]
    allowed = (reviewed >= 0) & (reviewed <= costs.max_review_rate * ranked.payments)
    allowed &= (ranked.alerted <= costs.max_decline_rate * ranked.payments)[:, None]
    allowed[0, 0] = True  # the very greatest score may always be declined
    decline, review = np.unravel_index(np.where(allowed, total, np.inf).argmin(), total.shape)
    return float(ranked.thresholds[review]), float(ranked.thresholds[decline])


def curve(ranked: Ranked, costs: Costs) -> list[dict]:
    """What it would cost to decline, or to review, everything from each of some thresholds on."""
    chosen = np.unique(np.linspace(0, len(ranked.alerted) - 1, CURVE_POINTS).astype(int))
    per_thousand = 1000 / ranked.payments
    lost = ranked.fraud_amount - ranked.stopped
    return [
        {
            "threshold": float(ranked.thresholds[at]),
            "share": readable(ranked.alerted[at] / ranked.payments),
            "recall": readable(ranked.frauds[at] / ranked.fraud_count),
            "false_positive_rate": readable(ranked.legitimate[at] / (ranked.payments - ranked.fraud_count)),
            "fraud_amount_stopped": readable(ranked.stopped[at] / ranked.fraud_amount),
            "cost_declining": readable(per_thousand * (lost[at] + costs.insult * ranked.legitimate[at])),
            "cost_reviewing": readable(per_thousand * (lost[at] + costs.review * ranked.alerted[at])),
        }
        for at in chosen
    ]


def cost_at(scores, is_fraud, amounts, review: float, decline: float, costs: Costs) -> dict:
    """Per 1,000 payments, beside what approving everything would cost."""
    per_thousand = 1000 / len(scores)
    declined, reviewed = scores >= decline, (scores >= review) & (scores < decline)
    parts = {
        "fraud_lost": amounts[is_fraud & ~declined & ~reviewed].sum(dtype=np.float64),
        "reviews": costs.review * reviewed.sum(),
        "insults": costs.insult * (declined & ~is_fraud).sum(),
    }
    everything = amounts[is_fraud].sum(dtype=np.float64)
    rounded = {name: readable(per_thousand * part) for name, part in parts.items()}
    return rounded | {"total": readable(per_thousand * sum(parts.values())), "approving_all": readable(per_thousand * everything),
                      "declined_share": readable(declined.mean()), "reviewed_share": readable(reviewed.mean())}


def readable(value: float) -> float:
    return round(float(value), 5)
