import { Connection, type Exchange, type Target } from './connection.ts';
import type { Failure } from './http-answer.ts';
import { type Tally, TallyCounter } from './tally.ts';
import type { TransactionMix } from './transaction-mix.ts';

/** An exchange that has no answer after so long is given up and counts as failed. */
const REQUEST_TIMEOUT_MS = 10_000;
const TIMEOUT_CHECK_INTERVAL_MS = 250;

/** What both loops share: the connections, what is in flight on them, and what came of it. */
export class LoadSession implements Disposable {
  readonly #transactions: TransactionMix;
  readonly #measuredFromMs: number;
  readonly #onAnswered: ((transactionId: string) => void) | undefined;
  readonly #connections: readonly Connection[];
  readonly #counter = new TallyCounter();
  readonly #timeoutCheck: NodeJS.Timeout;
  #sequence = 0;
  #inFlight = 0;
  #onDrained: (() => void) | undefined;

  /** Exchanges that begin before `measuredFromMs` are warm-up: sent and checked, not counted. */
  constructor(options: {
    /** Connections take turns at them. */
    readonly targets: readonly Target[];
    readonly connections: number;
    readonly transactions: TransactionMix;
    readonly measuredFromMs: number;
    readonly onIdle: (connection: Connection) => void;
    /** Told of every right answer, also of the warm-up's. */
    readonly onAnswered?: ((transactionId: string) => void) | undefined;
  }) {
    this.#transactions = options.transactions;
    this.#measuredFromMs = options.measuredFromMs;
    this.#onAnswered = options.onAnswered;
    const events = {
      onIdle: options.onIdle,
      onSettled: (exchange: Exchange, failure: Failure | undefined) => this.#settle(exchange, failure),
    };
    this.#connections = Array.from(
      { length: options.connections },
      (_, index) => new Connection(options.targets[index % options.targets.length]!, events),
    );
    this.#timeoutCheck = setInterval(() => this.#expire(), TIMEOUT_CHECK_INTERVAL_MS);
  }

  /** Sends the next payment, which also happened at `startedMs`. */
  send(connection: Connection, startedMs: number): void {
    const timestampMs = Math.floor(performance.timeOrigin + startedMs);
    this.#inFlight++;
    if (startedMs >= this.#measuredFromMs) this.#counter.countSent();
    connection.send(this.#transactions(this.#sequence++, timestampMs), startedMs);
  }

  /** Counts a payment of `startedMs` that will not be sent. */
  drop(startedMs: number): void {
    if (startedMs >= this.#measuredFromMs) this.#counter.countDropped();
  }

  /** Resolves when nothing is in flight, which the request timeout bounds. Nothing may be sent after this call. */
  drained(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  toTally(): Tally {
    return this.#counter.toTally();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timeoutCheck);
    for (const connection of this.#connections) connection.close();
  }

  #settle({ transactionId, startedMs }: Exchange, failure: Failure | undefined): void {
    this.#inFlight--;
    if (failure === undefined) this.#onAnswered?.(transactionId);
    if (startedMs >= this.#measuredFromMs) {
      if (failure === undefined) this.#counter.countAnswered(performance.now() - startedMs);
      else this.#counter.countFailed(failure);
    }
    if (this.#inFlight === 0) this.#onDrained?.();
  }

  #expire(): void {
    const earliestMs = performance.now() - REQUEST_TIMEOUT_MS;
    for (const connection of this.#connections) connection.expire(earliestMs);
  }
}
