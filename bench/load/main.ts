import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { parseArgs } from 'node:util';
import { runClosedLoop } from './closed-loop.ts';
import type { Target } from './connection.ts';
import { Meter } from './meter.ts';
import { parseNumberOption } from './number-option.ts';
import { runOpenLoop } from './open-loop.ts';
import { formatReport, type LoadReport } from './report.ts';
import { createTransactionMix } from './transaction-mix.ts';

const USAGE = `Usage: node bench/load/main.ts [--rate N] [options]

Sends payments to POST /predict and checks every answer: status 200, the id that was asked for, a probability.

  closed loop   each connection sends its next payment when it has its answer: what can the server do?
  open loop     with --rate: payments arrive at a constant rate, whatever the server does, and latency counts
                from the moment a payment should have been sent: how long do callers wait?

  --url URL          default http://127.0.0.1:8000/predict; several times: connections take turns at them
  --rate N           payments a second; makes the loop open
  --connections N    default 64, in an open loop at most so many at once: 256
  --seconds S        measured time, default 5
  --warm-up S        time before it, not counted, default 1
  --seed N           which payments, default 1
  --run NAME         first part of every transaction id; default: new for every run
  --server-pid PID   also report the CPU that this process used
  --process NAME=PID the same for any number of processes, by name and for the main thread apart; only with --json
  --answered FILE    write the ids of all right answers there, a line each, in the end
  --json             one line of JSON instead of a table

Exit code 1 if a payment failed or was dropped.

Example: a minute at 5,000 payments a second
  node bench/load/main.ts --rate 5000 --seconds 60
`;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', multiple: true, default: ['http://127.0.0.1:8000/predict'] },
    rate: { type: 'string' },
    connections: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    'warm-up': { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    run: { type: 'string', default: `run-${Date.now().toString(36)}-${process.pid}` },
    'server-pid': { type: 'string' },
    process: { type: 'string', multiple: true, default: [] },
    answered: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  process.stdout.write(USAGE);
} else {
  const report = await runLoad(options.url.map((url) => new URL(url)));
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : formatReport(report));
  if (report.failed > 0 || report.dropped > 0) process.exitCode = 1;
}

async function runLoad(urls: readonly URL[]): Promise<LoadReport> {
  const loop = options.rate === undefined ? 'closed' : 'open';
  const defaultConnections = loop === 'closed' ? '64' : '256';
  const connections = parseNumberOption('connections', options.connections ?? defaultConnections, 1);
  const serverPid = options['server-pid'];
  const meter = new Meter(
    serverPid === undefined ? undefined : parseNumberOption('server-pid', serverPid, 1),
    options.process.map(parseProcessOption),
  );
  const answered: string[] = [];
  const plan = {
    targets: await Promise.all(urls.map(reachableTarget)),
    connections,
    transactions: createTransactionMix({
      seed: parseNumberOption('seed', options.seed),
      run: options.run,
      url: urls[0]!,
    }),
    warmUpMs: parseNumberOption('warm-up', options['warm-up']) * 1_000,
    durationMs: parseNumberOption('seconds', options.seconds, 0.1) * 1_000,
    meter,
    ...(options.answered !== undefined && { onAnswered: (id: string) => void answered.push(id) }),
  };
  const tally =
    options.rate === undefined
      ? await runClosedLoop(plan)
      : await runOpenLoop({ ...plan, ratePerSecond: parseNumberOption('rate', options.rate, 1) });
  if (options.answered !== undefined) await writeFile(options.answered, answered.join('\n'));
  const settled = tally.answered + tally.failed;
  return {
    loop,
    connections,
    seconds: meter.elapsedMs / 1_000,
    answeredPerSecond: tally.answered / (meter.elapsedMs / 1_000),
    ...tally,
    generatorCpuUs: meter.generatorCpuUs / settled,
    serverCpuUs: meter.serverCpuUs === undefined ? undefined : meter.serverCpuUs / settled,
    processes: meter.processes.map(({ name, cpuUs, mainThreadCpuUs }) => ({
      name,
      cpuUs: cpuUs / settled,
      mainThreadCpuUs: mainThreadCpuUs / settled,
    })),
  };
}

function parseProcessOption(text: string): { readonly name: string; readonly pid: number } {
  const [name, pid] = text.split('=');
  return { name: name!, pid: parseNumberOption('process', pid ?? '', 1) };
}

/** Connects once, so that a wrong address is an error at once and not a load of failures. */
async function reachableTarget(url: URL): Promise<Target> {
  if (url.protocol !== 'http:')
    throw new Error(`only http: addresses can be loaded; this is ${url.protocol}`);
  const target = { host: url.hostname, port: Number(url.port || 80) };
  const probe = createConnection(target);
  await once(probe, 'connect');
  probe.destroy();
  return target;
}
