import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from './load/comparison.ts';
import { formatConditions, readConditions } from './load/conditions.ts';
import { type FleetServers, startFleetServers } from './load/fleet-servers.ts';
import { runGenerator } from './load/generator-process.ts';
import { parseNumberOption } from './load/number-option.ts';
import { prepareStackPython, startPythonStack } from './load/python-stack.ts';
import type { LoadReport } from './load/report.ts';
import type { ServerProcess } from './load/server-process.ts';
import { DEFAULT_SERVICE } from './load/service-command.ts';
import { startServices } from './load/service-processes.ts';
import { TopicReader } from './load/topic-reader.ts';

const USAGE = `Usage: node bench/compare-stacks.ts [options]

fraud serve beside the stack of bench/fastapi (FastAPI, redis-py, onnxruntime, kafka-python), over the same Redis and the
same Kafka, with the same requests from the same generator, one after the other, again and again.

  closed   64 connections, each sends when it has its answer: throughput, CPU a request of service, Redis and broker
  open     --rate payments a second to each, latency from the intended send time: p50 and p99
  kill     a closed loop, kill -9 of the service (all its workers) in the midst of it; ours is started again, as it
           would be, since it may have spooled. Then: which answered decisions are not in the topic predictions?

  --stacks LIST       default ours,source-4,tuned-1,tuned-2: a kind and its count of workers; ours has one process
  --parts LIST        default closed,open,kill
  --alternations N    default 3; figures are their medians
  --seconds S         of one load, default 5
  --rate N            default 300, which all of them can do here
  --service COMMAND   default '${DEFAULT_SERVICE}'
  --json              one line of JSON instead of tables

The Python environment is made under the user's cache directory on first use. Redis, broker and data are made under TMPDIR
and removed afterwards. Exit code 1 if ours has failed a payment or lost a decision.
`;

