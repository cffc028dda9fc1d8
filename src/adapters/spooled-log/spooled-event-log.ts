/**
 * An event log on other machines, with a spool on this one's disk for when it is out of reach.
 *
 *              ┌────────── refused, or not acknowledged within the deadline ──────────┐
 *              │                                                                      ▼
 *     ── to the primary ──                                                   ── to the spool ──
 *              ▲                                                                      │
 *              └── a chunk was acknowledged in time, and memory holds all that is left ┘
 *
 * - Events of the primary that are not acknowledged when it is given up go to the spool first, in order. Each may be in the
 *   primary all the same, and is then there twice: readers take the first. Whatever comes twice, the firsts are in order.
 * - While the spool is forwarded, what is new goes behind it. The last of it is handed over from memory, and at once
 *   everything new goes behind that in the primary; so the change back waits for no quiet moment.
 * - What is handed over stays in the spool until the primary has acknowledged it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Appended, EventLog, LogEvent, LogPosition } from '../../pipeline/event-log.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { DeadlineWatch } from './deadline-watch.ts';
import type { Entry } from './entry.ts';
import { Spool } from './spool.ts';
import { SpoolTail } from './spool-tail.ts';

const DEADLINE_MS = 30;
const SPOOL_BYTES_MAX = 256 * 1024 * 1024;
/** The first chunk also asks whether the primary is there, and may have to be sent in vain for long. */
const PROBE_BYTES = 64 * 1024;
const CHUNK_BYTES_MAX = 1024 * 1024;
const FORWARD_DELAY_MS_MIN = 50;
const FORWARD_DELAY_MS_MAX = 1_000;

export type SpoolState = {
  readonly isSpooling: boolean;
  /** When it began, milliseconds since 1970; undefined while it is not spooling. */
  readonly sinceMs: number | undefined;
  readonly spooledBytes: number;
};

export type SpooledEventLogOptions = {
  /** Owned by the composite from now on. */
  readonly primary: EventLog;
  /** Of the spool; ours alone. */
  readonly directory: string;
  readonly deadlineMs?: number;
  readonly spoolBytesMax?: number;
  readonly segmentBytes?: number;
  /** Told at each change between the primary and the spool. */
  readonly onChange?: (state: SpoolState) => void;
};

/** Opens the spool; what a process before us has left there is forwarded from now on. Throws as `openSegmentLog`. */
export async function openSpooledEventLog(options: SpooledEventLogOptions): Promise<SpooledEventLog> {
  const { directory, segmentBytes } = options;
  const spool = await Spool.open(directory, segmentBytes === undefined ? {} : { segmentBytes });
  return new SpooledEventLog(spool, options);
}

export class SpooledEventLog implements EventLog {
  readonly #primary: EventLog;
  readonly #spool: Spool;
  readonly #tail: SpoolTail;
  readonly #deadlineMs: number;
  readonly #spoolBytesMax: number;
  readonly #onChange: (state: SpoolState) => void;
  readonly #watch: DeadlineWatch;
  /** In the primary and not acknowledged, oldest first. */
  #pending: Entry[] = [];
  /** Those that were pending when the primary was last given up. */
  #givenUp: readonly Entry[] = [];
  #sinceMs: number | undefined;
  #isForwarding = false;
  #forwarding: Promise<void> | undefined;
  #end = 0;
  #isClosed = false;
  readonly #closing = new AbortController();

  constructor(spool: Spool, options: SpooledEventLogOptions) {
    this.#primary = options.primary;
    this.#spool = spool;
    this.#tail = new SpoolTail(spool);
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS;
    this.#spoolBytesMax = options.spoolBytesMax ?? SPOOL_BYTES_MAX;
    this.#onChange = options.onChange ?? (() => {});
    this.#watch = new DeadlineWatch(this.#deadlineMs, () => this.#giveUpPrimary());
    if (spool.bytes > 0) this.#startSpooling();
  }

  get isSpooling(): boolean {
    return this.#sinceMs !== undefined;
  }

