"""The classifiers there are, with the parameters that training uses and those that an evaluation chooses among."""

from dataclasses import dataclass
from itertools import product
from typing import Any, Callable

from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier


@dataclass(frozen=True)
class Algorithm:
    create: Callable[..., Any]  # keyword parameters and seed -> a classifier that is not fitted yet
    description: str
    parameters: dict[str, Any]  # what `train.py` uses
    grid: dict[str, list]  # what `evaluate.py` chooses among, on validation weeks

    def choices(self) -> list[dict[str, Any]]:
        return [dict(zip(self.grid, values)) for values in product(*self.grid.values())]


def random_forest(seed: int, **parameters):
    """Its trees are the same whatever the number of threads."""
    return RandomForestClassifier(n_jobs=2, random_state=seed, **parameters)


def gradient_boosting(seed: int, **parameters):
    """One thread, and rows summed in one order: the same inputs give the same trees."""
    return LGBMClassifier(random_state=seed, deterministic=True, force_row_wise=True, n_jobs=1, verbose=-1, **parameters)


def xgboost(seed: int, **parameters):
    """`exact` looks at every split: `hist` lost 0.04 of average precision on training sets of seven days. Trees start
    from 0.5, as they did in XGBoost before 2.0, with which the published rows were made."""
    return XGBClassifier(tree_method="exact", base_score=0.5, random_state=seed, n_jobs=1, **parameters)


def logistic_regression(seed: int, **parameters):
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(random_state=seed, **parameters))


# Chosen on the validation weeks among six settings, which differ by less than the weeks do (docs/quality.md).
BOOSTING = {"n_estimators": 300, "learning_rate": 0.03, "max_depth": 8, "num_leaves": 31, "min_child_samples": 50,
            "reg_lambda": 1.0, "colsample_bytree": 0.5, "subsample": 0.8, "subsample_freq": 1}

ALGORITHMS = {
    "random-forest": Algorithm(
        random_forest,
        "Random forest: 100 trees of depth 10, at least 10 samples a leaf.",
        {"n_estimators": 100, "max_depth": 10, "min_samples_leaf": 10},
        {"n_estimators": [25, 50, 100], "max_depth": [5, 10, 20, 50]},
    ),
    "gradient-boosting": Algorithm(
        gradient_boosting,
        "Gradient boosting (LightGBM): 300 trees of depth 8, at most 31 leaves each.",
        BOOSTING,
        {name: [value] for name, value in BOOSTING.items()},
    ),
    "xgboost": Algorithm(
        xgboost,
        "Gradient boosting (XGBoost): 100 trees of depth 3.",
        {"n_estimators": 100, "learning_rate": 0.1, "max_depth": 3},
        {"n_estimators": [25, 50, 100], "learning_rate": [0.1, 0.3], "max_depth": [3, 6, 9]},
    ),
    "logistic-regression": Algorithm(
        logistic_regression, "Logistic regression on scaled features.", {"C": 1.0}, {"C": [0.1, 1, 10, 100]}
    ),
}
