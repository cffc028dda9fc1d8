"""Trains one model: a dataset of `fraud dataset` in, a model folder out.

    python train.py --dataset features.parquet --out models/v1 --version v1 --algorithm random-forest \
        --features amount,hour_of_day --seed 7

The rows are split by time and never at random, because that is how a model meets its future:

    | training ... | label delay | validation | label delay | test |
                                                                  ^ midnight (UTC) after the last row

The test stretch is the last `--test-days` days, and validation is as long. Each label delay is left out: on the day a
model is trained, the labels of the last days are not known yet. The thresholds are chosen on validation; the model that
is written is the one they were chosen for, and it is not fitted again on the later rows.

Thresholds and metrics are of the ONNX file as ONNX Runtime scores it. The same inputs give the same bytes.
Exit code 0: the folder is written; 2: the inputs were refused, and nothing was.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

import export_onnx
from calibration import Calibration, fit_calibration
from dataset import DAY, Refusal, Rows, day, progress, read_rows, refuse_if
from estimators import ALGORITHMS
from thresholds import Costs, Ranked, cheapest, cost_at, curve, readable

MODEL_FILES = ("model.onnx", "model.json", "parity.json", "model-card.md", "model-card.png")
PARITY_ROWS = 256
# A single feature that ranks fraud this well knows the label; the best honest ones stay below 0.95.
LEAK_AUC = 0.995
LIBRARIES = ("numpy", "scikit-learn", "lightgbm", "xgboost", "onnx", "onnxruntime", "skl2onnx", "onnxmltools", "pyarrow")
EXPORTABLE = [name for name in ALGORITHMS if name != "logistic-regression"]


@dataclass(frozen=True)
class Split:
    training: Rows
    validation: Rows
    test: Rows
    validation_delay_days: int


def main() -> None:
    try:
        train(parse_arguments())
    except Refusal as refusal:
        print(f"train.py: {refusal}", file=sys.stderr)
        sys.exit(2)


def train(arguments: argparse.Namespace) -> None:
    assert_replaceable(arguments.out)
    progress(f"reads {arguments.dataset.name}")
    rows = read_rows(arguments.dataset, [*arguments.features, AMOUNT], arguments.label)
    split = split_by_time(rows, arguments.test_days, arguments.label_delay_days)
    assert_trainable(split, arguments.features)
    progress(f"trains {arguments.algorithm} on {split.training}")
    algorithm = ALGORITHMS[arguments.algorithm]
    estimator = algorithm.create(arguments.seed, **algorithm.parameters)
    estimator.fit(inputs(split.training), split.training.is_fraud.astype(int))
    progress("exports to ONNX and checks the export")
    model = export(estimator, split, arguments)
    progress(f"calibrates and chooses thresholds on {split.validation}")
    calibration = fit_calibration(export_onnx.probabilities(model, inputs(split.validation)), split.validation.is_fraud)
    scores = {name: calibration(export_onnx.probabilities(model, inputs(rows)))
              for name, rows in (("validation", split.validation), ("test", split.test))}
    costs = Costs(arguments.review_cost, arguments.insult_cost, arguments.max_decline_rate, arguments.max_review_rate)
    thresholds = choose_thresholds(scores["validation"], split.validation, costs, arguments)
    progress(f"tests on {split.test}")
    metrics = {name: measure(scores[name], getattr(split, name), thresholds, costs) for name in ("test", "validation")}
    content = model.SerializeToString(deterministic=True)
    card = describe(arguments, split, thresholds, calibration, metrics, scores["validation"], costs, content)
    write_folder(arguments.out, content, card, parity_vectors(content, split.test, calibration, arguments.seed))
    if arguments.scores:
        write_scores(arguments.scores, model, split.test, scores["test"])
    progress(f"wrote {arguments.out} ({len(content):,} bytes of ONNX)")
    print_table(card)


# The amount is read besides the features, for what fraud costs; it is the last column.
AMOUNT = "transaction_amount"


def inputs(rows: Rows) -> np.ndarray:
    return rows.features[:, :-1]


def amounts(rows: Rows) -> np.ndarray:
    return rows.features[:, -1]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="Parquet file written by `fraud dataset`")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write; an older model there is replaced")
    parser.add_argument("--version", required=True, help="name of the model, such as v1")
    parser.add_argument("--algorithm", choices=EXPORTABLE, required=True)
    parser.add_argument("--features", type=lambda text: text.split(","), required=True, help="columns, in model order")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--description", help="one line for model.json (default: of the algorithm)")
    parser.add_argument("--label", default="is_fraud", help="label column (default %(default)s)")
    parser.add_argument("--label-delay-days", type=int, default=7, help="days until labels are known (default 7)")
    parser.add_argument("--test-days", type=int, default=7, help="days of test, and of validation (default 7)")
    parser.add_argument("--max-false-positive-rate", type=float, default=0.02, help="of `is_fraud` (default 0.02)")
    parser.add_argument("--review-cost", type=float, default=5.0, help="of looking at a payment (default 5)")
    parser.add_argument("--insult-cost", type=float, default=20.0, help="of declining a legitimate one (default 20)")
    parser.add_argument("--max-decline-rate", type=float, default=0.01, help="share of payments (default 0.01)")
    parser.add_argument("--max-review-rate", type=float, default=0.02, help="share of payments (default 0.02)")
    parser.add_argument("--scores", type=Path, help="Parquet file to write with the scores of the test days")
    arguments = parser.parse_args()
    assert_arguments(arguments)
    return arguments


def assert_arguments(arguments: argparse.Namespace) -> None:
    names = arguments.features
    refuse_if(not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", arguments.version),
              f"--version {arguments.version!r} is not a name of letters, digits, dots, dashes and underscores")
    refuse_if("" in names, "--features has an empty name")
    repeated = sorted({name for name in names if names.count(name) > 1})
    refuse_if(repeated, f"--features names {', '.join(repeated)} more than once")
    refuse_if(arguments.label in names, f"--features names the label {arguments.label}")
    refuse_if(arguments.test_days < 1, f"--test-days {arguments.test_days} is less than 1")
    refuse_if(arguments.label_delay_days < 0, f"--label-delay-days {arguments.label_delay_days} is less than 0")
    refuse_if(not 0 <= arguments.seed < 2**31, f"--seed {arguments.seed} is not between 0 and 2147483647")
    for option in ("max_false_positive_rate", "max_decline_rate", "max_review_rate"):
        rate = getattr(arguments, option)
        refuse_if(not 0 < rate < 1, f"--{option.replace('_', '-')} {rate} is not between 0 and 1")
    for option in ("review_cost", "insult_cost"):
        cost = getattr(arguments, option)
        refuse_if(not 0 <= cost < float("inf"), f"--{option.replace('_', '-')} {cost} is not a cost of 0 or more")


# The split.


def split_by_time(rows: Rows, test_days: int, label_delay_days: int) -> Split:
    """The delay before validation stands if the training that it leaves is at least as long as the test."""
    start, end = rows.times[0].astype("datetime64[D]"), rows.times[-1].astype("datetime64[D]") + DAY
    report_empty_days(rows.times, start, end)
    test_start = end - test_days * DAY
    validation_end = test_start - label_delay_days * DAY
    validation_start = validation_end - test_days * DAY
    days, needed = int((end - start) / DAY), 3 * test_days + label_delay_days
    refuse_if(days < needed,
              f"the dataset has {days} days ({start} to {end - DAY}) and needs {needed}: {test_days} each for "
              f"training, validation and test, and {label_delay_days} of label delay")
    delay_fits = days >= needed + label_delay_days
    if not delay_fits:
        progress(f"note: {days} days are too few for a label delay before validation; with it, "
                 f"{needed + label_delay_days} are needed")
    delay_days = label_delay_days if delay_fits else 0
    return Split(
        training=rows.between(start, validation_start - delay_days * DAY),
        validation=rows.between(validation_start, validation_end),
        test=rows.between(test_start, end),
        validation_delay_days=delay_days,
    )


def report_empty_days(times: np.ndarray, start: np.datetime64, end: np.datetime64) -> None:
    empty = np.setdiff1d(np.arange(start, end), np.unique(times.astype("datetime64[D]")))
    if len(empty):
        progress(f"note: {len(empty)} days between the first and the last row have no rows, first {empty[0]}")


def assert_trainable(split: Split, features: list[str]) -> None:
    for name in ("training", "validation", "test"):
        rows = getattr(split, name)
        refuse_if(len(rows) == 0, f"the {name} days have no rows")
        refuse_if(not rows.is_fraud.any(), f"the {name} days have no fraud ({rows})")
        refuse_if(rows.is_fraud.all(), f"the {name} days have nothing but fraud ({rows})")
    training = split.training
    legitimate = training.features[~training.is_fraud]
    for index, name in enumerate(features):
        refuse_if(np.isnan(legitimate[:, index]).all(), f"feature {name} has no value in any legitimate training row")
        auc = single_feature_auc(training.features[:, index], training.is_fraud)
        refuse_if(auc > LEAK_AUC,
                  f"feature {name} is the label in disguise: alone it ranks fraud with an AUC of {auc:.4f}")


def single_feature_auc(values: np.ndarray, is_fraud: np.ndarray) -> float:
    """How well the feature ranks fraud in either direction, its missing values taken for the lowest or the highest."""
    extremes = (np.float32(-np.inf), np.float32(np.inf)) if np.isnan(values).any() else (np.float32(0),)
    aucs = [ranking_auc(np.where(np.isnan(values), extreme, values), is_fraud) for extreme in extremes]
    return max(max(auc, 1 - auc) for auc in aucs)


def ranking_auc(values: np.ndarray, is_fraud: np.ndarray) -> float:
    """Mann-Whitney: infinities are welcome, unlike in scikit-learn's."""
    fraud, legitimate = values[is_fraud], np.sort(values[~is_fraud])
    below = np.searchsorted(legitimate, fraud, side="left") + np.searchsorted(legitimate, fraud, side="right")
    return float(below.sum() / 2 / len(fraud) / len(legitimate))


