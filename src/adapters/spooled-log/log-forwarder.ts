import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EventLog, LogEvent, LogPosition, PositionedEventLog } from '../../pipeline/event-log.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';

/** How soon an event follows that finds the forwarder at rest. */
const LOOK_MS = 20;
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 1_000;
/** The cursor is written at most this often; after a crash some events are forwarded again, and none is missed. */
const CURSOR_INTERVAL_MS = 1_000;
const CURSOR_FILE = 'cursor.json';

export type LogForwarderOptions = {
  readonly source: Pick<PositionedEventLog, 'read' | 'durableEnd'>;
  readonly target: Pick<EventLog, 'append'>;
  /** Where the cursor is kept; ours alone. */
  readonly directory: string;
};

/** Sends all that becomes durable in one log to another, in order, from where an earlier process has left off. */
export class LogForwarder implements AsyncDisposable {
  readonly #options: LogForwarderOptions;
  readonly #closing = new AbortController();
  #position: LogPosition;
  #kept: LogPosition;
  #keptAtMs = performance.now();
  readonly #running: Promise<void>;

  private constructor(options: LogForwarderOptions, position: LogPosition) {
    this.#options = options;
    this.#position = position;
    this.#kept = position;
    this.#running = this.#run();
  }

  static async open(options: LogForwarderOptions): Promise<LogForwarder> {
    const kept = await readCursor(options.directory);
    return new LogForwarder(options, Math.min(kept, options.source.durableEnd));
  }

  /** Everything before this position has been forwarded. */
  get position(): LogPosition {
    return this.#position;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await this.#keep();
  }

  async #run(): Promise<void> {
    const { source } = this.#options;
    while (!this.#closing.signal.aborted) {
      if (this.#position < source.durableEnd) await this.#forwardAll();
      if (performance.now() - this.#keptAtMs > CURSOR_INTERVAL_MS) await this.#keep();
      await this.#rest(LOOK_MS);
    }
  }

  async #forwardAll(): Promise<void> {
    for await (const batch of this.#options.source.read(this.#position)) {
      const isSent = await this.#send(batch.map(({ event }) => event));
      if (!isSent) return;
      this.#position = batch[batch.length - 1].nextPosition;
    }
  }

  /** Tries until it is taken. @returns false if the forwarder is closed before that */
  async #send(events: readonly LogEvent[]): Promise<boolean> {
    for (
      let waitMs = RETRY_MS_MIN;
      !this.#closing.signal.aborted;
      waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)
    ) {
      try {
        await this.#options.target.append(events).durable;
        return true;
      } catch (error) {
        if (!(error instanceof LogUnavailableError)) throw error;
        await this.#rest(waitMs);
      }
    }
    return false;
  }

  async #keep(): Promise<void> {
    this.#keptAtMs = performance.now();
    if (this.#kept === this.#position) return;
    const position = this.#position;
    const path = join(this.#options.directory, CURSOR_FILE);
    try {
      await writeFile(`${path}.tmp`, `${JSON.stringify({ position })}\n`, { flush: true });
      await rename(`${path}.tmp`, path);
      this.#kept = position;
    } catch {
      // The disk is full, say. What is not known to be forwarded is forwarded again.
    }
  }

  async #rest(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {}); // cut short at the end
  }
}

/** 0 where there is none, or none that can be read: then everything is forwarded. */
async function readCursor(directory: string): Promise<LogPosition> {
  try {
    const { position } = JSON.parse(await readFile(join(directory, CURSOR_FILE), 'utf8'));
    return Number.isSafeInteger(position) && position >= 0 ? position : 0;
  } catch {
    return 0;
  }
}
