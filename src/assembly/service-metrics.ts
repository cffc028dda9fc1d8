/** What `/metrics` shows: the mission's names as they are, ours beginning with `fraud_`. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import type { PartitionLag } from '../adapters/kafka/transaction-consumer.ts';
import type { Decision, Outcome, Stage } from '../core/decision/decision.ts';
import type { Engine, Trouble } from './engine.ts';

/** Edges around the promises: features under 5 ms, p50 under 50 ms, p99 under 100 ms. */
const LATENCY_EDGES_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5,
];
const STAGE_EDGES_SECONDS = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1];

const SERVERS: readonly Trouble['server'][] = ['redis', 'kafka'];

export class ServiceMetrics {
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
  readonly #degraded = this.#counter('fraud_degraded_total', 'Decisions by the stage they did without.', [
    'stage',
  ]);
  readonly #repaired = this.#counter(
    'fraud_repaired_total',
    'Decisions made without their histories that are recorded in them since.',
  );
  readonly #deadLetters = this.#counter(
    'fraud_dead_letters_total',
    'Records sent to the dead letters, by topic.',
    ['topic'],
  );
  readonly #repeats = this.#counter('fraud_repeats_total', 'Requests answered with a decision that existed.');
  readonly #outOfOrder = this.#counter(
    'fraud_out_of_order_total',
    'Transactions older than one of the same user that was decided before.',
  );
  readonly #refusals = this.#counter('fraud_refusals_total', 'Requests refused, by status.', ['status']);
  readonly #labels = this.#counter('fraud_labels_total', 'Labels recorded, by verdict.', ['verdict']);
  readonly #byStage = new Map<Stage, ReturnType<ServiceMetrics['bindStage']>>();
  readonly #byModel = new Map<string, ReturnType<ServiceMetrics['bind']>>();

  constructor(engine: Pick<Engine, 'lane' | 'logBytes' | 'troubles'>) {
    collectDefaultMetrics({ register: this.registry });
    this.#gauge(
      'fraud_waiting_transactions',
      'Transactions that wait for a batch.',
      () => engine.lane.waitingCount,
    );
    this.#gauge(
      'fraud_log_bytes',
      'Bytes of the log, or of the spool, on this machine’s disk.',
      () => engine.logBytes,
    );
    this.#addTroubles(() => engine.troubles);
    for (const [arm, { model }] of Object.entries(engine.lane.control.arms)) {
      this.#activeModels.set({ model_version: model.version, arm }, 1);
      this.#byModel.set(model.version, this.bind(model.version));
    }
  }

  stage(stage: Stage, milliseconds: number): void {
    this.#stageOf(stage).observe(milliseconds / 1000);
    if (stage === 'features') this.#featureRetrieval.observe(milliseconds / 1000);
  }

  decided({ modelVersion, isFraud, outcome, degraded, isOutOfOrder }: Decision, milliseconds: number): void {
    const bound = this.#byModel.get(modelVersion) ?? this.bind(modelVersion);
    (isFraud ? bound.fraud : bound.legitimate).inc();
    bound.latency.observe(milliseconds / 1000);
    this.#outcomes[outcome].inc();
    for (const stage of degraded) this.#degraded.inc({ stage });
    if (degraded.includes('score')) this.#modelErrors.inc({ error_type: 'other_arm_scored' });
    if (isOutOfOrder) this.#outOfOrder.inc();
  }

  deadLetter(topic: string): void {
    this.#deadLetters.inc({ topic });
  }

  /** Under the name of the exporter that dashboards know it from. */
  addLag(read: () => readonly PartitionLag[]): void {
    new Gauge({
      name: 'kafka_consumergroup_lag',
      help: 'Records of a partition that the group has not committed.',
      labelNames: ['consumergroup', 'topic', 'partition'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { consumerGroup, topic, partition, lag } of read())
          this.set({ consumergroup: consumerGroup, topic, partition: String(partition) }, lag);
      },
    });
  }

  repaired(decisions: number): void {
    this.#repaired.inc(decisions);
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

  bindStage(stage: Stage) {
    return this.#stages.labels({ stage });
  }

  #stageOf(stage: Stage): ReturnType<ServiceMetrics['bindStage']> {
    const bound = this.#byStage.get(stage) ?? this.bindStage(stage);
    this.#byStage.set(stage, bound);
    return bound;
  }

  /** Since when a server is away; 0 while it is there. */
  #addTroubles(read: () => readonly Trouble[]): void {
    new Gauge({
      name: 'fraud_server_away_seconds',
      help: 'How long a server has been away; 0 while it is there.',
      labelNames: ['server'],
      registers: [this.registry],
      collect() {
        for (const server of SERVERS) {
          const trouble = read().find((found) => found.server === server);
          this.set({ server }, trouble ? (Date.now() - trouble.sinceMs) / 1000 : 0);
        }
      },
    });
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