# The model.


def export(estimator, split: Split, arguments: argparse.Namespace) -> onnx.ModelProto:
    model = export_onnx.export_classifier(estimator, len(arguments.features))
    export_onnx.write_covers(model, estimator)
    make_reproducible(model, arguments.version)
    unseen = np.isnan(inputs(split.test)) & ~np.isnan(inputs(split.training)).any(axis=0)
    for name in np.array(arguments.features)[unseen.any(axis=0)]:
        progress(f"note: feature {name} has missing values in the test days and none in training")
    try:
        export_onnx.assert_same_probabilities(model, estimator, inputs(split.test)[~unseen.any(axis=1)])
    except ValueError as error:
        raise Refusal(f"the ONNX export does not say what the classifier says: {error}") from error
    return model


def make_reproducible(model: onnx.ModelProto, version: str) -> None:
    """The exporters give the graph a random name, and list the operator sets in the order of a hash set."""
    model.graph.name = version
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)


def choose_thresholds(scores: np.ndarray, rows: Rows, costs: Costs, arguments: argparse.Namespace) -> dict:
    """A payment is fraud, reviewed or declined if its probability is at least the threshold."""
    fraud = smallest_threshold(scores[~rows.is_fraud], arguments.max_false_positive_rate)
    ranked = Ranked(scores, rows.is_fraud, amounts(rows))
    review, decline = cheapest(ranked, costs)
    thresholds = {"fraud": float(fraud), "review": review, "decline": min(decline, ALMOST_ONE)}
    thresholds["review"] = min(review, thresholds["decline"])
    for name, value in thresholds.items():
        refuse_if(not 0 < value < 1, f"no {name} threshold between 0 and 1 keeps to its rate: it would be {value}")
    return thresholds


