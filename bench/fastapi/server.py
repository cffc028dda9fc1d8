"""The fraud service as the stack of the comparison builds it; see README.md. Run by bench/compare-stacks.ts.

STACK=source  as its source configures it          STACK=tuned  what tuning could do without changing its shape
"""

import json
import os
import time
from datetime import datetime

import numpy as np
import onnxruntime
import redis
from fastapi import BackgroundTasks, FastAPI, HTTPException
from kafka import KafkaProducer
from prometheus_client import Counter, Histogram
from pydantic import BaseModel
from redis._parsers import _HiredisParser, _RESP2Parser

TUNED = os.environ["STACK"] == "tuned"
TOPIC = os.environ["PREDICTIONS_TOPIC"]
MODEL_VERSION = "v1"
FRAUD_THRESHOLD = 0.5
USER_TTL_SECONDS = 90 * 86_400
WINDOW_SECONDS = 30 * 60

PREDICTIONS = Counter("predictions_total", "Decisions made.", ["model_version", "prediction"])
LATENCY = Histogram("prediction_latency_seconds", "Time in the handler.", ["model_version"])
FEATURES = Histogram("feature_retrieval_latency_seconds", "Reading and updating a user's features.")
ERRORS = Counter("model_errors_total", "Failures.", ["error_type"])


class TransactionRequest(BaseModel):
    transaction_id: str
    user_id: str
    amount: float
    merchant_category: str
    is_international: bool
    timestamp: str


class PredictionResponse(BaseModel):
    transaction_id: str
    is_fraud: bool
    fraud_probability: float
    model_version: str
    latency_ms: float


def open_session():
    options = onnxruntime.SessionOptions()
    if TUNED:
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        os.environ["MODEL_FILE"], options, providers=["CPUExecutionProvider"]
    )


def open_store():
    pool = redis.ConnectionPool(
        host=os.environ["REDIS_HOST"],
        port=int(os.environ["REDIS_PORT"]),
        db=1,  # database 0 has our own service's histories, under the same keys
        decode_responses=True,
        protocol=2,
        parser_class=_HiredisParser if TUNED else _RESP2Parser,
    )
    return redis.Redis(connection_pool=pool)


def open_producer():
    tuning = {"linger_ms": 5} if TUNED else {}
    return KafkaProducer(
        bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        value_serializer=lambda value: json.dumps(value).encode(),
        key_serializer=str.encode,
        compression_type="lz4",
        **tuning,
    )


session = open_session()
input_name = session.get_inputs()[0].name
probabilities_name = session.get_outputs()[-1].name
store = open_store()
producer = open_producer()
app = FastAPI()


def update_features(transaction: TransactionRequest) -> list[float]:
    """The thirteen features, from what Redis has of the user; then writes back what it will have."""
    key = f"user:{transaction.user_id}"
    stored = store.get(key)
    user = json.loads(stored) if stored else {"count": 0, "total": 0.0, "last": None, "recent": []}
    moment = datetime.fromisoformat(transaction.timestamp)
    now = moment.timestamp()
    amount = transaction.amount

    recent = [entry for entry in user["recent"] if entry[0] > now - WINDOW_SECONDS]
    recent.append([now, amount])
    amounts = [entry[1] for entry in recent]
    window_mean = sum(amounts) / len(amounts)
    variance = sum((value - window_mean) ** 2 for value in amounts) / len(amounts)
    mean = user["total"] / user["count"] if user["count"] else 0.0
    since_last = now - user["last"] if user["last"] is not None else 0.0

    updated = {"count": user["count"] + 1, "total": user["total"] + amount, "last": now, "recent": recent}
    store.set(key, json.dumps(updated), ex=USER_TTL_SECONDS)
    return [
        float(user["count"]),
        user["total"],
        mean,
        since_last,
        float(len(amounts)),
        window_mean,
        variance**0.5,
        float(sum(1 for entry in recent if entry[0] > now - 60)),
        (amount - mean) / (mean + 1),
        amount,
        float(moment.hour),
        float(moment.weekday()),
        float(transaction.is_international),
    ]


def publish(message: dict) -> None:
    """Fire and forget: nobody waits for the broker, and an error is printed."""
    try:
        producer.send(TOPIC, key=message["user_id"], value=message)
    except Exception as error:
        print(f"Kafka: {error}", flush=True)


async def publish_in_loop(message: dict) -> None:
    """The same without a change of threads: `send` only puts the message into the producer's buffer."""
    publish(message)


@app.post("/predict", response_model=PredictionResponse)
async def predict(transaction: TransactionRequest, background_tasks: BackgroundTasks):
    started = time.time()
    try:
        with FEATURES.time():
            features = update_features(transaction)
        row = np.array([features], dtype=np.float32)
        (probabilities,) = session.run([probabilities_name], {input_name: row})
        probability = float(probabilities[0][1])
    except Exception as error:
        ERRORS.labels(error_type=type(error).__name__).inc()
        raise HTTPException(status_code=500, detail=str(error)) from error
    is_fraud = probability > FRAUD_THRESHOLD
    latency_ms = (time.time() - started) * 1_000
    LATENCY.labels(model_version=MODEL_VERSION).observe(latency_ms / 1_000)
    PREDICTIONS.labels(
        model_version=MODEL_VERSION, prediction="fraud" if is_fraud else "legitimate"
    ).inc()
    answer = {
        "transaction_id": transaction.transaction_id,
        "is_fraud": is_fraud,
        "fraud_probability": probability,
        "model_version": MODEL_VERSION,
        "latency_ms": latency_ms,
    }
    message = {**answer, "user_id": transaction.user_id, "timestamp": transaction.timestamp}
    background_tasks.add_task(publish_in_loop if TUNED else publish, message)
    return answer


@app.get("/health")
async def health():
    store.ping()
    return {"status": "healthy", "model_version": MODEL_VERSION}
