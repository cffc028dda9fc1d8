/**
 * The way of a batch of records: transactions first, then labels, each as far as the log. Whoever waits is a topic, which
 * is patient: what the process cannot take now is tried again, and meanwhile nothing more is fetched.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { DeadLetters } from '../../adapters/kafka/dead-letters.ts';
import type { FeatureUpdates } from '../../adapters/kafka/feature-updates.ts';
import type { ConsumedRecord } from '../../adapters/kafka/transaction-consumer.ts';
import { type Engine, now } from '../../assembly/engine.ts';
import type { ServiceMetrics } from '../../assembly/service-metrics.ts';
import type { Decision } from '../../core/decision/decision.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import {
  OverloadedError,
  ScoringFailedError,
  StoreUnavailableError,
} from '../../pipeline/pipeline-errors.ts';
import type { Learned, Verdict } from '../../pipeline/verdict.ts';
import type { Work } from './pump.ts';
import { type ReadRecord, readRecord } from './read-record.ts';

export type StreamContext = {
  readonly engine: Engine;
  readonly deadLetters: DeadLetters;
  readonly updates: FeatureUpdates;
  readonly metrics: ServiceMetrics;
  readonly logger: Logger;
};

const RETRY_MS = 200;
/** A label may overtake its transaction, which comes by another partition or another door. */
const UNKNOWN_TRIES = 25;

export function scoreRecords(context: StreamContext): Work {
  return async (records) => {
    const read = records.map((record) => readRecord(record, now()));
    const transactions = read.filter((one) => one.kind === 'transaction');
    const labels = read.filter((one) => one.kind === 'label');
    const bad = read.filter((one) => one.kind === 'unreadable');
    await Promise.all([
      ...bad.map(({ record, reason }) => bury(record, reason, context)),
      decideAll(transactions, context).then(() => learnAll(labels, context)),
    ]);
  };
}

/** Sends a record to the dead letters, for as long as it takes. */
export async function bury(record: ConsumedRecord, reason: string, context: StreamContext): Promise<void> {
  await patiently(() => context.deadLetters.send(record, reason));
  context.metrics.deadLetter(record.topic);
  const { topic, partition, offset } = record;
  context.logger.warn(
    { topic, partition, offset: String(offset), reason },
    'a record went to the dead letters',
  );
}

async function decideAll(
  read: readonly Extract<ReadRecord, { kind: 'transaction' }>[],
  context: StreamContext,
): Promise<void> {
  if (read.length === 0) return;
  const { lane } = context.engine;
  const arrivedAtMs = now();
  const arrivals = read.map(({ transaction }) => ({ transaction, arrivedAtMs }));
  const verdicts = await patiently(() => lane.decide(arrivals));
  const decided = verdicts.flatMap((verdict) => observe(verdict, arrivedAtMs, context));
  const conflicts = read.filter((_one, index) => verdicts[index].kind === 'conflict');
  await Promise.all([
    publishFeatures(decided, context),
    ...conflicts.map(({ record }) =>
      bury(record, 'transaction_id must be unique, found another transaction decided under it', context),
    ),
  ]);
}

function observe(verdict: Verdict, arrivedAtMs: number, { metrics }: StreamContext): Decision[] {
  if (verdict.kind === 'conflict') return [];
  if (verdict.isRepeat) {
    metrics.repeated();
    return [];
  }
  metrics.decided(verdict.decision, now() - arrivedAtMs);
  return [verdict.decision];
}

async function publishFeatures(
  decisions: readonly Decision[],
  { engine, updates }: StreamContext,
): Promise<void> {
  if (decisions.length === 0) return;
  const { features } = engine.lane.control.document;
  await patiently(() => updates.publish(decisions, features));
}

/** Labels of transactions that are not known yet are tried again for some seconds, and then buried. */
async function learnAll(
  read: readonly Extract<ReadRecord, { kind: 'label' }>[],
  context: StreamContext,
): Promise<void> {
  let waiting = read;
  for (let attempt = 1; waiting.length > 0; attempt++) {
    const labels = waiting.map(({ label }) => label);
    const learned = await patiently(() => context.engine.lane.learn(labels));
    learned.forEach((result, index) => {
      if (result === 'recorded') context.metrics.learned(labels[index].isFraud);
    });
    await buryWhere(
      waiting,
      learned,
      'before-transaction',
      'known_at must not be before the transaction',
      context,
    );
    waiting = waiting.filter((_one, index) => learned[index] === 'unknown-transaction');
    if (attempt === UNKNOWN_TRIES) break;
    if (waiting.length > 0) await delay(RETRY_MS);
  }
  const reason = 'transaction_id must be that of a decided transaction, found another';
  await Promise.all(waiting.map(({ record }) => bury(record, reason, context)));
}

async function buryWhere(
  read: readonly ReadRecord[],
  learned: readonly Learned[],
  result: Learned,
  reason: string,
  context: StreamContext,
): Promise<void> {
  const found = read.filter((_one, index) => learned[index] === result);
  await Promise.all(found.map(({ record }) => bury(record, reason, context)));
}

/** Until it can be done; the caller is a topic, and nothing else is fetched meanwhile. */
export async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error)) throw error;
      await delay(RETRY_MS);
    }
  }
}

function isPassing(error: unknown): boolean {
  return [LogUnavailableError, OverloadedError, ScoringFailedError, StoreUnavailableError].some(
    (kind) => error instanceof kind,
  );
}