const { values: options } = parseArgs({
  options: {
    stacks: { type: 'string', default: 'ours,source-4,tuned-1,tuned-2' },
    parts: { type: 'string', default: 'closed,open,kill' },
    alternations: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    rate: { type: 'string', default: '300' },
    service: { type: 'string', default: DEFAULT_SERVICE },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const CLOSED_CONNECTIONS = 64;
const OPEN_CONNECTIONS = 128;
const WARM_UP_SECONDS = 3;
/** Of the generator, before it counts. */
const LEAD_MS = 1_000;
/** What is on its way to the broker when its sender dies has arrived by then. */
const SETTLE_MS = 2_000;
const SPOOL_EMPTY_WITHIN_MS = 60_000;
const COLUMN_CHARACTERS = 13;
const SEED = 1;

type Stack = {
  readonly name: string;
  /** Its workers. */
  readonly servers: readonly ServerProcess[];
  /** Undefined where nothing of the dead process is left to go on from. */
  readonly restart: (() => Promise<ServerProcess>) | undefined;
};

type Context = { readonly servers: FleetServers; readonly folder: string };
type Loss = { readonly answered: number; readonly missing: number };
type Result = {
  readonly closed: readonly LoadReport[];
  readonly open: readonly LoadReport[];
  readonly loss: Loss | undefined;
};

if (options.help) process.stdout.write(USAGE);
else await compareStacks();

async function compareStacks(): Promise<void> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-stacks-'));
  const conditions = readConditions(directory.path);
  await using servers = await startFleetServers(directory.path);
  await using resources = new AsyncDisposableStack();
  const context = { servers, folder: directory.path };
  const stacks: Stack[] = [];
  for (const name of options.stacks.split(',')) stacks.push(await startStack(name, context, resources));
  const seconds = parseNumberOption('seconds', options.seconds, 0.1);
  for (const stack of stacks) await run(stack, context, { seconds: WARM_UP_SECONDS });

  const closed = options.parts.includes('closed') ? await alternate(stacks, context, { seconds }) : [];
  const ratePerSecond = parseNumberOption('rate', options.rate, 1);
  const open = options.parts.includes('open')
    ? await alternate(stacks, context, { seconds, ratePerSecond })
    : [];
  const results = new Map<string, Result>();
  for (const [index, stack] of stacks.entries()) {
    const loss = options.parts.includes('kill') ? await killUnderLoad(stack, context) : undefined;
    results.set(stack.name, { closed: closed[index] ?? [], open: open[index] ?? [], loss });
  }
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ conditions, ratePerSecond, results: Object.fromEntries(results) })}\n`
      : formatConditions(conditions) + format(results, ratePerSecond),
  );
  const ours = results.get('ours');
  const failed = [...(ours?.closed ?? []), ...(ours?.open ?? [])].some(({ failed }) => failed > 0);
  if (failed || (ours?.loss?.missing ?? 0) > 0) process.exitCode = 1;
}

async function startStack(name: string, context: Context, resources: AsyncDisposableStack): Promise<Stack> {
  const { servers, folder } = context;
  const { environment } = servers;
  if (name === 'ours') {
    const start = async () => {
      const plan = { count: 1, command: options.service, folder, environment };
      return (await startServices(plan, resources))[0]!;
    };
    return { name, servers: [await start()], restart: start };
  }
  const [kind, workers] = name.split('-');
  if (kind !== 'source' && kind !== 'tuned') {
    throw new Error(`--stacks must be ours, source-N or tuned-N; '${name}' is none`);
  }
  const python = await prepareStackPython();
  const workerServers: ServerProcess[] = [];
  for (let number = parseNumberOption('stacks', workers ?? '1', 1); number > 0; number--) {
    const logFile = join(folder, `${name}-${number}.log`);
    const worker = await startPythonStack({ python, kind, topic: 'predictions', environment, logFile });
    workerServers.push(resources.use(worker));
  }
  return { name, servers: workerServers, restart: undefined };
}

type Load = { readonly seconds: number; readonly ratePerSecond?: number; readonly answeredFile?: string };

function run(stack: Stack, { servers }: Context, load: Load): Promise<LoadReport> {
  const { ratePerSecond } = load;
  return runGenerator({
    ...load,
    ...{ url: stack.servers.map(({ url }) => url), ratePerSecond, seed: SEED },
    processes: [...stack.servers.map(({ pid }) => ({ name: 'service', pid })), ...servers.processes],
    connections: ratePerSecond === undefined ? CLOSED_CONNECTIONS : OPEN_CONNECTIONS,
  });
}

/** @returns the reports of each stack */
async function alternate(stacks: readonly Stack[], context: Context, load: Load): Promise<LoadReport[][]> {
  const reports: LoadReport[][] = stacks.map(() => []);
  for (let left = parseNumberOption('alternations', options.alternations, 1); left > 0; left--) {
    for (const [index, stack] of stacks.entries()) {
      const report = await run(stack, context, load);
      reports[index]!.push(report);
      process.stderr.write(`${stack.name}: ${report.answeredPerSecond.toFixed(0)}/s\n`);
    }
  }
  return reports;
}

async function killUnderLoad(stack: Stack, context: Context): Promise<Loss> {
  const seconds = parseNumberOption('seconds', options.seconds, 0.1);
  const answeredFile = join(context.folder, `${stack.name}.answered`);
  const load = run(stack, context, { seconds: seconds + 1, answeredFile });
  await delay(LEAD_MS + seconds * 1_000);
  await Promise.all(stack.servers.map((server) => server.kill()));
  await load;
  const again = await stack.restart?.();
  if (again) await untilSpoolIsEmpty(again);
  await delay(SETTLE_MS);
  await using topic = new TopicReader(context.servers.kafka, 'predictions');
  const published = await topic.transactionIds();
  const answered = (await readFile(answeredFile, 'utf8')).split('\n').filter((id) => id !== '');
  return { answered: answered.length, missing: answered.filter((id) => !published.has(id)).length };
}

/** What a process before had to keep on its disk is forwarded by the next one. */
async function untilSpoolIsEmpty({ url }: ServerProcess): Promise<void> {
  const untilMs = performance.now() + SPOOL_EMPTY_WITHIN_MS;
  for (;;) {
    const health = (await (await fetch(new URL('/health', url))).json()) as { readonly log_bytes: number };
    if (health.log_bytes === 0) return;
    if (performance.now() > untilMs) throw new Error(`the spool still holds ${health.log_bytes} bytes`);
    await delay(100);
  }
}

function format(results: ReadonlyMap<string, Result>, ratePerSecond: number): string {
  const head = [
    ...['', 'answered/s', 'service µs', 'Redis µs', 'broker µs', 'failed'],
    ...[`p50 at ${ratePerSecond}`, `p99 at ${ratePerSecond}`, 'µs there', 'killed after', 'missing'],
  ];
  const rows = [...results].map(([name, { closed, open, loss }]) => [
    name,
    middle(closed, ({ answeredPerSecond }) => answeredPerSecond, 0),
    ...['service', 'Redis', 'broker'].map((process) => middle(closed, cpuOf(process), 0)),
    `${[...closed, ...open].reduce((sum, { failed, dropped }) => sum + failed + dropped, 0)}`,
    middle(open, ({ latencyMs }) => latencyMs.p50, 1),
    middle(open, ({ latencyMs }) => latencyMs.p99, 1),
    middle(open, cpuOf('service'), 0),
    loss === undefined ? '' : `${loss.answered}`,
    loss === undefined ? '' : `${loss.missing}`,
  ]);
  const lines = [head, ...rows].map((cells) =>
    cells.map((cell) => cell.padStart(COLUMN_CHARACTERS)).join(''),
  );
  const loadNow = readConditions(tmpdir()).loadAverage1Min.toFixed(2);
  return `closed loop, then open loop at ${ratePerSecond}/s, then kill -9; load average at the end ${loadNow}\n${lines.join('\n')}\n`;
}

function middle(
  reports: readonly LoadReport[],
  figure: (report: LoadReport) => number,
  digits: number,
): string {
  return reports.length === 0 ? '' : median(reports.map(figure)).toFixed(digits);
}

function cpuOf(name: string): (report: LoadReport) => number {
  return ({ processes = [] }) =>
    processes.reduce((sum, process) => (process.name === name ? sum + process.cpuUs : sum), 0);
}
