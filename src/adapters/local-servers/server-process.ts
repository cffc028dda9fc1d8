/**
 * A server's process, known by its folder and pid, whoever started it. The pid may by now belong to another program:
 * only a process whose command line names the folder is taken for the server.
 */
import { sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLineOf, hasEnded } from './process-table.ts';

const STOP_WITHIN_MS = 15_000;
const POLL_MS = 25;

export class ServerProcess {
  readonly folder: string;
  readonly pid: number;
  readonly #stopWithinMs: number;

  constructor(folder: string, pid: number, { stopWithinMs = STOP_WITHIN_MS } = {}) {
    this.folder = folder;
    this.pid = pid;
    this.#stopWithinMs = stopWithinMs;
  }

  async isRunning(): Promise<boolean> {
    return (await commandLineOf(this.pid)).includes(this.folder + sep);
  }

  /** Nothing happens where it has ended, and to another process that has its pid by now. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    if (await this.isRunning()) process.kill(this.pid, signal);
  }

  /** Lets it end in its own way, also when it is paused; ends it the hard way if that takes too long. */
  async stop(): Promise<void> {
    await this.signal('SIGTERM');
    await this.signal('SIGCONT');
    if (!(await this.#isGoneInTime())) await this.kill();
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    await this.signal('SIGKILL');
    await this.#isGoneInTime();
  }

  /** Gone with its ports and files, which it holds for a moment after it has lost its command line. */
  async #isGoneInTime(): Promise<boolean> {
    const untilMs = performance.now() + this.#stopWithinMs;
    while (!(await this.#isGone())) {
      if (performance.now() > untilMs) return false;
      await delay(POLL_MS);
    }
    return true;
  }

  async #isGone(): Promise<boolean> {
    if (await hasEnded(this.pid)) return true;
    const commandLine = await commandLineOf(this.pid);
    return commandLine !== '' && !commandLine.includes(this.folder + sep);
  }
}
