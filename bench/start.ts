import { execFile } from 'node:child_process';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { formatConditions, readConditions } from './load/conditions.ts';
import { findFreePort, ServerProcess } from './load/server-process.ts';
import { DEFAULT_SERVICE, PROJECT_DIRECTORY, parseServiceCommand } from './load/service-command.ts';

const USAGE = `Usage: node bench/start.ts [--cold-cache] | [--data-dir DIR [--service COMMAND]]

How long until the service decides its first payment?

  without --data-dir  a fresh clone of this repository's last commit, then npm start in it
  --cold-cache        the same with an empty npm cache, as on a machine that never saw the project
  --data-dir DIR      the service on a data directory that exists; it gets one payment more by this
  --service COMMAND   default '${DEFAULT_SERVICE}'
  --json              one line of JSON

Times count from the start of the process to the first POST /predict that is answered with 200.
`;

const { values: options } = parseArgs({
  options: {
    'cold-cache': { type: 'boolean', default: false },
    'data-dir': { type: 'string' },
    service: { type: 'string', default: DEFAULT_SERVICE },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const START_FRESH_WITHIN_MS = 300_000;
const RESTART_WITHIN_MS = 120_000;

if (options.help) process.stdout.write(USAGE);
else await measureStart();

async function measureStart(): Promise<void> {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'fraud-start-'));
  const conditions = readConditions(directory.path);
  const dataDirectory = options['data-dir'];
  const seconds =
    dataDirectory === undefined
      ? await startFreshClone(directory.path)
      : { firstDecision: await restart(resolve(dataDirectory), directory.path) };
  const lines = Object.entries(seconds).map(([name, value]) => `${name.padEnd(16)}${value.toFixed(2)} s\n`);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ conditions, seconds })}\n`
      : `${formatConditions(conditions)}${lines.join('')}`,
  );
}

async function startFreshClone(directory: string) {
  const clone = join(directory, 'clone');
  const begunMs = performance.now();
  await promisify(execFile)('git', ['clone', '--quiet', '--no-local', PROJECT_DIRECTORY, clone]);
  const cloneSeconds = (performance.now() - begunMs) / 1_000;

  const port = await findFreePort();
  const environment = { PORT: `${port}`, DATA_DIR: join(directory, 'data') };
  const coldCache = { npm_config_cache: join(directory, 'npm-cache') };
  await using service = await ServerProcess.start({
    command: 'npm',
    args: ['start'],
    directory: clone,
    environment: options['cold-cache'] ? { ...environment, ...coldCache } : environment,
    url: `http://127.0.0.1:${port}/predict`,
    logFile: join(directory, 'service.log'),
    startWithinMs: START_FRESH_WITHIN_MS,
  });
  return { clone: cloneSeconds, firstDecision: service.startedInMs / 1_000 };
}

async function restart(dataDirectory: string, logDirectory: string): Promise<number> {
  const port = await findFreePort();
  await using service = await ServerProcess.start({
    ...parseServiceCommand(options.service, { port, dataDirectory }),
    directory: PROJECT_DIRECTORY,
    url: `http://127.0.0.1:${port}/predict`,
    logFile: join(logDirectory, 'service.log'),
    startWithinMs: RESTART_WITHIN_MS,
  });
  return service.startedInMs / 1_000;
}
