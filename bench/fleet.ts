import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from './load/comparison.ts';
import { type Conditions, formatConditions, readConditions } from './load/conditions.ts';
import { type FleetServers, startFleetServers } from './load/fleet-servers.ts';
import { runGenerator } from './load/generator-process.ts';
import { quantileOf, scrapeHistogram, scrapeTotal, since } from './load/metric-histogram.ts';
import { parseNumberOption } from './load/number-option.ts';
import type { LoadReport } from './load/report.ts';
import type { ServerProcess } from './load/server-process.ts';
import { DEFAULT_SERVICE } from './load/service-command.ts';
import { startServices } from './load/service-processes.ts';

const USAGE = `Usage: node bench/fleet.ts [options]

POST /predict of the service with Redis and Kafka behind it: every decision is acknowledged by the broker (acks=all)
before its answer. Redis, broker, service and generator are processes of their own on this machine's cores.

  closed     64 connections, each sends when it has its answer: throughput
  open       --rate payments a second, latency from the intended send time: p50, p99, what failed or was dropped
  features   an open loop at --feature-rate; p99 of recording and reading a batch's histories and computing its features,
             by the service's own histogram feature_retrieval_latency_seconds

  --parts LIST          default closed,open,features
  --serves N            processes of fraud serve, default 1; connections take turns at them
  --rate N              default 3000
  --seconds S           of the open loop, default 60
  --closed-seconds S    default 10
  --closed-runs N       default 3; the figures are medians
  --feature-rate N      default 2000
  --feature-seconds S   default 20
  --service COMMAND     default '${DEFAULT_SERVICE}'
  --json                one line of JSON instead of a table

Redis, broker and data are made under TMPDIR and removed afterwards. CPU is µs a decision. Exit code 1 if a payment failed
or was dropped.

Example: what two processes do together
  node bench/fleet.ts --serves 2 --parts closed
`;

