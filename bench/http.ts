import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Alternation, compare, formatComparison } from './load/comparison.ts';
import { formatConditions, readConditions } from './load/conditions.ts';
import { runGenerator } from './load/generator-process.ts';
import { parseNumberOption } from './load/number-option.ts';
import type { LoadReport } from './load/report.ts';
import { findFreePort, ServerProcess } from './load/server-process.ts';
import { DEFAULT_SERVICE, PROJECT_DIRECTORY, parseServiceCommand } from './load/service-command.ts';
import { formatStageCosts, scrapeStageCosts } from './load/stage-costs.ts';

const USAGE = `Usage: node bench/http.ts [--open RATE] [options]

Compares POST /predict of the service with a bare Fastify POST of the same body, schema and answer size. Each
runs in its own process; the same load goes to one and then to the other, again and again, because figures of
one moment of a shared machine compare only with each other.

  without --open     closed loop, 64 connections: throughput and CPU a request
  --open RATE        open loop, RATE payments a second, latency from the intended send time: p50 and p99

  --seconds S        of one load, default 5; open 10
  --alternations N   default 5; open 3
  --connections N    default 64; open 256
  --seed N           which payments, default 1
  --service COMMAND  default '${DEFAULT_SERVICE}';
                     it must not leave the foreground, and its own process is the one whose CPU is measured
  --bare KIND        fastify (the default) or node-http
  --json             one line of JSON instead of a table

The data directory is made under TMPDIR and removed afterwards. Exit code 1 if a payment failed or was dropped.

Example: a minute at 5,000 payments a second, three times on each
  node bench/http.ts --open 5000 --seconds 60
`;

const { values: options } = parseArgs({
  options: {
    open: { type: 'string' },
    seconds: { type: 'string' },
    alternations: { type: 'string' },
    connections: { type: 'string' },
    seed: { type: 'string', default: '1' },
    service: { type: 'string', default: DEFAULT_SERVICE },
    bare: { type: 'string', default: 'fastify' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const WARM_UP_SECONDS = 3;
const START_WITHIN_MS = 30_000;

type LoadOptions = Omit<Parameters<typeof runGenerator>[0], 'url' | 'serverPid'>;

if (options.help) process.stdout.write(USAGE);
else await compareWithBareServer();

async function compareWithBareServer(): Promise<void> {
  const isOpen = options.open !== undefined;
  const load: LoadOptions = {
    ratePerSecond: options.open === undefined ? undefined : parseNumberOption('open', options.open, 1),
    seconds: parseNumberOption('seconds', options.seconds ?? (isOpen ? '10' : '5'), 0.1),
    connections: parseNumberOption('connections', options.connections ?? (isOpen ? '256' : '64'), 1),
    seed: parseNumberOption('seed', options.seed),
  };
  const count = parseNumberOption('alternations', options.alternations ?? (isOpen ? '3' : '5'), 1);

  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-bench-'));
  const conditions = readConditions(directory.path);
  await using service = await startService(directory.path);
  await using bare = await startBareServer(directory.path);
  for (const server of [service, bare]) await runOn(server, { ...load, seconds: WARM_UP_SECONDS });

  const alternations: Alternation[] = [];
  for (let number = 1; number <= count; number++) {
    const alternation = { service: await runOn(service, load), bare: await runOn(bare, load) };
    alternations.push(alternation);
    process.stderr.write(`${number} of ${count}: ${progressOf(alternation)}\n`);
  }

  const comparison = compare(alternations);
  const stages = await scrapeStageCosts(service.url);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ conditions, load, comparison, stages, alternations })}\n`
      : `${formatConditions(conditions)}${loadTitle(load, count)}${formatComparison(comparison)}${formatStageCosts(stages)}`,
  );
  const { service: ours } = comparison;
  if (ours.failed > 0 || ours.dropped > 0) process.exitCode = 1;
}

async function startService(directory: string): Promise<ServerProcess> {
  const port = await findFreePort();
  return ServerProcess.start({
    ...parseServiceCommand(options.service, { port, dataDirectory: join(directory, 'data') }),
    directory: PROJECT_DIRECTORY,
    url: `http://127.0.0.1:${port}/predict`,
    logFile: join(directory, 'service.log'),
    startWithinMs: START_WITHIN_MS,
  });
}

async function startBareServer(directory: string): Promise<ServerProcess> {
  const port = await findFreePort();
  return ServerProcess.start({
    command: process.execPath,
    args: ['bench/load/bare-server.ts', '--kind', options.bare, '--port', `${port}`],
    directory: PROJECT_DIRECTORY,
    url: `http://127.0.0.1:${port}/predict`,
    logFile: join(directory, 'bare.log'),
    startWithinMs: START_WITHIN_MS,
  });
}

function runOn(server: ServerProcess, load: LoadOptions): Promise<LoadReport> {
  return runGenerator({ ...load, url: server.url, serverPid: server.pid });
}

function progressOf({ service, bare }: Alternation): string {
  const side = (report: LoadReport) =>
    `${report.answeredPerSecond.toFixed(0)}/s, p99 ${report.latencyMs.p99.toFixed(1)} ms`;
  return `service ${side(service)}; bare ${side(bare)}`;
}

function loadTitle(load: LoadOptions, count: number): string {
  const loop = load.ratePerSecond === undefined ? 'closed loop' : `open loop at ${load.ratePerSecond}/s`;
  return (
    `${loop}, ${load.connections} connections, ${load.seconds} s, ` +
    `medians of ${count} alternations; ratio: median of the alternations' own ratios\n`
  );
}
