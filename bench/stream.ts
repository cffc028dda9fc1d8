import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { KafkaSettings } from '../src/adapters/kafka/kafka-settings.ts';
import { partitionHash } from '../src/adapters/kafka/partition.ts';
import { Publisher } from '../src/adapters/kafka/publisher.ts';
import { formatConditions, readConditions } from './load/conditions.ts';
import { startFleetServers } from './load/fleet-servers.ts';
import { Meter, type ProcessCpu } from './load/meter.ts';
import { scrapeTotal } from './load/metric-histogram.ts';
import { parseNumberOption } from './load/number-option.ts';
import { findFreePort } from './load/server-process.ts';
import { PROJECT_DIRECTORY, parseServiceCommand } from './load/service-command.ts';
import { TopicReader } from './load/topic-reader.ts';
import { createTransactionMix } from './load/transaction-mix.ts';

const DEFAULT_STREAM = 'node_modules/.bin/node src/main.ts stream --port {port} --data-dir {data-dir}';

const USAGE = `Usage: node bench/stream.ts [options]

Fills the topic transactions with made payments, starts fraud stream, and measures from the moment at which all of its
processes have partitions and the first decision is in predictions until every payment has its decision there: through
Redis, acknowledged by the broker (acks=all), the vectors in feature-updates besides. Then reads predictions and checks
that each payment was decided exactly once.

  --count N           payments, default 200000
  --streams N         processes of fraud stream, default 1
  --stream COMMAND    default '${DEFAULT_STREAM}'
  --json              one line of JSON instead of a table

Redis, broker and data are made under TMPDIR and removed afterwards. CPU is µs a payment; threads are all but the one that
runs JavaScript. Exit code 1 if a payment has no decision, or two.
`;

