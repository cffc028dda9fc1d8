/**
 * Durable appends to the embedded log: throughput and latency at several concurrencies, what an append costs the
 * main thread, and how fast the log is read back. About 20 s.
 *
 *     node bench/log.ts [directory]      (default: a temporary directory; choose one on the disk that matters)
 *
 * Why the log writes the way it does (2 shared vCPUs, virtual disk, ext4; one flight after another, medians; CPU
 * of the whole process, in brackets of the main thread):
 *
 *     flight of 12,000 bytes           p50 ms   flights/s   CPU µs a flight
 *     write, then fdatasync             0.33      2,900        167 (41)
 *     O_DSYNC                           0.28      3,000        144 (31)
 *     write, fdatasync; zero-filled     0.22      4,100        139 (42)
 *     O_DSYNC; zero-filled              0.18      5,250        104 (25)     <- chosen
 *
 * Zeros written 512 KiB at a time with the flight that needs them are as good as a file filled before.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { openSegmentLog } from '../src/adapters/segment-log/segment-log.ts';
import type { Decision } from '../src/core/decision/decision.ts';
import type { TerminalId, TransactionId, UserId } from '../src/core/transaction/ids.ts';
import type { LogEvent, PositionedEventLog } from '../src/pipeline/event-log.ts';

const CONCURRENCIES = [1, 8, 64, 256, 1024];
const RUN_MS = 3_000;
const DISTINCT_DECISIONS = 1_000;
const FEATURES = 28;
const HOT_APPENDS = 10_000;
const HOT_ROUNDS = 20;

async function main(): Promise<void> {
  const directory = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'bench-log-'));
  try {
    await using log = await openSegmentLog(directory);
    const events = Array.from({ length: DISTINCT_DECISIONS }, (_, index) => sampleEvent(index));
    console.log(
      `${cpus()[0]?.model} x ${cpus().length}, Node ${process.version}, in ${join(directory, '..')}`,
    );
    await measureAppend(log, events);
    for (const concurrency of CONCURRENCIES) await measureDurable(log, events, concurrency);
    await measureRead(log);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Main-thread time of `append` itself: encoding, checksum, positions; the writing is waited for outside. */
async function measureAppend(log: PositionedEventLog, events: readonly LogEvent[]): Promise<void> {
  const microseconds: number[] = [];
  const calls = events.map((event) => [event]);
  const startedAt = log.end;
  for (let round = 0; round < HOT_ROUNDS; round++) {
    const started = performance.now();
    for (let index = 0; index < HOT_APPENDS; index++) log.append(calls[index % calls.length]);
    microseconds.push(((performance.now() - started) * 1_000) / HOT_APPENDS);
    await log.append([]).durable;
  }
  const bytes = (log.end - startedAt) / (HOT_APPENDS * HOT_ROUNDS);
  console.log(
    `append: ${median(microseconds).toFixed(2)} µs on the main thread, ${bytes.toFixed(0)} bytes a decision`,
  );
}

/** So many callers, each appending its next decision when the one before is durable. */
async function measureDurable(
  log: PositionedEventLog,
  events: readonly LogEvent[],
  concurrency: number,
): Promise<void> {
  const latencies = createHistogram();
  const mainBefore = process.threadCpuUsage();
  const processBefore = process.cpuUsage();
  const started = performance.now();
  const until = started + RUN_MS;
  const caller = async (first: number): Promise<void> => {
    for (let index = first; performance.now() < until; index += concurrency) {
      const appended = performance.now();
      await log.append([events[index % events.length]]).durable;
      latencies.record(Math.max(1, Math.round((performance.now() - appended) * 1_000)));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, index) => caller(index)));
  const seconds = (performance.now() - started) / 1_000;
  const main = process.threadCpuUsage(mainBefore);
  const whole = process.cpuUsage(processBefore);
  const perEvent = ({ user, system }: { user: number; system: number }) =>
    ((user + system) / latencies.count).toFixed(1);
  console.log(
    `${String(concurrency).padStart(5)} callers: ${Math.round(latencies.count / seconds)} durable/s, ` +
      `p50 ${toMs(latencies.percentile(50))} ms, p99 ${toMs(latencies.percentile(99))} ms; ` +
      `CPU a decision: ${perEvent(main)} µs main thread, ${perEvent(whole)} µs process`,
  );
}

async function measureRead(log: PositionedEventLog): Promise<void> {
  const started = performance.now();
  let count = 0;
  for await (const batch of log.read(0)) count += batch.length;
  const seconds = (performance.now() - started) / 1_000;
  console.log(`read: ${Math.round(count / seconds)} events/s (${count} events)`);
}

function sampleEvent(index: number): LogEvent {
  const decision: Decision = {
    transaction: {
      transactionId: `txn-2026-06-${index}-4f9a1c22` as TransactionId,
      userId: `user-${index % 97}` as UserId,
      terminalId: `terminal-${index % 31}` as TerminalId,
      amountUnits: 123_400 + index,
      currency: 'EUR',
      merchantCategory: 'electronics',
      isInternational: index % 5 === 0,
      timestampMs: 1_780_000_000_000 + index,
      metadataJson: undefined,
    },
    userPosition: index,
    terminalPosition: index * 3,
    isOutOfOrder: index % 11 === 0,
    features: Float32Array.from({ length: FEATURES }, (_, feature) =>
      feature === 3 ? Number.NaN : index / (feature + 1),
    ),
    controlVersion: 1,
    arm: index % 10 === 0 ? 'B' : 'A',
    modelVersion: 'v1',
    fraudProbability: Math.fround(index / DISTINCT_DECISIONS),
    isFraud: index % 50 === 0,
    outcome: 'approve',
    reasonCodes: ['amount_far_above_usual', 'many_in_short_time'],
    degraded: [],
    decidedAtMs: 1_780_000_000_100 + index,
    latencyMs: 1.25,
  };
  return { kind: 'decision', decision };
}

function toMs(microseconds: number): string {
  return (microseconds / 1_000).toFixed(2);
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}

await main();
