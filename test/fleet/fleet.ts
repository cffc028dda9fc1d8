/** Several processes of the real service over a real Redis and a real Kafka, and what there is to be seen of them. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createClient, RESP_TYPES } from 'redis';
import { type KafkaSettings, readKafkaSettings } from '../../src/adapters/kafka/kafka-settings.ts';
import { partitionHash } from '../../src/adapters/kafka/partition.ts';
import { Publisher } from '../../src/adapters/kafka/publisher.ts';
import { readLog } from '../../src/adapters/kafka/read-log.ts';
import type { SourceTopic } from '../../src/adapters/kafka/transaction-consumer.ts';
import type { Decision } from '../../src/core/decision/decision.ts';
import { REACH_MS } from '../../src/core/features/feature-vector.ts';
import { SharedHistory } from '../../src/core/features/shared-history.ts';
import { HttpClient } from '../http-client.ts';
import type { transactionMessage } from '../http-messages.ts';
import { runVerbIn, type Service, startService, temporaryDirectory } from '../start-service.ts';

export type Environment = Readonly<Record<string, string>>;
export type Message = ReturnType<typeof transactionMessage>;

/** Where one node of each is, or of a proxy before it. */
export type FleetPlaces = {
  readonly redis: { readonly host: string; readonly port: number };
  readonly kafka: { readonly bootstrapServers: readonly string[] };
};

export type Fleet = FleetPlaces & {
  /** What its processes are told. */
  readonly environment: Environment;
  readonly settings: KafkaSettings;
};

/** Deadlines that a busy machine keeps: for tests in which nothing is broken, so that nothing is done without. */
export const PATIENT: Environment = { STORE_DEADLINE_MS: '10000', KAFKA_PUBLISH_DEADLINE_MS: '10000' };

const EVENTUALLY_MS = 60_000;
const POLL_MS = 50;

/** Topics of its own on these servers, made as people make them. */
export async function openFleet(
  { redis, kafka }: FleetPlaces,
  environment: Environment = {},
): Promise<Fleet> {
  const name = randomBytes(4).toString('hex');
  const told: Environment = {
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    KAFKA_BOOTSTRAP_SERVERS: kafka.bootstrapServers.join(','),
    KAFKA_TOPIC_PREFIX: `test-${name}-`,
    KAFKA_CONSUMER_GROUP: `group-${name}`,
    ...environment,
  };
  const { code, stderr } = await runVerbIn(told, 'topics');
  assert.equal(code, 0, stderr);
  return { redis, kafka, environment: told, settings: readKafkaSettings(told)! };
}

export type ProcessOptions = { readonly environment?: Environment; readonly dataDirectory?: string };

/** One more process, with a data directory of its own unless it is given one. */
export async function startProcess(
  test: TestContext,
  fleet: Pick<Fleet, 'environment'>,
  verb: 'serve' | 'stream',
  options: ProcessOptions = {},
): Promise<Service> {
  const dataDirectory = options.dataDirectory ?? (await temporaryDirectory(test));
  const environment = { ...fleet.environment, ...options.environment };
  return startService(test, { verb, dataDirectory, environment });
}

export type RawRecord = {
  readonly key: string;
  readonly value: string | Buffer | undefined;
};

/** Resolves when all of them are in the topic, in their order for each key. */
export function sendRecords(
  settings: KafkaSettings,
  topic: SourceTopic,
  records: readonly RawRecord[],
): Promise<void> {
  return sendRecordsTo(settings, topic, records, ({ key }) => partitionHash(key));
}

/** The same to partitions of the caller's choice. */
export async function sendRecordsTo(
  settings: KafkaSettings,
  topic: SourceTopic,
  records: readonly RawRecord[],
  partitionOf: (record: RawRecord) => number,
): Promise<void> {
  await using publisher = new Publisher(settings, 'fraud-test');
  await publisher.publish(
    records.map((record) => ({
      topic: settings.topicPrefix + topic,
      key: Buffer.from(record.key),
      value: record.value === undefined ? undefined : Buffer.from(record.value),
      partition: partitionOf(record),
    })),
  );
}

export function sendTransactions(settings: KafkaSettings, messages: readonly Message[]): Promise<void> {
  const records = messages.map((message) => ({ key: message.user_id, value: JSON.stringify(message) }));
  return sendRecords(settings, 'transactions', records);
}

/** All that the log says of each transaction, in its order: the first is the decision in effect. */
export async function decisionsInLog(
  settings: KafkaSettings,
): Promise<ReadonlyMap<string, readonly Decision[]>> {
  const byId = new Map<string, Decision[]>();
  for await (const events of readLog(settings, { topics: ['predictions'] })) {
    for (const event of events) {
      if (event.kind !== 'decision') continue;
      const id = event.decision.transaction.transactionId;
      const known = byId.get(id);
      if (known) known.push(event.decision);
      else byId.set(id, [event.decision]);
    }
  }
  return byId;
}

/** By the key in Redis, each history as a store would keep it that has it for itself: equal ones have equal bytes. */
export async function historiesIn({
  host,
  port,
}: FleetPlaces['redis']): Promise<ReadonlyMap<string, Buffer>> {
  const client = createClient({
    socket: { host, port },
    RESP: 2,
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
  await client.connect();
  try {
    const keys = (await client.sendCommand<Buffer[]>(['KEYS', '*'])).map(String).sort();
    const histories = new Map<string, Buffer>();
    for (const key of keys) {
      const [kind] = key.split(':');
      if (kind !== 'user' && kind !== 'terminal') continue;
      const bytes = await client.sendCommand<Buffer>(['GET', key]);
      histories.set(key, Buffer.from(new SharedHistory(REACH_MS[kind], bytes).toBytes()));
    }
    return histories;
  } finally {
    client.destroy();
  }
}

/** Waits until it holds; what does not hold in time is told as it last failed. */
export async function eventually<Result>(
  check: () => Promise<Result>,
  withinMs = EVENTUALLY_MS,
): Promise<Result> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await delay(POLL_MS);
    }
  }
}

/** The sum of a metric's values over all labels that match; 0 where there is none. */
export async function metricOf({ url }: Pick<Service, 'url'>, name: string, labels = ''): Promise<number> {
  using client = new HttpClient(url, 1);
  const { text } = await client.get('/metrics');
  let sum = 0;
  for (const line of text.split('\n')) {
    const [, found, had, value] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    if (found === name && (had ?? '').includes(labels)) sum += Number(value);
  }
  return sum;
}

/** What each process has no dependency for. */
export async function assertAlive({ url }: Pick<Service, 'url'>): Promise<void> {
  using client = new HttpClient(url, 1);
  assert.equal((await client.get('/livez')).status, 200);
  assert.equal((await client.get('/readyz')).status, 200);
}

/** The answers of one request to /predict/batch, as their bytes. */
export async function askAll(client: HttpClient, messages: readonly Message[]): Promise<string[]> {
  const { status, text } = await client.post('/predict/batch', { transactions: messages });
  assert.equal(status, 200, text);
  const answers = text.slice('{"decisions":['.length, -2).split(/(?<=\}),(?=\{)/);
  assert.equal(answers.length, messages.length);
  return answers;
}