const { values: options } = parseArgs({
  options: {
    count: { type: 'string', default: '200000' },
    streams: { type: 'string', default: '1' },
    stream: { type: 'string', default: DEFAULT_STREAM },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const PUBLISH_RECORDS = 2_000;
const PAYMENTS_PER_SECOND = 5_000;
const POLL_MS = 50;
/** Longer than any run at the slowest rate that is worth measuring. */
const STANDSTILL_MS = 60_000;

type Result = {
  readonly measured: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly processes: readonly ProcessCpu[];
  readonly undecided: number;
  readonly decidedTwice: number;
  /** Made without a stage: a server did not answer within its deadline. */
  readonly degraded: number;
};

if (options.help) process.stdout.write(USAGE);
else await main();

async function main(): Promise<void> {
  const count = parseNumberOption('count', options.count, 1);
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-stream-'));
  const conditions = readConditions(directory.path);
  await using servers = await startFleetServers(directory.path);
  await fill(servers.kafka, count);
  await using resources = new AsyncDisposableStack();
  const streams: Stream[] = [];
  for (let number = parseNumberOption('streams', options.streams, 1); number > 0; number--) {
    streams.push(await startStream(join(directory.path, `stream-${number}`), servers.environment, resources));
  }
  const meter = new Meter(undefined, [
    ...streams.map(({ pid }) => ({ name: 'stream', pid })),
    ...servers.processes,
  ]);
  const { measured } = await measure(servers.kafka, count, streams, meter);
  const seconds = meter.elapsedMs / 1_000;
  const processes = meter.processes.map(({ name, cpuUs, mainThreadCpuUs }) => ({
    name,
    cpuUs: cpuUs / measured,
    mainThreadCpuUs: mainThreadCpuUs / measured,
  }));
  const urls = streams.map(({ port }) => `http://127.0.0.1:${port}`);
  const degraded = await scrapeTotal('fraud_degraded_total', urls);
  const result = {
    degraded,
    measured,
    seconds,
    perSecond: measured / seconds,
    processes,
    ...(await check(servers.kafka, count)),
  };
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ conditions, streams: streams.length, ...result })}\n`
      : formatConditions(conditions) + format(result, streams.length),
  );
  if (result.undecided + result.decidedTwice > 0) process.exitCode = 1;
}

/** Payments of the load generator's mix, so many a second of event time, the last of them now. */
async function fill(kafka: KafkaSettings, count: number): Promise<void> {
  const mix = createTransactionMix({ seed: 1, run: 'stream', url: new URL('http://127.0.0.1/predict') });
  const startMs = Date.now() - (count / PAYMENTS_PER_SECOND) * 1_000;
  await using publisher = new Publisher(kafka, 'fraud-bench');
  for (let sent = 0; sent < count; sent += PUBLISH_RECORDS) {
    const length = Math.min(PUBLISH_RECORDS, count - sent);
    await publisher.publish(
      Array.from({ length }, (_, index) => recordOf(kafka, mix, sent + index, startMs)),
    );
  }
}

function recordOf(
  kafka: KafkaSettings,
  mix: ReturnType<typeof createTransactionMix>,
  sequence: number,
  startMs: number,
) {
  const { text } = mix(sequence, Math.floor(startMs + (sequence * 1_000) / PAYMENTS_PER_SECOND));
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  const userId = /"user_id":"([^"]+)"/.exec(body)![1]!;
  return {
    topic: `${kafka.topicPrefix}transactions`,
    key: Buffer.from(userId),
    value: Buffer.from(body),
    partition: partitionHash(userId),
  };
}

type Stream = {
  readonly pid: number;
  readonly port: number;
  readonly logFile: string;
  readonly child: ChildProcess;
};

async function startStream(
  folder: string,
  environment: Readonly<Record<string, string>>,
  resources: AsyncDisposableStack,
): Promise<Stream> {
  const port = await findFreePort();
  const { command, args } = parseServiceCommand(options.stream, { port, dataDirectory: folder });
  const logFile = `${folder}.log`;
  const log = openSync(logFile, 'w');
  const child = spawn(command, args, {
    cwd: PROJECT_DIRECTORY,
    env: { ...process.env, ...environment },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  resources.defer(async () => {
    process.off('exit', kill);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
  return { pid: child.pid!, port, logFile, child };
}

/** What is decided before all processes have partitions is not measured. */
async function measure(kafka: KafkaSettings, count: number, streams: readonly Stream[], meter: Meter) {
  await using decisions = new TopicReader(kafka, 'predictions');
  const isBegun = async (decided: number) =>
    decided > 0 && (await Promise.all(streams.map(hasPartitions))).every((has) => has);
  const before = await until(decisions, streams, isBegun);
  meter.begin();
  const after = await until(decisions, streams, async (decided) => decided >= count);
  meter.end();
  return { measured: after - before };
}

async function until(
  decisions: TopicReader,
  streams: readonly Stream[],
  isReached: (decided: number) => Promise<boolean>,
): Promise<number> {
  let last = -1;
  let changedMs = performance.now();
  for (;;) {
    const decided = await decisions.count();
    if (await isReached(decided)) return decided;
    if (decided !== last) changedMs = performance.now();
    last = decided;
    const ended = streams.find(({ child }) => child.exitCode !== null);
    if (ended) throw new Error(`fraud stream has ended:\n${await readFile(ended.logFile, 'utf8')}`);
    if (performance.now() - changedMs > STANDSTILL_MS) throw new Error(`no decision more than ${decided}`);
    await delay(POLL_MS);
  }
}

async function hasPartitions({ port }: Stream): Promise<boolean> {
  const page = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
  return (await page?.text())?.includes('\nkafka_consumergroup_lag{') ?? false;
}

async function check(kafka: KafkaSettings, count: number) {
  await using decisions = new TopicReader(kafka, 'predictions');
  const ids = await decisions.transactionIds();
  const decidedTwice = [...ids.values()].filter((times) => times > 1).length;
  return { undecided: count - ids.size, decidedTwice };
}

function format(result: Result, streams: number): string {
  const cpu = Map.groupBy(result.processes, ({ name }) => name);
  const figures = [...cpu].map(([name, all]) => {
    const sum = (figure: 'cpuUs' | 'mainThreadCpuUs') => all.reduce((total, one) => total + one[figure], 0);
    const threads = name === 'stream' ? ` (main thread ${sum('mainThreadCpuUs').toFixed(0)})` : '';
    return `${name} ${sum('cpuUs').toFixed(0)} µs${threads}`;
  });
  return (
    `${streams} x fraud stream: ${result.perSecond.toFixed(0)} payments/s over ${result.seconds.toFixed(1)} s ` +
    `(${result.measured} of them)\nCPU a payment: ${figures.join(', ')}\n` +
    `without a decision ${result.undecided}, with two ${result.decidedTwice}; stages done without ${result.degraded}\n`
  );
}