# A calibrated probability may be 1; a threshold stays below.
ALMOST_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


def smallest_threshold(scores: np.ndarray, max_rate: float) -> np.float32:
    """The smallest float32 that at most `max_rate` of the scores reach: the next after the first score that may not."""
    allowed = int(np.floor(max_rate * len(scores)))
    return np.nextafter(np.sort(scores)[::-1][allowed], np.float32(np.inf))


def measure(scores: np.ndarray, rows: Rows, thresholds: dict, costs: Costs) -> dict:
    false_positive_rates, recalls, _ = roc_curve(rows.is_fraud, scores, drop_intermediate=False)
    recall_at = {
        f"recall_at_fpr_{percent}pct": readable(recalls[false_positive_rates <= percent / 100].max())
        for percent in (0.1, 0.5, 1, 2, 5)
    }
    return {
        **stretch(rows),
        "auc": readable(roc_auc_score(rows.is_fraud, scores)),
        "average_precision": readable(average_precision_score(rows.is_fraud, scores)),
        **recall_at,
        "brier": readable(brier_score_loss(rows.is_fraud, scores)),
        "cost_per_1000": cost_at(scores, rows.is_fraud, amounts(rows), thresholds["review"], thresholds["decline"], costs),
        "at_threshold": {name: measure_at(scores >= thresholds[name], rows.is_fraud) for name in thresholds},
    }


