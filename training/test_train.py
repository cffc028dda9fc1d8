"""The trainer end to end on small synthetic data, and everything it refuses: python -m unittest

The command runs as a person runs it, each time in a process of its own.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq

import train
from calibration import Calibration, fit_calibration
from thresholds import Costs, Ranked, cheapest

FEATURES = ["amount", "hour_of_day", "avg_amount", "terminal_risk"]
ALGORITHMS = ["random-forest", "gradient-boosting", "xgboost"]
DAYS = 42
# `fraud train` adds the card for people.
TRAINED_FILES = ["model.onnx", "model.json", "parity.json"]
START = np.datetime64("2024-01-01T00:00:00", "ms")


def payments(count: int = 6_000, days: int = DAYS) -> dict:
    """By column name: fraud is a high amount for the user or a risky terminal; one row in five is a user's first."""
    random = np.random.default_rng(11)
    times = np.sort(random.integers(0, days * 86_400_000, count))
    amount, average = random.lognormal(3.5, 1.0, count), random.lognormal(3.5, 0.5, count)
    risk = random.beta(0.4, 8, count)
    logit = 1.2 * np.log(amount / average) + 12 * risk - 3.5
    average[random.random(count) < 0.2] = np.nan
    return {
        "transaction_id": np.array([f"t{index}" for index in range(count)], dtype=object),
        "timestamp": START + times.astype("timedelta64[ms]"),
        "amount": amount.astype(np.float32),
        "hour_of_day": (times // 3_600_000 % 24).astype(np.float32),
        "avg_amount": average.astype(np.float32),
        "terminal_risk": risk.astype(np.float32),
        "transaction_amount": amount.astype(np.float32),
        "is_fraud": random.random(count) < 1 / (1 + np.exp(-logit)),
    }


def write_dataset(path: Path, columns: dict) -> Path:
    """As `fraud dataset` writes it: UTC timestamps, NULL where a feature has no value."""
    arrays = {name: pa.array(values, from_pandas=True) for name, values in columns.items()}
    if isinstance(arrays.get("timestamp"), pa.TimestampArray):
        arrays["timestamp"] = arrays["timestamp"].cast(pa.timestamp("ms", "UTC"))
    pq.write_table(pa.table(arrays), path)
    return path


def run(dataset: Path, out: Path, algorithm: str = "random-forest", *more: str, features: list = FEATURES, hash_seed: int = 1):
    script = Path(__file__).with_name("train.py")
    command = [sys.executable, str(script), "--dataset", str(dataset), "--out", str(out), "--version", "v9",
               "--algorithm", algorithm, "--features", ",".join(features), "--seed", "7", *more]
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


class InFolder(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.out = self.folder / "models" / "v9"


class Training(InFolder):
    def test_writes_a_whole_folder_that_onnx_runtime_reproduces(self):
        dataset = write_dataset(self.folder / "features.parquet", payments())
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                done = run(dataset, self.out, algorithm)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual([path.name for path in self.out.parent.iterdir()], ["v9"])
                self.assertEqual(sorted(path.name for path in self.out.iterdir()), sorted(TRAINED_FILES))
                self.assert_card(algorithm)
                self.assert_parity()

    def assert_card(self, algorithm: str):
        card = json.loads((self.out / "model.json").read_text())
        content = (self.out / "model.onnx").read_bytes()
        self.assertEqual(card["sha256"], hashlib.sha256(content).hexdigest())
        self.assertEqual((card["version"], card["algorithm"], card["features"]), ("v9", algorithm, FEATURES))
        self.assertEqual(list(card["usual"]), FEATURES)
        for usual in card["usual"].values():
            self.assertLessEqual(usual["p05"], usual["median"])
            self.assertLessEqual(usual["median"], usual["p95"])
        thresholds = card["thresholds"]
        self.assertLessEqual(thresholds["review"], thresholds["decline"])
        for value in thresholds.values():
            self.assertTrue(0 < value < 1)
            self.assertEqual(value, float(np.float32(value)))
        at = card["metrics"]["validation"]["at_threshold"]
        self.assertLessEqual(at["fraud"]["false_positive_rate"], 0.02)
        cost = card["metrics"]["validation"]["cost_per_1000"]
        self.assertLess(cost["total"], cost["approving_all"])
        self.assertLessEqual(cost["declined_share"], 0.01)
        self.assertLessEqual(cost["reviewed_share"], 0.02)
        self.assertAlmostEqual(cost["total"], cost["fraud_lost"] + cost["reviews"] + cost["insults"], delta=0.001)
        for point in card["curve"]:
            self.assertLessEqual(cost["total"], min(point["cost_declining"], point["cost_reviewing"])
                                 if point["share"] <= 0.01 else float("inf"))
        self.assertGreater(card["metrics"]["test"]["auc"], 0.7)
        # 42 days: 14 of training, then twice a label delay and a week.
        self.assertEqual((card["training"]["from"][:10], card["training"]["to"][:10]), ("2024-01-01", "2024-01-14"))
        validation, test = card["metrics"]["validation"], card["metrics"]["test"]
        self.assertEqual((validation["from"][:10], validation["to"][:10]), ("2024-01-22", "2024-01-28"))
        self.assertEqual((test["from"][:10], test["to"][:10]), ("2024-02-05", "2024-02-11"))

    def assert_parity(self):
        parity = json.loads((self.out / "parity.json").read_text())
        rows = np.array(parity["inputs"], dtype=np.float32)
        self.assertEqual(rows.shape, (train.PARITY_ROWS, len(FEATURES)))
        self.assertTrue(np.isnan(rows).any())
        self.assertEqual([value for row in parity["inputs"] for value in row if value is not None],
                         [float(value) for value in rows.ravel() if not np.isnan(value)])
        # With more threads ONNX Runtime adds the trees in another order, and the last bits differ.
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(self.out / "model.onnx", options, providers=["CPUExecutionProvider"])
        scores = session.run(["probabilities"], {"features": rows})[0][:, 1]
        self.assertEqual(scores.tolist(), parity["probabilities"])
        knots = json.loads((self.out / "model.json").read_text())["calibration"]
        calibrated = Calibration(np.array(knots["scores"]), np.array(knots["probabilities"]))(scores)
        self.assertEqual(calibrated.tolist(), parity["calibrated"])

    def test_same_inputs_give_the_same_bytes(self):
        dataset = write_dataset(self.folder / "features.parquet", payments())
        for algorithm in ALGORITHMS:
            with self.subTest(algorithm):
                folders = [self.folder / f"{algorithm}-{hash_seed}" for hash_seed in range(1, 5)]
                for hash_seed, folder in enumerate(folders, start=1):
                    done = run(dataset, folder, algorithm, hash_seed=hash_seed)
                    self.assertEqual(done.returncode, 0, done.stderr)
                for name in TRAINED_FILES:
                    self.assertEqual(len({(folder / name).read_bytes() for folder in folders}), 1, name)

    def test_replaces_an_older_model_but_no_other_folder(self):
        dataset = write_dataset(self.folder / "features.parquet", payments())
        self.out.mkdir(parents=True)
        (self.out / "model.onnx").write_text("older")
        self.assertEqual(run(dataset, self.out).returncode, 0)
        self.assertNotEqual((self.out / "model.onnx").read_bytes(), b"older")
        (self.out / "notes.txt").write_text("mine")
        refused = run(dataset, self.out)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("notes.txt", refused.stderr)
        self.assertEqual((self.out / "notes.txt").read_text(), "mine")

    def test_without_room_for_a_label_delay_before_validation_says_so(self):
        dataset = write_dataset(self.folder / "features.parquet", payments(days=30))
        done = run(dataset, self.out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("too few for a label delay before validation", done.stderr)
        training = json.loads((self.out / "model.json").read_text())["training"]
        self.assertEqual(training["label_delay_days_before_validation"], 0)

    def test_the_dearer_an_insult_the_fewer_are_declined(self):
        dataset = write_dataset(self.folder / "features.parquet", payments())
        declines = []
        for cost in ("0", "10000"):
            self.assertEqual(run(dataset, self.out, "gradient-boosting", "--insult-cost", cost).returncode, 0)
            declines.append(json.loads((self.out / "model.json").read_text())["thresholds"]["decline"])
        self.assertLess(*declines)


class Calibrating(unittest.TestCase):
    def test_brings_scores_to_the_share_of_fraud_without_overtaking(self):
        random = np.random.default_rng(3)
        scores = random.random(20_000).astype(np.float32)
        is_fraud = random.random(20_000) < scores.astype(float) ** 2
        calibration = fit_calibration(scores, is_fraud)
        self.assertTrue((np.diff(calibration.scores) > 0).all() and (np.diff(calibration.probabilities) > 0).all())
        calibrated = calibration(np.sort(scores))
        self.assertTrue((np.diff(calibrated) >= 0).all())
        self.assertLess(np.abs(calibrated - np.sort(scores).astype(float) ** 2).max(), 0.06)

    def test_of_one_fraud_is_still_rising_from_0_to_1(self):
        calibration = fit_calibration(np.array([0.1, 0.2, 0.3], dtype=np.float32), np.array([False, True, False]))
        self.assertEqual((calibration.probabilities[0], calibration.probabilities[-1]), (0, 1))


class Money(unittest.TestCase):
    """Against trying all pairs of thresholds."""

    def test_finds_the_cheapest_thresholds_within_the_caps(self):
        random = np.random.default_rng(4)
        for _ in range(20):
            scores = np.round(random.random(60), 1 + int(random.integers(2))).astype(np.float32)
            is_fraud = random.random(60) < scores / 2
            is_fraud[0] = True
            amounts = random.integers(1, 200, 60).astype(np.float32)
            costs = Costs(float(random.integers(1, 20)), float(random.integers(1, 60)), *random.uniform(0.05, 0.6, 2))
            review, decline = cheapest(Ranked(scores, is_fraud, amounts), costs)
            least = min(self.cost(scores, is_fraud, amounts, *pair, costs) for pair in self.pairs(scores, costs))
            self.assertAlmostEqual(self.cost(scores, is_fraud, amounts, review, decline, costs), least, places=4)

    def pairs(self, scores, costs):
        for decline in np.unique(scores):
            for review in np.unique(scores[scores <= decline]):
                declined, reviewed = (scores >= decline).mean(), ((scores >= review) & (scores < decline)).mean()
                if declined <= costs.max_decline_rate and reviewed <= costs.max_review_rate or review == decline == scores.max():
                    yield review, decline

    def cost(self, scores, is_fraud, amounts, review, decline, costs):
        total = 0.0
        for score, fraud, amount in zip(scores, is_fraud, amounts):
            if score >= decline:
                total += 0 if fraud else costs.insult
            elif score >= review:
                total += costs.review
            elif fraud:
                total += amount
        return total


class Refusals(InFolder):
    def assert_refused(self, columns: dict, *culprits: str, more: tuple = (), features: list = FEATURES):
        dataset = write_dataset(self.folder / "features.parquet", columns)
        self.assert_run_refused(run(dataset, self.out, "random-forest", *more, features=features), *culprits)

    def assert_run_refused(self, done, *culprits: str):
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        for culprit in culprits:
            self.assertIn(culprit, done.stderr)
        self.assertFalse(self.out.parent.exists())

    def test_missing_file(self):
        self.assert_run_refused(run(self.folder / "absent.parquet", self.out), "absent.parquet is not a file")

    def test_a_file_that_is_not_parquet(self):
        path = self.folder / "features.parquet"
        path.write_text("transaction_id,amount\n")
        self.assert_run_refused(run(path, self.out), "cannot be read as Parquet")

    def test_no_rows(self):
        self.assert_refused({name: values[:0] for name, values in payments().items() if name != "transaction_id"}
                            | {"transaction_id": pa.array([], pa.string())}, "has no rows")

    def test_missing_columns(self):
        columns = payments()
        del columns["terminal_risk"], columns["is_fraud"]
        self.assert_refused(columns, "has no column terminal_risk, is_fraud")

    def test_columns_of_another_type(self):
        self.assert_refused(payments() | {"amount": np.arange(6_000)}, "column amount is int64, and must be float32")
        self.assert_refused(payments() | {"timestamp": np.arange(6_000)}, "column timestamp is int64")

    def test_missing_labels(self):
        labels = payments()["is_fraud"].astype(object)
        labels[3] = None
        self.assert_refused(payments() | {"is_fraud": labels}, "column is_fraud has no value in 1 of 6,000 rows")

    def test_infinite_values(self):
        columns = payments()
        columns["amount"][5] = np.inf
        self.assert_refused(columns, "feature amount is infinite in 1 rows")

    def test_a_feature_without_values(self):
        nothing = pa.nulls(6_000, pa.float32())
        self.assert_refused(payments() | {"avg_amount": nothing}, "feature avg_amount has no value")

    def test_unsorted_timestamps(self):
        columns = payments()
        columns["timestamp"][[100, 101]] = columns["timestamp"][[101, 100]]
        self.assert_refused(columns, "timestamp is not in order: row 101")

    def test_duplicated_transactions(self):
        columns = payments()
        columns["transaction_id"][7] = "t3"
        self.assert_refused(columns, "transaction_id 't3' is there more than once")

    def test_one_class_in_a_stretch(self):
        day = (payments()["timestamp"] - START) // np.timedelta64(86_400_000, "ms")
        for name, days in {"training": (0, 14), "validation": (21, 28), "test": (35, 42)}.items():
            within = (day >= days[0]) & (day < days[1])
            with self.subTest(name):
                columns = payments()
                columns["is_fraud"][within] = False
                self.assert_refused(columns, f"the {name} days have no fraud")
                columns["is_fraud"][within] = True
                self.assert_refused(columns, f"the {name} days have nothing but fraud")

    def test_the_label_in_disguise(self):
        columns = payments()
        label = columns["is_fraud"]
        noise = np.random.default_rng(1).random(len(label))
        only_frauds_have_values = np.where(label, noise, np.nan)
        only_frauds_have_values[np.flatnonzero(~label)[:50]] = 0.0
        disguises = {"identical": label, "turned": -label.astype(float), "noisy": label + 0.9 * noise,
                     "by absence": only_frauds_have_values}
        for name, values in disguises.items():
            with self.subTest(name):
                self.assert_refused(columns | {"chargeback": values.astype(np.float32)},
                                    "feature chargeback is the label in disguise", features=[*FEATURES, "chargeback"])

    def test_too_few_days(self):
        self.assert_refused(payments(days=27), "the dataset has 27 days", "needs 28")

    def test_contradicting_arguments(self):
        columns = payments()
        self.assert_refused(columns, "names the label is_fraud", features=[*FEATURES, "is_fraud"])
        self.assert_refused(columns, "names amount more than once", features=[*FEATURES, "amount"])
        self.assert_refused(columns, "--max-false-positive-rate 2.0", more=("--max-false-positive-rate", "2"))
        self.assert_refused(columns, "--max-decline-rate 1.5", more=("--max-decline-rate", "1.5"))
        self.assert_refused(columns, "--review-cost -1.0", more=("--review-cost", "-1"))


if __name__ == "__main__":
    unittest.main()
