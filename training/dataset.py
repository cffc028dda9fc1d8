"""A dataset of `fraud dataset`, read and checked: what cannot become an honest model is refused by naming it."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

STARTED = time.perf_counter()
DAY = np.timedelta64(1, "D")


class Refusal(Exception):
    """The inputs cannot become an honest model; the message names the culprit."""


@dataclass(frozen=True)
class Rows:
    """A stretch of the dataset, in event-time order."""

    times: np.ndarray  # datetime64[us], UTC
    features: np.ndarray  # float32, rows x features; NaN where there is no value
    is_fraud: np.ndarray  # bool
    others: dict[str, np.ndarray] = field(default_factory=dict)  # more columns, by name

    def between(self, start: np.datetime64, end: np.datetime64) -> "Rows":
        first, last = np.searchsorted(self.times, np.array([start, end], dtype=self.times.dtype))
        return self.chosen(slice(first, last))

    def chosen(self, which) -> "Rows":
        """@param which a slice, or an array of bools"""
        others = {name: values[which] for name, values in self.others.items()}
        return Rows(self.times[which], self.features[which], self.is_fraud[which], others)

    @property
    def days(self) -> np.ndarray:
        return self.times.astype("datetime64[D]")

    def __len__(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        return f"{len(self):,} rows, {self.is_fraud.sum():,} frauds, {day(self.times[0])} to {day(self.times[-1])}"


def read_rows(path: Path, features: list[str], label: str = "is_fraud", others: tuple[str, ...] = (),
              optional: tuple[str, ...] = ()) -> Rows:
    """@param others more columns of text to read; `optional` ones are empty where the dataset has none"""
    refuse_if(not path.is_file(), f"dataset {path} is not a file")
    try:
        schema = pq.read_schema(path)
        absent = [name for name in optional if name not in schema.names]
        others = (*others, *(name for name in optional if name in schema.names))
        assert_columns(schema, path.name, features, label, others)
        table = pq.read_table(path, columns=["transaction_id", "timestamp", *features, label, *others])
    except (pa.ArrowException, OSError) as error:
        raise Refusal(f"dataset {path} cannot be read as Parquet: {error}") from error
    refuse_if(table.num_rows == 0, f"dataset {path.name} has no rows")
    for name in ("transaction_id", "timestamp", label, *others):
        missing = table[name].null_count
        refuse_if(missing, f"column {name} has no value in {missing:,} of {table.num_rows:,} rows")
    assert_distinct(table["transaction_id"])
    times = table["timestamp"].cast(pa.timestamp("us", table.schema.field("timestamp").type.tz)).to_numpy()
    assert_sorted(times)
    values = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for index, name in enumerate(features):
        values[:, index] = table[name].to_numpy()
        infinite = int(np.isinf(values[:, index]).sum())
        refuse_if(infinite, f"feature {name} is infinite in {infinite:,} rows")
    columns = {name: table[name].to_numpy() for name in others}
    columns |= {name: np.full(len(times), "", dtype=object) for name in absent}
    return Rows(times, values, table[label].to_numpy(), columns)


def assert_columns(schema: pa.Schema, file_name: str, features: list[str], label: str, others: tuple[str, ...]) -> None:
    wanted = ["transaction_id", "timestamp", *features, label, *others]
    absent = [name for name in wanted if name not in schema.names]
    refuse_if(absent, f"dataset {file_name} has no column {', '.join(absent)}; it has {', '.join(schema.names)}")
    twice = [name for name in wanted if schema.names.count(name) > 1]
    refuse_if(twice, f"dataset {file_name} has more than one column {', '.join(twice)}")
    text = ("text", lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind))
    kinds = {"transaction_id": text, **{name: text for name in others},
             "timestamp": ("a timestamp", pa.types.is_timestamp),
             label: ("boolean", pa.types.is_boolean)}
    for name in wanted:
        expected, matches = kinds.get(name, ("float32", pa.types.is_float32))
        kind = schema.field(name).type
        refuse_if(not matches(kind), f"column {name} is {kind}, and must be {expected}")


def assert_distinct(ids: pa.ChunkedArray) -> None:
    counts = ids.value_counts()
    repeated = np.flatnonzero(counts.field("counts").to_numpy() > 1)
    if len(repeated):
        first = counts.field("values")[int(repeated[0])].as_py()
        raise Refusal(f"transaction_id {first!r} is there more than once, as are {len(repeated) - 1:,} others")


def assert_sorted(times: np.ndarray) -> None:
    backwards = np.flatnonzero(times[1:] < times[:-1])
    if len(backwards):
        row = int(backwards[0]) + 1
        raise Refusal(f"timestamp is not in order: row {row} ({times[row]}) comes after {times[row - 1]}")


def day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))


def progress(message: str) -> None:
    print(f"{time.perf_counter() - STARTED:7.1f} s  {message}", file=sys.stderr, flush=True)


def refuse_if(condition, message: str) -> None:
    if condition:
        raise Refusal(message)