def measure_at(alerts: np.ndarray, is_fraud: np.ndarray) -> dict:
    """Precision is null where nothing was alerted."""
    return {
        "recall": readable(alerts[is_fraud].mean()),
        "false_positive_rate": readable(alerts[~is_fraud].mean()),
        "precision": readable(is_fraud[alerts].mean()) if alerts.any() else None,
    }


# The folder.


def describe(arguments: argparse.Namespace, split: Split, thresholds: dict, calibration: Calibration, metrics: dict,
             validation_scores: np.ndarray, costs: Costs, content: bytes) -> dict:
    training = split.training
    legitimate = training.features[~training.is_fraud]
    return {
        "version": arguments.version,
        "description": arguments.description or ALGORITHMS[arguments.algorithm].description,
        "algorithm": arguments.algorithm,
        "features": arguments.features,
        "thresholds": thresholds,
        "calibration": calibration.card(),
        "usual": {name: usual(legitimate[:, index]) for index, name in enumerate(arguments.features)},
        "training": {
            "data": arguments.dataset.name,
            **stretch(training),
            "seed": arguments.seed,
            "label_delay_days": arguments.label_delay_days,
            "label_delay_days_before_validation": split.validation_delay_days,
            "parameters": ALGORITHMS[arguments.algorithm].parameters,
            "costs": {
                "review": arguments.review_cost,
                "insult": arguments.insult_cost,
                "max_false_positive_rate": arguments.max_false_positive_rate,
                "max_decline_rate": arguments.max_decline_rate,
                "max_review_rate": arguments.max_review_rate,
            },
            "libraries": {"python": platform.python_version(), **versions()},
        },
        "metrics": metrics,
        "curve": curve(Ranked(validation_scores, split.validation.is_fraud, amounts(split.validation)), costs),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def versions() -> dict:
    """XGBoost comes as one of two packages, by platform."""
    found = {}
    for name in LIBRARIES:
        for package in (name, f"{name}-cpu"):
            try:
                found[name] = metadata.version(package)
                break
            except metadata.PackageNotFoundError:
                continue
    return found


def stretch(rows: Rows) -> dict:
    first, last = (f"{np.datetime_as_string(time, unit='s')}Z" for time in (rows.times[0], rows.times[-1]))
    return {"rows": len(rows), "frauds": int(rows.is_fraud.sum()), "from": first, "to": last}


def usual(values: np.ndarray) -> dict:
    """Quantiles as the shortest decimal that is the same float32."""
    quantiles = np.nanpercentile(values, [50, 5, 95]).astype(np.float32)
    return {name: float(str(value)) for name, value in zip(("median", "p05", "p95"), quantiles)}


def parity_vectors(content: bytes, test: Rows, calibration: Calibration, seed: int) -> dict:
    """Test rows with what ONNX Runtime says of each, scored one at a time as the service does, and what that is worth."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    rows = inputs(test)[parity_rows(test, np.random.default_rng(seed))]
    scores = [session.run(["probabilities"], {export_onnx.INPUT_NAME: row[np.newaxis]})[0][0, 1] for row in rows]
    return {
        "inputs": [[None if np.isnan(value) else float(value) for value in row] for row in rows],
        "probabilities": [float(score) for score in scores],
        "calibrated": [float(probability) for probability in calibration(np.array(scores, dtype=np.float32))],
    }


def parity_rows(test: Rows, random: np.random.Generator) -> np.ndarray:
    """A quarter frauds and a quarter with missing values, as far as there are; the rest as they come."""
    chosen = np.array([], dtype=int)
    has_missing = np.isnan(inputs(test)).any(axis=1)
    for candidates, wanted in ((test.is_fraud, PARITY_ROWS // 4), (has_missing, PARITY_ROWS // 4), (True, PARITY_ROWS)):
        left = np.setdiff1d(np.flatnonzero(np.broadcast_to(candidates, len(test))), chosen)
        count = min(wanted, len(left), PARITY_ROWS - len(chosen))
        chosen = np.concatenate([chosen, random.choice(left, count, replace=False)])
    return np.sort(chosen)


def assert_replaceable(folder: Path) -> None:
    refuse_if(folder.exists() and not folder.is_dir(), f"--out {folder} is not a folder")
    strangers = sorted(file.name for file in folder.iterdir() if file.name not in MODEL_FILES) if folder.exists() else []
    refuse_if(strangers, f"--out {folder} holds more than a model ({', '.join(strangers)}) and would be replaced")


def write_folder(folder: Path, content: bytes, card: dict, parity: dict) -> None:
    """All or nothing: written beside its place, then renamed into it; an older model goes once the new one is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as beside:
        fresh, old = Path(beside) / "new", Path(beside) / "old"
        fresh.mkdir()
        (fresh / "model.onnx").write_bytes(content)
        (fresh / "parity.json").write_text(one_row_a_line(parity))
        (fresh / "model.json").write_text(json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        if folder.exists():
            os.rename(folder, old)
        os.rename(fresh, folder)


def one_row_a_line(parity: dict) -> str:
    lists = [f'  "{name}": [\n    ' + ",\n    ".join(json.dumps(row, allow_nan=False) for row in rows) + "\n  ]"
             for name, rows in parity.items()]
    return "{\n" + ",\n".join(lists) + "\n}\n"


def write_scores(path: Path, model: onnx.ModelProto, test: Rows, probabilities: np.ndarray) -> None:
    columns = {"is_fraud": test.is_fraud, "score": export_onnx.probabilities(model, inputs(test)), "probability": probabilities}
    pq.write_table(pa.table(columns), path)


# What a person sees.


def print_table(card: dict) -> None:
    print(f"{card['version']}  {card['algorithm']}  {len(card['features'])} features")
    columns = ("auc", "average_precision", "recall_at_fpr_0.5pct", "recall_at_fpr_1pct", "recall_at_fpr_2pct")
    print(f"{'':12}" + "".join(f"{heading:>9}" for heading in ("AUC", "AP", "R@0.5%", "R@1%", "R@2%")))
    for name, metrics in card["metrics"].items():
        print(f"{name:12}" + "".join(f"{metrics[column]:9.3f}" for column in columns))
    print(f"\n{'on test':12}{'from':>9}{'recall':>9}{'false +':>9}{'precision':>11}")
    for name, at in card["metrics"]["test"]["at_threshold"].items():
        precision = "-" if at["precision"] is None else f"{at['precision']:.3f}"
        print(f"{name:12}{card['thresholds'][name]:9.4f}{at['recall']:9.3f}{at['false_positive_rate']:9.4f}{precision:>11}")


if __name__ == "__main__":
    main()