const { values: options } = parseArgs({
  options: {
    parts: { type: 'string', default: 'closed,open,features' },
    serves: { type: 'string', default: '1' },
    rate: { type: 'string', default: '3000' },
    seconds: { type: 'string', default: '60' },
    'closed-seconds': { type: 'string', default: '10' },
    'closed-runs': { type: 'string', default: '3' },
    'feature-rate': { type: 'string', default: '2000' },
    'feature-seconds': { type: 'string', default: '20' },
    service: { type: 'string', default: DEFAULT_SERVICE },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const WARM_UP_SECONDS = 5;
const CLOSED_CONNECTIONS = 64;
const OPEN_CONNECTIONS = 256;
const SEED = 1;
const HEAD = [
  ...['', 'answered/s', 'p50 ms', 'p99 ms', 'failed', 'dropped'],
  ...['main', 'threads', 'Redis', 'broker', 'generator', 'features ms', 'degraded %'],
];

type Fleet = { readonly servers: FleetServers; readonly services: readonly ServerProcess[] };
type Load = { readonly seconds: number; readonly ratePerSecond: number | undefined };
type Part = {
  readonly name: string;
  readonly reports: readonly LoadReport[];
  /** Of the decisions, made without a stage: a server did not answer within its deadline. */
  readonly degradedShare: number;
  readonly featureMsP99: number;
};

if (options.help) process.stdout.write(USAGE);
else await measureFleet();

async function measureFleet(): Promise<void> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-fleet-'));
  const conditions = readConditions(directory.path);
  await using servers = await startFleetServers(directory.path);
  await using resources = new AsyncDisposableStack();
  const count = number('serves', 1);
  const { environment } = servers;
  const plan = { count, command: options.service, folder: directory.path, environment };
  const fleet = { servers, services: await startServices(plan, resources) };
  await run(fleet, { seconds: WARM_UP_SECONDS, ratePerSecond: undefined });

  const parts: Part[] = [];
  for (const name of options.parts.split(',')) parts.push(await measurePart(name, fleet));
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ conditions, serves: count, parts })}\n`
      : format(conditions, count, parts),
  );
  const reports = parts.flatMap((part) => part.reports);
  if (reports.some(({ failed, dropped }) => failed + dropped > 0)) process.exitCode = 1;
}

async function measurePart(name: string, fleet: Fleet): Promise<Part> {
  switch (name) {
    case 'closed': {
      const load = { seconds: number('closed-seconds', 0.1), ratePerSecond: undefined };
      return measureLoads('closed loop', fleet, Array(number('closed-runs', 1)).fill(load));
    }
    case 'open': {
      const load = { seconds: number('seconds', 0.1), ratePerSecond: number('rate', 1) };
      return measureLoads(`open loop at ${load.ratePerSecond}/s`, fleet, [load]);
    }
    case 'features': {
      const load = { seconds: number('feature-seconds', 0.1), ratePerSecond: number('feature-rate', 1) };
      return measureLoads(`features at ${load.ratePerSecond}/s`, fleet, [load]);
    }
    default:
      throw new Error(`--parts must be some of closed,open,features; '${name}' is none`);
  }
}

async function measureLoads(name: string, fleet: Fleet, loads: readonly Load[]): Promise<Part> {
  const before = await scrape(fleet);
  const reports: LoadReport[] = [];
  for (const load of loads) reports.push(await run(fleet, load));
  const after = await scrape(fleet);
  return {
    ...{ name, reports },
    degradedShare: (after.degraded - before.degraded) / (after.decided - before.decided),
    featureMsP99: quantileOf(0.99, since(before.featureSeconds, after.featureSeconds)) * 1_000,
  };
}

async function scrape({ services }: Fleet) {
  const urls = services.map(({ url }) => url);
  return {
    decided: await scrapeTotal('predictions_total', urls),
    degraded: await scrapeTotal('fraud_degraded_total', urls),
    featureSeconds: await scrapeHistogram('feature_retrieval_latency_seconds', urls),
  };
}

function run({ servers, services }: Fleet, load: Load): Promise<LoadReport> {
  return runGenerator({
    ...load,
    url: services.map(({ url }) => url),
    processes: [...services.map(({ pid }) => ({ name: 'service', pid })), ...servers.processes],
    connections: load.ratePerSecond === undefined ? CLOSED_CONNECTIONS : OPEN_CONNECTIONS,
    seed: SEED,
  });
}

function format(conditions: Conditions, serves: number, parts: readonly Part[]): string {
  const rows = parts.map(({ name, reports, degradedShare, featureMsP99 }) => {
    const middle = (figure: (report: LoadReport) => number) => median(reports.map(figure));
    const cpu = (process: string) => middle((report) => sumOf(report, process, 'cpuUs'));
    const mainThread = middle((report) => sumOf(report, 'service', 'mainThreadCpuUs'));
    return [
      name,
      middle(({ answeredPerSecond }) => answeredPerSecond).toFixed(0),
      middle(({ latencyMs }) => latencyMs.p50).toFixed(1),
      middle(({ latencyMs }) => latencyMs.p99).toFixed(1),
      `${sum(reports.map(({ failed }) => failed))}`,
      `${sum(reports.map(({ dropped }) => dropped))}`,
      mainThread.toFixed(0),
      (cpu('service') - mainThread).toFixed(0),
      cpu('Redis').toFixed(0),
      cpu('broker').toFixed(0),
      middle(({ generatorCpuUs }) => generatorCpuUs).toFixed(0),
      featureMsP99.toFixed(2),
      (degradedShare * 100).toFixed(1),
    ];
  });
  const lines = [HEAD, ...rows].map(([name, ...cells]) => name!.padEnd(24) + cells.map(padCell).join(''));
  const loadNow = `load average at the end ${readConditions(tmpdir()).loadAverage1Min.toFixed(2)}`;
  return `${formatConditions(conditions)}${serves} x fraud serve, CPU in µs a decision; ${loadNow}\n${lines.join('\n')}\n`;
}

function padCell(cell: string): string {
  return cell.padStart(12);
}

function sumOf(report: LoadReport, name: string, figure: 'cpuUs' | 'mainThreadCpuUs'): number {
  const ofName = (report.processes ?? []).filter((process) => process.name === name);
  return sum(ofName.map((process) => process[figure]));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function number(name: Exclude<keyof typeof options, 'json' | 'help' | undefined>, minimum: number): number {
  return parseNumberOption(name, options[name], minimum);
}
