/** What `/metrics` shows: the mission's names as they are, ours beginning with `fraud_`. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { Decision, Outcome, Stage } from '../../core/decision/decision.ts';

/** Edges around the promises: features under 5 ms, p50 under 50 ms, p99 under 100 ms. */
const LATENCY_EDGES_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5,
];
const STAGE_EDGES_SECONDS = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1];

export class Metrics {
  readonly registry = new Registry();
  readonly #predictions = this.#counter('predictions_total', 'Decisions made.', [
    'model_version',
    'prediction',
  ]);
  readonly #latency = new Histogram({
    name: 'prediction_latency_seconds',
    help: 'From the arrival of a request to its answer, the decision on disk.',
    labelNames: ['model_version'],
    buckets: LATENCY_EDGES_SECONDS,
    registers: [this.registry],
  });
  readonly #featureRetrieval = new Histogram({
    name: 'feature_retrieval_latency_seconds',
    help: 'Recording a batch in its histories, reading these and computing its features.',
    buckets: STAGE_EDGES_SECONDS,
    registers: [this.registry],
  });
  readonly #stages = new Histogram({
    name: 'fraud_stage_seconds',
    help: 'Time of a batch in one stage.',
    labelNames: ['stage'],
    buckets: STAGE_EDGES_SECONDS,
    registers: [this.registry],
  });
  readonly #modelErrors = this.#counter('model_errors_total', 'Decisions without their own model.', [
    'error_type',
  ]);
  readonly #activeModels = new Gauge({
    name: 'active_model_version',
    help: '1 for each model that decides.',
    labelNames: ['model_version', 'arm'],
    registers: [this.registry],
  });
  readonly #outcomesTotal = this.#counter('fraud_outcomes_total', 'Decisions by outcome.', ['outcome']);
  /** Bound once, as those by model: looking labels up costs more than counting. */
  readonly #outcomes: Readonly<Record<Outcome, { inc: () => void }>> = {
    approve: this.#outcomesTotal.labels({ outcome: 'approve' }),
    review: this.#outcomesTotal.labels({ outcome: 'review' }),
    decline: this.#outcomesTotal.labels({ outcome: 'decline' }),
  };
  readonly #repeats = this.#counter('fraud_repeats_total', 'Requests answered with a decision that existed.');
  readonly #outOfOrder = this.#counter(
    'fraud_out_of_order_total',
    'Transactions older than one of the same user that was decided before.',
  );
  readonly #refusals = this.#counter('fraud_refusals_total', 'Requests refused, by status.', ['status']);
  readonly #labels = this.#counter('fraud_labels_total', 'Labels recorded, by verdict.', ['verdict']);
  readonly #byModel = new Map<string, ReturnType<Metrics['bind']>>();

  constructor(waitingCount: () => number, logBytes: () => number) {
    collectDefaultMetrics({ register: this.registry });
    this.#gauge('fraud_waiting_transactions', 'Transactions that wait for a batch.', waitingCount);
    this.#gauge('fraud_log_bytes', 'Length of the event log.', logBytes);
  }

  activate(modelVersion: string, arm: string): void {
    this.#activeModels.set({ model_version: modelVersion, arm }, 1);
    this.#byModel.set(modelVersion, this.bind(modelVersion));
  }

  stage(stage: Stage, milliseconds: number): void {
    this.#stages.observe({ stage }, milliseconds / 1000);
    if (stage === 'features') this.#featureRetrieval.observe(milliseconds / 1000);
  }

  decided({ modelVersion, isFraud, outcome, degraded, isOutOfOrder }: Decision, milliseconds: number): void {
    const bound = this.#byModel.get(modelVersion) ?? this.bind(modelVersion);
    (isFraud ? bound.fraud : bound.legitimate).inc();
    bound.latency.observe(milliseconds / 1000);
    this.#outcomes[outcome].inc();
    if (degraded.length > 0) this.#modelErrors.inc({ error_type: 'other_arm_scored' });
    if (isOutOfOrder) this.#outOfOrder.inc();
  }

  repeated(): void {
    this.#repeats.inc();
  }

  refused(status: number): void {
    this.#refusals.inc({ status: String(status) });
  }

  learned(isFraud: boolean): void {
    this.#labels.inc({ verdict: isFraud ? 'fraud' : 'legitimate' });
  }

  bind(modelVersion: string) {
    const labels = (prediction: string) =>
      this.#predictions.labels({ model_version: modelVersion, prediction });
    return {
      fraud: labels('fraud'),
      legitimate: labels('legitimate'),
      latency: this.#latency.labels({ model_version: modelVersion }),
    };
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[] = []): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  #gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
