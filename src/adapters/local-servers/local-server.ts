/** A server that runs as a process of its own on this machine, and keeps all it has in one folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isFree } from './free-ports.ts';
import { PortTakenError, ServerNotStartedError } from './local-server-errors.ts';
import { ServerProcess } from './server-process.ts';
import { readRecord, writeRecord } from './server-record.ts';

const LOG_FILE = 'server.log';
const START_WITHIN_MS = 60_000;
const POLL_MS = 25;
const LOG_TAIL_CHARACTERS = 2_000;

/** How a server is started and known to be there. Its words must name a file in its folder. */
export type ServerRecipe = {
  readonly name: string;
  readonly folder: string;
  readonly port: number;
  readonly program: string;
  readonly words: readonly string[];
  /** True once a client would be served; false or an error until then. */
  readonly isReady: () => Promise<boolean>;
};

export type StartOptions = {
  /** It goes on when this process, and the terminal it belongs to, have gone. */
  readonly isDetached: boolean;
};

export class LocalServer {
  readonly recipe: ServerRecipe;
  #process: ServerProcess | undefined;
  #child: ChildProcess | undefined;
  #isDetached = false;

  constructor(recipe: ServerRecipe) {
    this.recipe = recipe;
  }

  /** Whether it runs, also when another process started it. */
  async isRunning(): Promise<boolean> {
    const { folder } = this.recipe;
    const record = this.#process ?? (await readRecord(folder));
    if (record === undefined) return false;
    this.#process = new ServerProcess(folder, record.pid);
    return this.#process.isRunning();
  }

  /**
   * Starts it and waits until it serves.
   * @throws PortTakenError
   * @throws ServerNotStartedError
   */
  async start(options: StartOptions): Promise<void> {
    await this.spawn(options);
    await this.untilReady();
  }

  /** Starts it without waiting: servers that need each other to be ready are spawned together. */
  async spawn({ isDetached }: StartOptions): Promise<void> {
    const { name, folder, port, program, words } = this.recipe;
    if (!(await isFree(port)))
      throw new PortTakenError(`${name} has port ${port}, on which something else listens`);
    await mkdir(folder, { recursive: true });
    const log = openSync(join(folder, LOG_FILE), 'a');
    const child = spawn(program, words, { cwd: folder, stdio: ['ignore', log, log], detached: isDetached });
    closeSync(log);
    child.once('error', () => {}); // it has no pid then, which is told below
    if (child.pid === undefined) throw new ServerNotStartedError(`${program} cannot be started`);
    child.unref();
    this.#child = child;
    this.#isDetached = isDetached;
    this.#process = new ServerProcess(folder, child.pid);
    await writeRecord(folder, { name, pid: child.pid, port, startedAt: new Date().toISOString() });
  }

  /** @throws ServerNotStartedError */
  async untilReady(): Promise<void> {
    const untilMs = performance.now() + START_WITHIN_MS;
    while (!(await this.recipe.isReady().catch(() => false))) {
      if (!(await this.isRunning())) throw await this.#notStarted('ended');
      if (performance.now() > untilMs) throw await this.#notStarted(`did not serve in ${START_WITHIN_MS} ms`);
      await delay(POLL_MS);
    }
  }

  /** Lets it end in its own way, also when it is paused; ends it the hard way if that takes too long. */
  async stop(): Promise<void> {
    await this.#process?.stop();
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** It hangs: connections stay, and nothing is answered. */
  async pause(): Promise<void> {
    await this.#process?.signal('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#process?.signal('SIGCONT');
  }

  /** Starts it again with the data and the port that it had; stops it before that if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start({ isDetached: this.#isDetached });
  }

  /** For the exit of the process that started it, where nothing can be waited for. */
  killAtExit(): void {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
  }

  async #notStarted(what: string): Promise<ServerNotStartedError> {
    const log = join(this.recipe.folder, LOG_FILE);
    const tail = (await readFile(log, 'utf8')).slice(-LOG_TAIL_CHARACTERS);
    return new ServerNotStartedError(`${this.recipe.name} ${what}; the end of ${log}:\n${tail}`);
  }
}