  get state(): SpoolState {
    return { isSpooling: this.isSpooling, sinceMs: this.#sinceMs, spooledBytes: this.#spool.bytes };
  }

  append(events: readonly LogEvent[]): Appended {
    if (this.#isClosed) throw new LogUnavailableError('the log is closed');
    const entry = this.#newEntry(events);
    if (!this.isSpooling && !this.#send(entry)) this.#giveUpPrimary();
    if (this.isSpooling) this.#keep(entry);
    const first = this.#end;
    this.#end += events.length;
    return { positions: events.map((_, index) => first + index), end: this.#end, durable: entry.promise };
  }

  /** Waits until all that was appended is in the primary or in the spool. What is spooled stays for the next process. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closing.abort();
    await this.#primary[Symbol.asyncDispose]();
    await Promise.all(this.#pending.map(({ outcome }) => outcome));
    await this.#forwarding;
    this.#watch.stop();
    await this.#spool[Symbol.asyncDispose]();
  }

  #newEntry(events: readonly LogEvent[]): Entry {
    return {
      ...Promise.withResolvers<void>(),
      events,
      sentAtMs: 0,
      outcome: Promise.resolve(false),
      isAcknowledged: false,
      spooledUntil: undefined,
    };
  }

  /** False if the primary refuses at once. */
  #send(entry: Entry): boolean {
    try {
      const { durable } = this.#primary.append(entry.events);
      entry.sentAtMs = performance.now();
      entry.outcome = durable.then(
        () => this.#acknowledged(entry),
        () => this.#refused(entry),
      );
    } catch (error) {
      if (!(error instanceof LogUnavailableError)) throw error;
      return false;
    }
    this.#pending.push(entry);
    this.#watch.follow(this.#pending);
    return true;
  }

  #acknowledged(entry: Entry): true {
    entry.isAcknowledged = true;
    entry.resolve();
    let count = 0;
    while (this.#pending[count]?.isAcknowledged) {
      const { spooledUntil } = this.#pending[count++];
      if (spooledUntil !== undefined) this.#forwardedTo(spooledUntil);
    }
    if (count > 0) this.#pending.splice(0, count);
    return true;
  }

  #refused(entry: Entry): false {
    if (this.#pending.includes(entry)) this.#giveUpPrimary();
    return false;
  }

  #giveUpPrimary(): void {
    const pending = this.#pending;
    this.#pending = [];
    this.#watch.follow(this.#pending);
    this.#givenUp = pending;
    let refusal: unknown;
    for (const entry of pending) {
      if (entry.spooledUntil !== undefined) continue;
      try {
        if (refusal !== undefined) throw refusal;
        this.#keep(entry);
      } catch (error) {
        // With all behind it, so that no later one stands where an earlier one of the same user is missing.
        refusal = error;
        entry.reject(error);
      }
    }
    this.#startSpooling();
  }

  /** @throws LogUnavailableError if the spool is full or cannot be written */
  #keep(entry: Entry): void {
    if (this.#spool.bytes >= this.#spoolBytesMax) {
      throw new LogUnavailableError(`the spool holds ${this.#spool.bytes} bytes, and no more may be`);
    }
    const start = this.#spool.end;
    const { end, durable } = this.#spool.append(entry.events);
    entry.spooledUntil = end;
    this.#tail.push({ entry, start, end });
    durable.then(entry.resolve, (error) => this.#spoolLost(entry, error));
  }

  /** The disk is full: the spool holds nothing of it any more. It may have been handed over to the primary meanwhile. */
  #spoolLost(entry: Entry, error: unknown): void {
    entry.spooledUntil = undefined;
    this.#tail.remove(entry);
    if (!this.#pending.includes(entry)) entry.reject(error);
  }

  #startSpooling(): void {
    if (!this.isSpooling) {
      this.#sinceMs = Date.now();
      this.#onChange(this.state);
    }
    if (this.#isForwarding) return;
    this.#isForwarding = true;
    this.#forwarding = this.#forward();
  }

  #stopSpooling(): void {
    this.#isForwarding = false;
    this.#sinceMs = undefined;
    this.#onChange(this.state);
  }

  /** Runs while there is anything in the spool that is not handed over. */
  async #forward(): Promise<void> {
    await this.#settleGivenUp();
    let delayMs = FORWARD_DELAY_MS_MIN;
    let bytesMax = PROBE_BYTES;
    while (!this.#closing.signal.aborted) {
      if (this.#spool.bytes === 0) return this.#stopSpooling();
      const startedMs = performance.now();
      const forwarded = await this.#forwardChunk(bytesMax);
      if (forwarded === 'refused') {
        await this.#pause(delayMs);
        delayMs = Math.min(2 * delayMs, FORWARD_DELAY_MS_MAX);
        bytesMax = PROBE_BYTES;
      } else if (forwarded === 'acknowledged') {
        delayMs = FORWARD_DELAY_MS_MIN;
        bytesMax = CHUNK_BYTES_MAX;
        if (performance.now() - startedMs <= this.#deadlineMs && this.#handOver()) return;
      }
    }
  }

  /** What was slow and arrived after all need not be sent again. */
  async #settleGivenUp(): Promise<void> {
    for (const { outcome, spooledUntil } of this.#givenUp) {
      if (!(await outcome)) break;
      if (spooledUntil !== undefined) this.#forwardedTo(spooledUntil);
    }
    this.#givenUp = [];
  }

  async #forwardChunk(bytesMax: number): Promise<'acknowledged' | 'refused' | 'nothing-durable'> {
    try {
      const logged = await this.#spool.readNext(bytesMax);
      if (logged.length === 0) {
        await this.#spool.settle();
        return 'nothing-durable';
      }
      await this.#primary.append(logged.map(({ event }) => event)).durable;
      this.#forwardedTo(logged[logged.length - 1].nextPosition);
      return 'acknowledged';
    } catch (error) {
      if (!(error instanceof LogUnavailableError)) throw error;
      return 'refused';
    }
  }

  #forwardedTo(position: LogPosition): void {
    this.#spool.moveTo(position);
    this.#tail.forget(position);
  }

  /** If memory holds all that is left of the spool: gives it to the primary, and from now on all that is new behind it. */
  #handOver(): boolean {
    const rest = this.#tail.rest();
    if (rest === undefined) return false;
    for (const entry of rest) if (!this.#send(entry)) return false;
    this.#stopSpooling();
    return true;
  }

  async #pause(milliseconds: number): Promise<void> {
    await delay(milliseconds, undefined, { signal: this.#closing.signal }).catch(() => {}); // cut short at the end
  }
}
