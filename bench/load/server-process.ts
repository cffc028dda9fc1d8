import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * A server under measurement, in a process of its own. It has started when it answers its first
 * `POST /predict` with 200; the same moment ends `startedInMs`, which counts from the spawn.
 */
export type ServerCommand = {
  readonly command: string;
  readonly args: readonly string[];
  readonly directory: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it will answer `POST /predict`. */
  readonly url: string;
  /** Takes what it prints; quoted if it does not start. */
  readonly logFile: string;
  readonly startWithinMs: number;
};

const POLL_INTERVAL_MS = 5;
const POLL_TIMEOUT_MS = 5_000;
const STOP_WITHIN_MS = 10_000;
const LOG_TAIL_CHARACTERS = 2_000;

export class ServerProcess implements AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  readonly startedInMs: number;
  readonly #child: ChildProcess;

  static async start(server: ServerCommand): Promise<ServerProcess> {
    const spawnedMs = performance.now();
    const child = spawnLogged(server);
    endWithThisProcess(child);
    await firstAnswer(server, child, spawnedMs + server.startWithinMs).catch(async (error: unknown) => {
      await stop(child);
      throw error;
    });
    return new ServerProcess(child, server.url, performance.now() - spawnedMs);
  }

  private constructor(child: ChildProcess, url: string, startedInMs: number) {
    this.#child = child;
    this.pid = child.pid!;
    this.url = url;
    this.startedInMs = startedInMs;
  }

  /** Ends it and all it has started as a crash would. */
  async kill(): Promise<void> {
    if (hasEnded(this.#child)) return;
    const exited = once(this.#child, 'exit');
    signalGroup(this.#child, 'SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await stop(this.#child);
  }
}

/** A port that was free a moment ago. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return address.port;
}

/** In a process group of its own, so that what a launcher such as npm starts can be ended with it. */
function spawnLogged(server: ServerCommand): ChildProcess {
  const log = openSync(server.logFile, 'w');
  try {
    return spawn(server.command, server.args, {
      cwd: server.directory,
      env: { ...process.env, ...server.environment },
      stdio: ['ignore', log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function firstAnswer(server: ServerCommand, child: ChildProcess, deadlineMs: number): Promise<void> {
  let exit: string | undefined;
  child.once('error', (error) => {
    exit = error.message;
  });
  child.once('exit', (code, signal) => {
    exit = `it ended with ${signal ?? `code ${code}`}`;
  });
  while (!(await isAnswering(server.url))) {
    if (performance.now() > deadlineMs) exit ??= `no answer within ${server.startWithinMs / 1_000} s`;
    if (exit !== undefined)
      throw new Error(`${server.command} did not start: ${exit}\n${logTail(server.logFile)}`);
    await delay(POLL_INTERVAL_MS);
  }
}

async function isAnswering(url: string): Promise<boolean> {
  const payment = {
    transaction_id: `first-${Date.now().toString(36)}-${process.pid}`,
    user_id: 'user_0',
    amount: 12.34,
    merchant_category: 'grocery',
    is_international: false,
    timestamp: new Date().toISOString(),
    terminal_id: 'terminal_0',
  };
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(payment),
      signal: AbortSignal.timeout(POLL_TIMEOUT_MS),
    });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false; // Not listening yet: the caller asks again, within its deadline.
  }
}

function logTail(file: string): string {
  return readFileSync(file, 'utf8').slice(-LOG_TAIL_CHARACTERS);
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const exited = once(child, 'exit');
  signalGroup(child, 'SIGTERM');
  const kill = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_WITHIN_MS);
  await exited;
  clearTimeout(kill);
}

/** A measurement that is broken off, by Ctrl-C or an error, leaves no server behind. */
function endWithThisProcess(child: ChildProcess): void {
  const kill = () => signalGroup(child, 'SIGKILL');
  const exit = () => process.exit(130);
  process.once('exit', kill).once('SIGINT', exit).once('SIGTERM', exit);
  child.once('exit', () => process.off('exit', kill).off('SIGINT', exit).off('SIGTERM', exit));
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (!hasEnded(child)) process.kill(-child.pid!, signal);
}

/** True also for a command that could not be started at all, which has no pid. */
function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}
