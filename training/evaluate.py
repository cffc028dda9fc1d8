"""Trains and scores week by week as time goes on, and writes the score of every payment; it judges none.

    python evaluate.py --dataset features.parquet --features amount,is_night --algorithm xgboost --out scores.parquet

The prequential protocol of the Fraud Detection Handbook, for each of four test weeks and four validation weeks:

    | training, `--training-days` | label delay | a week that is scored |

The test weeks are the last of the dataset; the validation weeks end a week before the first test week. Parameters are
chosen among those of estimators.py by average precision on the validation weeks, and by nothing else.

Left out of a week are the payments of cards that are known to be compromised: those with a fraud since the seven days
that end `--blocking-delay-days` before the week, known on the day of the payment. These rows do not depend on how long
the training is, so that figures compare.

Exit code 0: `--out` is written, with the choice beside it as JSON; 2: the inputs were refused.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import average_precision_score

from dataset import DAY, Refusal, Rows, day, progress, read_rows, refuse_if
from estimators import ALGORITHMS

WEEK_DAYS = 7
WEEKS = 4
BLOCKING_WINDOW_DAYS = 7
STORY = "fraud_story"


@dataclass(frozen=True)
class Week:
    training: Rows
    scored: Rows


def main() -> None:
    try:
        evaluate(parse_arguments())
    except Refusal as refusal:
        print(f"evaluate.py: {refusal}", file=sys.stderr)
        sys.exit(2)


def evaluate(arguments: argparse.Namespace) -> None:
    rows = read_rows(arguments.dataset, arguments.features, others=("user_id",), optional=(STORY,))
    end = rows.days[-1] + DAY
    validation = weeks(rows, end - (WEEKS + 1) * WEEK_DAYS * DAY, arguments)
    test = [] if arguments.validation_only else weeks(rows, end, arguments)
    parameters, validation_scores = choose(validation, arguments)
    test_scores = [fit_and_score(week, parameters, arguments) for week in test]
    write_scores(arguments.out, {"validation": (validation, validation_scores), "test": (test, test_scores)})
    summary = {"parameters": parameters, "training": [str(week.training) for week in [*validation, *test]]}
    arguments.out.with_suffix(".json").write_text(json.dumps(summary) + "\n")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True, help="Parquet file written by `fraud dataset`")
    parser.add_argument("--features", type=lambda text: text.split(","), required=True, help="columns, in model order")
    parser.add_argument("--algorithm", choices=list(ALGORITHMS), required=True)
    parser.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--training-days", type=int, default=7)
    parser.add_argument("--label-delay-days", type=int, default=7, help="between training and the week that is scored")
    parser.add_argument("--blocking-delay-days", type=int, default=7, help="until a card's fraud is known")
    parser.add_argument("--validation-only", action="store_true", help="leave the test weeks alone")
    return parser.parse_args()


def weeks(rows: Rows, end: np.datetime64, arguments: argparse.Namespace) -> list[Week]:
    return [week(rows, end - weeks_left * WEEK_DAYS * DAY, arguments) for weeks_left in range(WEEKS, 0, -1)]


def week(rows: Rows, start: np.datetime64, arguments: argparse.Namespace) -> Week:
    training_end = start - arguments.label_delay_days * DAY
    training_start = training_end - arguments.training_days * DAY
    refuse_if(training_start < rows.days[0],
              f"the week of {day(start)} needs training from {day(training_start)} on, and the dataset begins {rows.days[0]}")
    training = rows.between(training_start, training_end)
    scored = without_blocked_cards(rows, start, arguments.blocking_delay_days)
    for name, part in (("training", training), ("scored", scored)):
        refuse_if(len(part) == 0, f"the {name} days of the week of {day(start)} have no rows")
        refuse_if(not part.is_fraud.any(), f"the {name} days of the week of {day(start)} have no fraud")
        refuse_if(part.is_fraud.all(), f"the {name} days of the week of {day(start)} have nothing but fraud")
    return Week(training, scored)


def without_blocked_cards(rows: Rows, start: np.datetime64, delay_days: int) -> Rows:
    end = start + WEEK_DAYS * DAY
    seen = rows.between(start - (delay_days + BLOCKING_WINDOW_DAYS) * DAY, end)
    scored = rows.between(start, end)
    first_fraud: dict[str, np.datetime64] = {}
    for user, date in zip(seen.others["user_id"][seen.is_fraud], seen.days[seen.is_fraud]):
        first_fraud.setdefault(user, date)
    never = np.datetime64("9999-01-01")
    known_from = np.array([first_fraud.get(user, never) for user in scored.others["user_id"]]) + (delay_days + 1) * DAY
    return scored.chosen(scored.days < known_from)


def choose(validation: list[Week], arguments: argparse.Namespace) -> tuple[dict, list[np.ndarray]]:
    best, best_precision, best_scores = {}, -1.0, []
    for parameters in ALGORITHMS[arguments.algorithm].choices():
        scores = [fit_and_score(week, parameters, arguments) for week in validation]
        precision = np.mean([average_precision_score(week.scored.is_fraud, score)
                             for week, score in zip(validation, scores)])
        progress(f"{arguments.algorithm} {shown(parameters)}: average precision {precision:.4f} on validation")
        if precision > best_precision:
            best, best_precision, best_scores = parameters, precision, scores
    progress(f"{arguments.algorithm} {shown(best)} is the choice")
    return best, best_scores


def fit_and_score(week: Week, parameters: dict, arguments: argparse.Namespace) -> np.ndarray:
    estimator = ALGORITHMS[arguments.algorithm].create(arguments.seed, **parameters)
    estimator.fit(week.training.features, week.training.is_fraud.astype(int))
    return estimator.predict_proba(week.scored.features)[:, 1]


def write_scores(path: Path, stages: dict[str, tuple[list[Week], list[np.ndarray]]]) -> None:
    tables = [
        pa.table({
            "stage": pa.array([stage] * len(score)),
            "week": pa.array(np.full(len(score), number, dtype=np.int32)),
            "timestamp": pa.array(week.scored.times).cast(pa.timestamp("us", "UTC")),
            "user_id": pa.array(week.scored.others["user_id"]),
            STORY: pa.array(week.scored.others[STORY]),
            "is_fraud": pa.array(week.scored.is_fraud),
            "score": pa.array(score.astype(np.float64)),
        })
        for stage, (weeks_, scores) in stages.items()
        for number, (week, score) in enumerate(zip(weeks_, scores))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables(tables), path)


def shown(parameters: dict) -> str:
    return " ".join(f"{name}={value}" for name, value in parameters.items())


if __name__ == "__main__":
    main()
