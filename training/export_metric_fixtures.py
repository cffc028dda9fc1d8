"""Writes test/fixtures/quality.json: scores with ties and what scikit-learn measures on them (development only)."""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

RATES = (0.001, 0.005, 0.01, 0.02, 0.05)


def case(random: np.random.Generator, rows: int, fraud_share: float, decimals: int) -> dict:
    is_fraud = random.random(rows) < fraud_share
    is_fraud[:2] = [True, False]
    scores = np.round(np.clip(random.normal(0.3 + 0.3 * is_fraud, 0.15), 0, 1), decimals)
    false_positive_rates, recalls, _ = roc_curve(is_fraud, scores, drop_intermediate=False)
    return {
        "scores": scores.tolist(),
        "is_fraud": is_fraud.astype(int).tolist(),
        "auc": roc_auc_score(is_fraud, scores),
        "average_precision": average_precision_score(is_fraud, scores),
        "brier": brier_score_loss(is_fraud, scores),
        "rates": RATES,
        "recall_at": [float(recalls[false_positive_rates <= rate].max()) for rate in RATES],
    }


random = np.random.default_rng(5)
cases = [case(random, rows, share, decimals) for rows, share, decimals in ((400, 0.1, 2), (900, 0.03, 3), (30, 0.5, 1))]
path = Path(__file__).parent.parent / "test" / "fixtures" / "quality.json"
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
