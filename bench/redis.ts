/**
 * Histories and decisions in Redis: what a transaction costs this process and the server, and how long a batch takes.
 * A server of its own on this machine, with its append-only file synced every second. About 40 s.
 *
 *     node bench/redis.ts [ways]
 *
 * `ways` compares how the commands of a transaction can be handed to node-redis: two APPEND, two GETEX.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { createClient, RESP_TYPES } from 'redis';
import { findFreePorts, LOCALHOST } from '../src/adapters/local-servers/free-ports.ts';
import { findPrograms } from '../src/adapters/local-servers/programs.ts';
import { prepareRedis } from '../src/adapters/local-servers/redis-server.ts';
import { readRecord } from '../src/adapters/local-servers/server-record.ts';
import { deadlinesOf } from '../src/adapters/redis/redis-settings.ts';
import { RedisStores } from '../src/adapters/redis/redis-stores.ts';
import type { Decision } from '../src/core/decision/decision.ts';
import { EntityHistory } from '../src/core/features/entity-history.ts';
import { REACH_MS } from '../src/core/features/feature-vector.ts';
import type { TerminalId, TransactionId, UserId } from '../src/core/transaction/ids.ts';
import type { Transaction } from '../src/core/transaction/transaction.ts';
import { formatConditions, readConditions } from './load/conditions.ts';
import { readProcessCpuMs } from './load/process-cpu.ts';

const BATCHES = [1, 8, 64, 512];
const USERS = 2_000;
const TERMINALS = 4_000;
/** Of an entity of the Fraud Detection Handbook after a month. */
const RECORDS_BEFORE = 60;
const RUN_MS = 2_000;
const WARM_UP_MS = 500;
const FEATURES = 28;
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2024, 0, 1);

