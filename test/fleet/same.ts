/**
 * One sequence of transactions and labels through every way that the service can be put together, and by every door:
 *
 *     views in LMDB, in Redis  x  log embedded, in Kafka  x  by HTTP, and by stream where there is a Kafka
 *
 * All features and decisions must be the same to the bit; only when they were made, and how long it took, may differ.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { askRedis } from '../../src/adapters/local-servers/redis-server.ts';
import { openSegmentLog } from '../../src/adapters/segment-log/segment-log.ts';
import type { Decision } from '../../src/core/decision/decision.ts';
import { HttpClient } from '../http-client.ts';
import type { Service } from '../start-service.ts';
import {
  decisionsInLog,
  type Environment,
  eventually,
  type Fleet,
  type FleetPlaces,
  type Message,
  metricOf,
  openFleet,
  PATIENT,
  sendRecordsTo,
} from './fleet.ts';
import type { LabelMessage } from './load.ts';

/** Transactions, and then what became known before the next ones happened. */
export type Step = { readonly transactions: readonly Message[]; readonly labels: readonly LabelMessage[] };

/** Of a process that decides. */
export type Way = {
  readonly name: string;
  readonly verb: 'serve' | 'stream';
  readonly redis: boolean;
  readonly kafka: boolean;
};

export const WAYS: readonly Way[] = [
  { name: 'HTTP, embedded, embedded log', verb: 'serve', redis: false, kafka: false },
  { name: 'HTTP, embedded, forwarded to Kafka', verb: 'serve', redis: false, kafka: true },
  { name: 'HTTP, Redis, log of its own', verb: 'serve', redis: true, kafka: false },
  { name: 'HTTP, Redis, Kafka', verb: 'serve', redis: true, kafka: true },
  { name: 'stream, embedded, forwarded to Kafka', verb: 'stream', redis: false, kafka: true },
  { name: 'stream, Redis, Kafka', verb: 'stream', redis: true, kafka: true },
];

export type SameContext = {
  /** Redis is emptied before each way: nobody else may use it. */
  readonly servers: FleetPlaces;
  /** A process with a data directory that nobody had before. */
  readonly start: (verb: Way['verb'], environment: Environment, dataDirectory: string) => Promise<Service>;
  readonly newDirectory: () => Promise<string>;
};

/** By id, each decision as everybody must have made it. */
export type Decided = ReadonlyMap<string, string>;

const BATCH = 500;
/** All records are in one partition: between partitions there is no order, and terminals' histories need one. */
const PARTITION = 0;
const FEED_WITHIN_MS = 600_000;

/** @returns the decisions in the log when all steps have gone this way, one after the other */
export async function decideBy(
  way: Way,
  steps: readonly Step[],
  { servers, start, newDirectory }: SameContext,
): Promise<Decided> {
  await askRedis(servers.redis, ['FLUSHALL']);
  const dataDirectory = await newDirectory();
  const fleet = await openFleet(servers, PATIENT);
  const isOfWay = (name: string) =>
    (way.redis && /^(REDIS|STORE)_/.test(name)) || (way.kafka && /^(KAFKA|SPOOL)_/.test(name));
  const environment = Object.fromEntries(Object.entries(fleet.environment).filter(([name]) => isOfWay(name)));
  const service = await start(way.verb, environment, dataDirectory);
  if (way.verb === 'serve') await feedByHttp(service, steps);
  else await feedByTopics(service, steps, fleet.settings);
  const count = steps.reduce((sum, { transactions }) => sum + transactions.length, 0);
  const inTopics = way.kafka ? await eventually(() => allInTopics(fleet, count)) : undefined;
  assert.equal((await service.stop()).code, 0, service.log());
  const isLogInKafka = way.redis && way.kafka;
  const decisions = isLogInKafka ? inTopics! : await decisionsIn(dataDirectory);
  if (inTopics && !isLogInKafka) assertForwarded(decisions, inTopics);
  return new Map([...decisions].map(([id, [first]]) => [id, withoutTimes(first)]));
}

/** An embedded log is forwarded a moment behind the answers. */
async function allInTopics({ settings }: Fleet, count: number) {
  const decisions = await decisionsInLog(settings);
  assert.equal(decisions.size, count);
  return decisions;
}

async function feedByHttp({ url }: Service, steps: readonly Step[]): Promise<void> {
  using client = new HttpClient(url, 1);
  for (const { transactions, labels } of steps) {
    for (const batch of batchesOf(transactions)) {
      const { status, text } = await client.post('/predict/batch', { transactions: batch });
      assert.equal(status, 200, text);
    }
    for (const batch of batchesOf(labels)) {
      const { status, json } = await client.post('/labels', { labels: batch });
      assert.equal(status, 200);
      for (const label of json.labels) assert.equal(label.status, 'recorded', JSON.stringify(label));
    }
  }
}

/** What became known waits until its transactions are decided, as the topics have no order among each other. */
async function feedByTopics(
  service: Service,
  steps: readonly Step[],
  settings: Parameters<typeof sendRecordsTo>[0],
): Promise<void> {
  let decided = 0;
  let learned = 0;
  for (const { transactions, labels } of steps) {
    const records = transactions.map((message) => ({ key: message.user_id, value: JSON.stringify(message) }));
    await sendRecordsTo(settings, 'transactions', records, () => PARTITION);
    decided += transactions.length;
    await untilMetric(service, 'predictions_total', decided);
    const known = labels.map((label) => ({ key: label.transaction_id, value: JSON.stringify(label) }));
    await sendRecordsTo(settings, 'labels', known, () => PARTITION);
    learned += labels.length;
    await untilMetric(service, 'fraud_labels_total', learned);
  }
}

function untilMetric(service: Service, name: string, value: number): Promise<void> {
  return eventually(async () => assert.equal(await metricOf(service, name), value), FEED_WITHIN_MS);
}

async function decisionsIn(dataDirectory: string): Promise<ReadonlyMap<string, readonly Decision[]>> {
  await using log = await openSegmentLog(join(dataDirectory, 'log'));
  const decisions = new Map<string, Decision[]>();
  for await (const batch of log.read(0)) {
    for (const { event } of batch) {
      if (event.kind === 'decision')
        decisions.set(event.decision.transaction.transactionId, [event.decision]);
    }
  }
  return decisions;
}

function assertForwarded(
  decisions: ReadonlyMap<string, readonly Decision[]>,
  forwarded: ReadonlyMap<string, readonly Decision[]>,
): void {
  for (const [id, [decision]] of decisions) assert.deepEqual(forwarded.get(id)?.[0], decision);
}

/** Floats bit for bit, so that -0 and NaN are what they are. */
function withoutTimes({ decidedAtMs: _at, latencyMs: _latency, features, ...decision }: Decision): string {
  const bits = Buffer.from(features.buffer, features.byteOffset, features.byteLength).toString('hex');
  return JSON.stringify({ ...decision, features: bits }, (_key, value) => value ?? null);
}

function* batchesOf<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let from = 0; from < items.length; from += BATCH) yield items.slice(from, from + BATCH);
}
