"""Trains the small models of test/fixtures/ on synthetic payments, and writes them with their parity vectors: tree ensembles
in models/, with the attributions that the shap package gives to the same rows; what only ONNX Runtime can score in models-other/.

    python training/export_fixtures.py                     the fixtures
    python training/export_fixtures.py --large FOLDER      one forest of 100 trees of depth 10, for bench/scoring.ts

Requirements (in an environment of their own: shap is wanted for nothing else): shap==0.51.0 numpy==2.4.6 scikit-learn==1.9.1 lightgbm==4.7.0 xgboost-cpu==3.2.0 onnx==1.23.2 onnxruntime==1.30.0
skl2onnx==1.20.0 onnxmltools==1.16.0
"""

import argparse
import hashlib
import json
from pathlib import Path

import lightgbm
import numpy as np
import shap
import xgboost
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import export_onnx

SEED = 20240229
FEATURES = ["amount", "hour_of_day", "user_mean_amount", "terminal_risk", "user_count", "seconds_since_last"]
MISSING_SHARE = [0.0, 0.0, 0.1, 0.3, 0.05, 0.2]
FIXTURES = Path(__file__).parent.parent / "test" / "fixtures"
THRESHOLDS = {"fraud": 0.5, "review": 0.4, "decline": 0.8}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--large", type=Path, metavar="FOLDER")
    large = parser.parse_args().large
    if large is not None:
        forest = RandomForestClassifier(100, max_depth=10, random_state=SEED, n_jobs=1)
        write_model(large, forest, *payments(60_000, with_missing=True))
        return
    for name, (estimator, with_missing) in small_estimators().items():
        write_model(FIXTURES / "models" / name, estimator, *payments(4_000, with_missing=with_missing))
    write_model(FIXTURES / "models-other" / "logistic", logistic_regression(), *payments(4_000, with_missing=True))


def small_estimators() -> dict:
    """By fixture name: the estimator, and whether its library learns where missing values go."""
    return {
        "forest": (RandomForestClassifier(12, max_depth=6, random_state=SEED), True),
        "forest-deep": (RandomForestClassifier(2, max_depth=None, random_state=SEED), False),
        "gradient-boosting": (GradientBoostingClassifier(n_estimators=20, max_depth=4, random_state=SEED), False),
        "lightgbm": (lightgbm.LGBMClassifier(n_estimators=40, num_leaves=15, random_state=SEED, verbose=-1), True),
        "xgboost": (xgboost.XGBClassifier(n_estimators=40, max_depth=4, random_state=SEED), True),
    }


def logistic_regression() -> Pipeline:
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(random_state=SEED))


def payments(count: int, with_missing: bool) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic payments: fraud is a high amount for the user, a risky terminal, or a fast repetition at night."""
    random = np.random.default_rng(SEED)
    rows = np.column_stack(
        [
            random.lognormal(3.5, 1.0, count),
            random.integers(0, 24, count),
            random.lognormal(3.5, 0.5, count),
            random.beta(0.4, 8, count),
            random.poisson(4, count),
            random.exponential(20_000, count),
        ]
    ).astype(np.float32)
    logit = 0.9 * np.log(rows[:, 0] / rows[:, 2]) + 9 * rows[:, 3] + (rows[:, 1] < 6) * (rows[:, 5] < 4_000) * 2 - 2.2
    is_fraud = random.random(count) < 1 / (1 + np.exp(-logit))
    if with_missing:
        rows[random.random(rows.shape) < MISSING_SHARE] = np.nan
        is_fraud |= np.isnan(rows[:, 3]) & (random.random(count) < 0.2)
    return rows, is_fraud.astype(int)


def write_model(folder: Path, estimator, rows: np.ndarray, is_fraud: np.ndarray) -> None:
    estimator.fit(rows, is_fraud)
    if isinstance(estimator, Pipeline):
        model = export_onnx.export_pipeline(estimator, len(FEATURES))
    else:
        model = export_onnx.export_classifier(estimator, len(FEATURES))
        export_onnx.write_covers(model, estimator)
    difference = export_onnx.assert_same_probabilities(model, estimator, rows)
    content = model.SerializeToString()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(content)
    write_json(folder / "parity.json", export_onnx.parity_vectors(model, rows[:64]))
    if not isinstance(estimator, Pipeline):
        write_json(folder / "attributions.json", attributions(estimator, rows[:64]))
    write_json(folder / "model.json", model_card(folder.name, estimator, rows, is_fraud, content), indent=2)
    print(f"{folder.name}: {len(content):,} bytes, at most {difference:.1e} from {type(estimator).__name__}")


def attributions(estimator, rows: np.ndarray) -> dict:
    """Of the score that rows get for fraud: a probability of forests, a log-odds of boosting."""
    explainer = shap.TreeExplainer(estimator, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(rows, check_additivity=False))
    expected = np.ravel(explainer.expected_value)[-1]
    if values.ndim == 3:  # one for each class
        values = values[:, :, 1]
    return {"expected": float(expected), "contributions": [[float(value) for value in row] for row in values]}


def model_card(version: str, estimator, rows: np.ndarray, is_fraud: np.ndarray, content: bytes) -> dict:
    return {
        "version": version,
        "description": "A fixture of the tests; it says nothing about real payments.",
        "algorithm": type(estimator).__name__,
        "features": FEATURES,
        "thresholds": THRESHOLDS,
        "usual": {name: usual(rows[:, index]) for index, name in enumerate(FEATURES)},
        "training": {"data": "synthetic", "rows": len(rows), "frauds": int(is_fraud.sum()), "seed": SEED},
        "metrics": {},
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def usual(values: np.ndarray) -> dict:
    p05, median, p95 = np.nanpercentile(values, [5, 50, 95])
    return {"median": float(median), "p05": float(p05), "p95": float(p95)}


def write_json(path: Path, content: dict, indent: int | None = None) -> None:
    path.write_text(json.dumps(content, indent=indent) + "\n")


if __name__ == "__main__":
    main()