type Place = { readonly port: number; readonly pid: number };
type Operation = (batch: readonly number[]) => Promise<unknown>;

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-redis-'));
  const [[program], [port]] = await Promise.all([findPrograms(['redis-server'], say), findFreePorts(1)]);
  const server = await prepareRedis({ name: 'redis', folder, port, program });
  try {
    await server.start({ isDetached: false });
    const place = { port, pid: (await readRecord(folder))!.pid };
    console.log(formatConditions(readConditions(folder)));
    if (process.argv[2] === 'ways') await compareWays(place);
    else await measureStores(place);
  } finally {
    await server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureStores(place: Place): Promise<void> {
  await using stores = await RedisStores.open({
    host: LOCALHOST,
    port: place.port,
    isCluster: false,
    security: { username: undefined, password: undefined, tls: undefined },
    decisionSeconds: 7 * 86_400,
    historySeconds: 90 * 86_400,
    deadlines: deadlinesOf(10_000),
  });
  const { featureStore, decisionIndex, restorer } = stores;
  await fillHistories(stores);
  const operations: Readonly<Record<string, Operation>> = {
    record: (batch) => featureStore.record(batch.map(transactionOf)),
    'find, unknown': (batch) => decisionIndex.find(batch.map((ordinal) => idOf(ordinal))),
    'claim, confirm': async (batch) => {
      const decisions = batch.map((ordinal) => decisionOf(transactionOf(ordinal)));
      decisionIndex.confirm(await decisionIndex.claim(decisions));
    },
    'find, known': (batch) => decisionIndex.find(batch.map((ordinal) => idOf(ordinal % 1_000))),
  };
  await restorer.restoreDecisions(
    Array.from({ length: 1_000 }, (_, ordinal) => decisionOf(transactionOf(ordinal))),
  );
  for (const [name, operation] of Object.entries(operations)) {
    for (const size of BATCHES) await measure(place, name, operation, size);
  }
}

/** As they are after a month, folded histories of busy entities among them. */
async function fillHistories({ restorer }: RedisStores): Promise<void> {
  const history = new EntityHistory(REACH_MS.terminal);
  for (let record = 0; record < RECORDS_BEFORE; record++)
    history.recordTransaction(transactionOf(record), 'u');
  const bytes = history.toBytes();
  await restorer.restoreHistories([
    ...Array.from({ length: USERS }, (_, user) => ({ entity: 'user' as const, id: `u${user}`, bytes })),
    ...Array.from({ length: TERMINALS }, (_, shop) => ({
      entity: 'terminal' as const,
      id: `t${shop}`,
      bytes,
    })),
  ]);
}

let next = 1_000_000;

/** One batch after the other: what the lane does. */
async function measure(place: Place, name: string, operation: Operation, size: number): Promise<void> {
  await repeat(operation, size, WARM_UP_MS);
  const serverBefore = readProcessCpuMs(place.pid);
  const before = process.cpuUsage();
  const { transactions, latencies, ms } = await repeat(operation, size, RUN_MS);
  const { user, system } = process.cpuUsage(before);
  const server = (readProcessCpuMs(place.pid) - serverBefore) * 1_000;
  const perTransaction = (microseconds: number) => (microseconds / transactions).toFixed(1).padStart(6);
  const latency = (percentile: number) => (latencies.percentile(percentile) / 1_000).toFixed(2).padStart(7);
  console.log(
    `${name.padEnd(15)} batch of ${String(size).padStart(3)}   client ${perTransaction(user + system)} µs CPU   ` +
      `Redis ${perTransaction(server)} µs CPU   p50 ${latency(50)} ms   p99 ${latency(99)} ms   ` +
      `${Math.round(transactions / (ms / 1_000)).toLocaleString('en')}/s`,
  );
}

async function repeat(operation: Operation, size: number, forMs: number) {
  const latencies: RecordableHistogram = createHistogram();
  const startedMs = performance.now();
  let transactions = 0;
  for (;;) {
    const batch = Array.from({ length: size }, () => next++);
    const sentMs = performance.now();
    await operation(batch);
    const nowMs = performance.now();
    latencies.record(Math.max(1, Math.round((nowMs - sentMs) * 1_000)));
    transactions += size;
    if (nowMs - startedMs > forMs) return { transactions, latencies, ms: nowMs - startedMs };
  }
}

async function compareWays(place: Place): Promise<void> {
  const socket = { host: LOCALHOST, port: place.port };
  const typeMapping = { [RESP_TYPES.BLOB_STRING]: Buffer };
  const plain = createClient({
    socket,
    RESP: 2,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
  });
  const standard = createClient({ socket });
  const asStrings = plain;
  await Promise.all([plain.connect(), standard.connect()]);
  const raw = plain.withTypeMapping(typeMapping);
  const withTimeouts = standard.withTypeMapping(typeMapping);
  const record = Buffer.alloc(24, 1);
  const expiry = ['EX', '7776000'] as const;
  const keysOf = (ordinal: number) => [`user:u${ordinal % USERS}`, `terminal:t${(ordinal * 7) % TERMINALS}`];
  const sendTo =
    (client: Pick<typeof raw, 'sendCommand'>): Operation =>
    async (batch) => {
      const keys = batch.flatMap(keysOf);
      await Promise.all([
        ...keys.map((key) => client.sendCommand(['APPEND', key, record])),
        ...keys.map((key) => client.sendCommand(['GETEX', key, ...expiry])),
      ]);
    };
  const ways: Readonly<Record<string, Operation>> = {
    sendCommand: sendTo(raw),
    'as strings': sendTo(asStrings),
    'typed methods': async (batch) => {
      const keys = batch.flatMap(keysOf);
      await Promise.all([
        ...keys.map((key) => raw.append(key, record)),
        ...keys.map((key) => raw.getEx(key, { type: 'EX', value: 7_776_000 })),
      ]);
    },
    'multi, pipeline': async (batch) => {
      const keys = batch.flatMap(keysOf);
      const multi = raw.multi();
      for (const key of keys) multi.append(key, record);
      for (const key of keys) multi.getEx(key, { type: 'EX', value: 7_776_000 });
      await multi.execAsPipeline();
    },
    'default timeout': sendTo(withTimeouts),
  };
  for (const [name, operation] of Object.entries(ways)) {
    for (const size of BATCHES) {
      await plain.flushAll();
      await measure(place, name, operation, size);
    }
  }
  plain.destroy();
  standard.destroy();
}

function transactionOf(ordinal: number): Transaction {
  return {
    transactionId: idOf(ordinal),
    userId: `u${ordinal % USERS}` as UserId,
    terminalId: `t${(ordinal * 7) % TERMINALS}` as TerminalId,
    amountUnits: 10_000 + (ordinal % 1_000_000),
    currency: 'EUR',
    merchantCategory: 'grocery',
    isInternational: ordinal % 10 === 0,
    timestampMs: START_MS + ordinal * MINUTE_MS,
    metadataJson: undefined,
  };
}

function idOf(ordinal: number): TransactionId {
  return `3f1c9a52-7d40-4b7e-9a6e-${ordinal}` as TransactionId;
}

function decisionOf(transaction: Transaction): Decision {
  return {
    transaction,
    userPosition: 61,
    terminalPosition: 61,
    isOutOfOrder: false,
    features: Float32Array.from({ length: FEATURES }, (_, index) => index / 3),
    controlVersion: 1,
    arm: 'A',
    modelVersion: 'v1',
    fraudProbability: 0.125,
    isFraud: false,
    outcome: 'approve',
    reasonCodes: [],
    degraded: [],
    decidedAtMs: transaction.timestampMs,
    latencyMs: 1.5,
  };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

await main();
