/**
 * The event log in Kafka, on one broker that this starts itself, on the same cores: throughput and latency of appends at several
 * concurrencies, CPU an event of client and broker; the same with the spool in front; and how fast records are consumed and
 * the log is read back. About 90 s.
 *
 *     node bench/kafka.ts
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { KafkaEventLog } from '../src/adapters/kafka/kafka-event-log.ts';
import { type KafkaSettings, readKafkaSettings } from '../src/adapters/kafka/kafka-settings.ts';
import { partitionHash } from '../src/adapters/kafka/partition.ts';
import { Publisher } from '../src/adapters/kafka/publisher.ts';
import { readLog } from '../src/adapters/kafka/read-log.ts';
import { TopicAdmin } from '../src/adapters/kafka/topic-admin.ts';
import { TransactionConsumer } from '../src/adapters/kafka/transaction-consumer.ts';
import { findFreePorts, LOCALHOST } from '../src/adapters/local-servers/free-ports.ts';
import { prepareKafka } from '../src/adapters/local-servers/kafka-broker.ts';
import { findKafka } from '../src/adapters/local-servers/kafka-libraries.ts';
import { readRecord } from '../src/adapters/local-servers/server-record.ts';
import { openSpooledEventLog } from '../src/adapters/spooled-log/spooled-event-log.ts';
import { transactionJson } from '../src/core/transaction/transaction.ts';
import { sampleControl, sampleDecision } from '../src/pipeline/event-log.contract.ts';
import type { EventLog, LogEvent } from '../src/pipeline/event-log.ts';
import { formatConditions, readConditions } from './load/conditions.ts';
import { readProcessCpuMs } from './load/process-cpu.ts';

const CONCURRENCIES = [1, 8, 64, 256, 1024];
const RUN_MS = 5_000;
const WARM_UP_MS = 3_000;
const DISTINCT_DECISIONS = 1_000;
const FEATURES = 28;
const CONSUMED_RECORDS = 300_000;
const SEND_RECORDS = 2_000;
const BATCH_RECORDS = 500;

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-kafka-'));
  const [port, controllerPort] = await findFreePorts(2);
  const program = await findKafka((text) => process.stderr.write(`${text}\n`));
  const [broker] = await prepareKafka({ folder, ports: [port], controllerPorts: [controllerPort], program });
  try {
    await broker.start({ isDetached: false });
    const settings = readKafkaSettings({ KAFKA_BOOTSTRAP_SERVERS: `${LOCALHOST}:${port}` })!;
    await using admin = new TopicAdmin(settings);
    await admin.create();
    process.stdout.write(formatConditions(readConditions(folder)));
    const { pid } = (await readRecord(broker.recipe.folder))!;
    await measureAppends(settings, pid, join(folder, 'spool'));
    await measureConsumer(settings, pid);
    await measureReading(settings, pid);
  } finally {
    await broker.kill();
    await rm(folder, { recursive: true });
  }
}

async function measureAppends(settings: KafkaSettings, brokerPid: number, spool: string): Promise<void> {
  const control = benchControl();
  const events = Array.from({ length: DISTINCT_DECISIONS }, (_, index) => benchDecision(index));
  {
    await using log = new KafkaEventLog(settings);
    await log.warmUp();
    await log.append([control]).durable;
    await run(log, events, 64, WARM_UP_MS);
    for (const concurrency of CONCURRENCIES) {
      await measured('KafkaEventLog', brokerPid, () => run(log, events, concurrency, RUN_MS));
    }
  }
  const primary = new KafkaEventLog(settings);
  await primary.warmUp();
  let takeovers = 0;
  await using log = await openSpooledEventLog({
    primary,
    directory: spool,
    onChange: ({ isSpooling }) => {
      takeovers += isSpooling ? 1 : 0;
    },
  });
  for (const concurrency of [64, 1024]) {
    await measured('SpooledEventLog', brokerPid, () => run(log, events, concurrency, RUN_MS));
  }
  console.log(
    `                 the spool took over ${takeovers} times, as an acknowledgement took over 30 ms`,
  );
}

type Run = { readonly what: string; readonly count: number; readonly latency: string };

/** So many callers, each appending its next decision when the one before is durable. */
async function run(
  log: EventLog,
  events: readonly LogEvent[],
  concurrency: number,
  milliseconds: number,
): Promise<Run> {
  const latencies = createHistogram();
  const until = performance.now() + milliseconds;
  const caller = async (first: number): Promise<void> => {
    for (let index = first; performance.now() < until; index += concurrency) {
      const appended = performance.now();
      await log.append([events[index % events.length]]).durable;
      latencies.record(Math.max(1, Math.round((performance.now() - appended) * 1_000)));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => caller(index)));
  const [p50, p99] = [50, 99].map((share) => (latencies.percentile(share) / 1_000).toFixed(2));
  const what = `${String(concurrency).padStart(5)} callers`;
  return { what, count: latencies.count, latency: `, p50 ${p50} ms, p99 ${p99} ms` };
}

