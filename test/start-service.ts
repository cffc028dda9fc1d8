/** Starts the real service, or another verb, for a test; whatever was started ends with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const START_MS = 30_000;
/** A verb that takes longer than this has done something other than it was asked. */
const VERB_MS = 120_000;

export type Service = {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it has logged so far, a JSON object a line. */
  readonly log: () => string;
  /** Asks it to end and waits until it has. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<Ending>;
};

export type Ending = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ServiceOptions = {
  /** `serve` unless it says otherwise; the address of `stream` is that of its probes. */
  readonly verb?: 'serve' | 'stream';
  readonly dataDirectory: string;
  readonly environment?: Readonly<Record<string, string>>;
};

export type VerbResult = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

const undoing = new WeakMap<TestContext, (() => unknown)[]>();

/** Undoes at the end of the test, last things first: a service ends before its directory goes. */
export function undoAtEnd(test: TestContext, undo: () => unknown): void {
  const known = undoing.get(test);
  if (known) {
    known.push(undo);
    return;
  }
  const stack = [undo];
  undoing.set(test, stack);
  test.after(async () => {
    for (const next of stack.toReversed()) await next();
  });
}

/** A directory that goes with the test. */
export async function temporaryDirectory(test: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fraud-test-'));
  undoAtEnd(test, () => rm(path, { recursive: true, force: true }));
  return path;
}

/** Resolves when the service listens; rejects with what it said when it ends before that. */
export async function startService(test: TestContext, options: ServiceOptions): Promise<Service> {
  const service = spawnService(test, options);
  const ended = service.ended.then(({ code, signal }) => {
    throw new Error(`the service ended with ${code ?? signal}: ${service.log()}`);
  });
  ended.catch(() => {});
  const url = await Promise.race([service.listening, ended]);
  return { ...service, url };
}

/** The service from its very first moment, listening or not. */
export function spawnService(
  test: TestContext,
  { verb = 'serve', dataDirectory, environment }: ServiceOptions,
) {
  const child = spawnVerb([verb, '--port', '0', '--data-dir', dataDirectory], environment);
  const ended: Promise<Ending> = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  const said = collect(child.stdout);
  const logged = collect(child.stderr);
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal);
    return ended;
  };
  undoAtEnd(test, () => stop('SIGKILL'));
  const url = () => (verb === 'serve' ? /listens on (http:\S+)/.exec(said())?.[1] : probesUrlIn(logged()));
  return { process: child, log: logged, ended, stop, listening: onceSaid(url, ended) };
}

/** Runs a verb to its end. */
export function runVerb(...words: string[]): Promise<VerbResult> {
  return runVerbIn({}, ...words);
}

/** Runs a verb to its end with further environment variables. */
export async function runVerbIn(
  environment: Readonly<Record<string, string>>,
  ...words: string[]
): Promise<VerbResult> {
  const child = spawnVerb(words, environment);
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const tooLong = setTimeout(() => child.kill('SIGKILL'), VERB_MS);
  const [code] = await once(child, 'close');
  clearTimeout(tooLong);
  return { code, stdout: stdout(), stderr: stderr() };
}

function spawnVerb(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'src/main.ts', ...words], {
    cwd: ROOT,
    // Unless a test is about that: on a busy machine, what is compared would depend on how busy it is.
    env: { REASONS_BUDGET_MS: '60000', ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk) => {
    text += chunk;
  });
  return () => text;
}

function probesUrlIn(log: string): string | undefined {
  const port = /"port":(\d+).*"msg":"streaming"/.exec(log)?.[1];
  return port && `http://127.0.0.1:${port}`;
}

/** Rejects only where it takes too long; whoever ends early never listens. */
async function onceSaid(said: () => string | undefined, ended: Promise<Ending>): Promise<string> {
  const untilMs = Date.now() + START_MS;
  let isOver = false;
  void ended.then(() => {
    isOver = true;
  });
  while (Date.now() < untilMs && !isOver) {
    const url = said();
    if (url) return url;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (isOver) return new Promise(() => {});
  throw new Error(`the service did not listen within ${START_MS} ms`);
}