async function measured(name: string, brokerPid: number, work: () => Promise<Run>): Promise<void> {
  const clientBefore = process.cpuUsage();
  const brokerBefore = readProcessCpuMs(brokerPid);
  const started = performance.now();
  const { what, count, latency } = await work();
  const seconds = (performance.now() - started) / 1_000;
  const { user, system } = process.cpuUsage(clientBefore);
  const client = ((user + system) / count).toFixed(1);
  const brokerUs = (((readProcessCpuMs(brokerPid) - brokerBefore) * 1_000) / count).toFixed(1);
  console.log(
    `${name.padEnd(16)} ${what}: ${Math.round(count / seconds)}/s${latency}; CPU an event: ` +
      `${client} µs client, ${brokerUs} µs broker`,
  );
}

async function measureConsumer(settings: KafkaSettings, brokerPid: number): Promise<void> {
  {
    await using publisher = new Publisher(settings, 'bench');
    for (let sent = 0; sent < CONSUMED_RECORDS; sent += SEND_RECORDS) {
      await publisher.publish(Array.from({ length: SEND_RECORDS }, (_, index) => benchRecord(sent + index)));
    }
  }
  await using consumer = await TransactionConsumer.open(settings);
  const first = (await consumer.next(1))!;
  consumer.done(first);
  await measured('consumer', brokerPid, async () => {
    let count = first.length;
    while (count < CONSUMED_RECORDS) {
      const records = (await consumer.next(BATCH_RECORDS))!;
      count += records.length;
      consumer.done(records);
    }
    return { what: `batches of ${BATCH_RECORDS}`, count, latency: '' };
  });
}

async function measureReading(settings: KafkaSettings, brokerPid: number): Promise<void> {
  await measured('readLog', brokerPid, async () => {
    let count = 0;
    for await (const events of readLog(settings)) count += events.length;
    return { what: `${count} events`, count, latency: '' };
  });
}

function benchRecord(index: number) {
  const event = benchDecision(index % DISTINCT_DECISIONS);
  const { transaction } = event.decision;
  return {
    topic: 'transactions',
    key: Buffer.from(transaction.userId),
    value: Buffer.from(transactionJson(transaction)),
    partition: partitionHash(transaction.userId),
  };
}

function benchDecision(index: number): Extract<LogEvent, { kind: 'decision' }> {
  const event = sampleDecision(index);
  if (event.kind !== 'decision') throw new Error('the sample is a decision');
  const { decision } = event;
  const userId = `user-${index % 97}` as typeof decision.transaction.userId;
  const features = Float32Array.from({ length: FEATURES }, (_, feature) =>
    feature === 3 ? Number.NaN : index / (feature + 1),
  );
  return {
    kind: 'decision',
    decision: { ...decision, transaction: { ...decision.transaction, userId }, features },
  };
}

function benchControl(): LogEvent {
  const event = sampleControl(3);
  if (event.kind !== 'control') throw new Error('the sample is a control document');
  const features = Array.from({ length: FEATURES }, (_, index) => `user_transaction_count_${index}`);
  return { kind: 'control', control: { ...event.control, features } };
}

await main();
