import { createConnection, type Socket } from 'node:net';
import { type Failure, parseAnswer } from './http-answer.ts';
import type { PaymentRequest } from './transaction-mix.ts';

/**
 * One keep-alive connection that has at most one request in flight.
 *
 *     connecting ──► idle ──send──► busy ──► idle      after an answer, right or wrong
 *          ▲          │               │
 *          └──────────┴───────────────┘                after a lost or timed-out connection
 *
 * A lost connection is opened again after a pause, for as long as the load lasts.
 */
export type ConnectionEvents = {
  /** An exchange is over; `failure` says why it went wrong, undefined that it is right. */
  readonly onSettled: (exchange: Exchange, failure: Failure | undefined) => void;
  /** The connection can take a request; called after `onSettled` of the request before. */
  readonly onIdle: (connection: Connection) => void;
};

export type Exchange = { readonly transactionId: string; readonly startedMs: number };

export type Target = { readonly host: string; readonly port: number };

const RECONNECT_AFTER_MS = 100;
/** Larger than any answer, so that one read takes it whole. */
const RECEIVE_BUFFER_BYTES = 16_384;

export class Connection {
  readonly #target: Target;
  readonly #events: ConnectionEvents;
  #socket: Socket;
  #inFlight: Exchange | undefined;
  #received = '';
  #isOpen = false;
  #isClosed = false;
  #reconnect: NodeJS.Timeout | undefined;

  constructor(target: Target, events: ConnectionEvents) {
    this.#target = target;
    this.#events = events;
    this.#socket = this.#connect();
  }

  /** `startedMs` is the moment the latency counts from, on the clock of `performance.now()`. */
  send(request: PaymentRequest, startedMs: number): void {
    this.#inFlight = { transactionId: request.transactionId, startedMs };
    this.#socket.write(request.text, 'latin1');
  }

  /** Gives up the request in flight if it began before `earliestMs`. */
  expire(earliestMs: number): void {
    if (this.#inFlight !== undefined && this.#inFlight.startedMs < earliestMs) this.#lose('timeout');
  }

  get isIdle(): boolean {
    return this.#isOpen && this.#inFlight === undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#reconnect);
    this.#socket.destroy();
  }

  #connect(): Socket {
    // One fixed buffer for all reads: the stream machinery would allocate one for each.
    const onread = {
      buffer: Buffer.allocUnsafe(RECEIVE_BUFFER_BYTES),
      callback: (length: number, buffer: Uint8Array) => {
        this.#receive((buffer as Buffer).toString('latin1', 0, length));
        return true;
      },
    };
    const socket = createConnection({ ...this.#target, noDelay: true, onread });
    socket.on('connect', () => {
      this.#isOpen = true;
      this.#events.onIdle(this);
    });
    // Every error is followed by 'close', where it is counted.
    socket.on('error', () => {});
    socket.on('close', () => this.#lose('connection'));
    return socket;
  }

  #receive(chunk: string): void {
    this.#received += chunk;
    const inFlight = this.#inFlight;
    const verdict = inFlight === undefined ? 'protocol' : parseAnswer(this.#received, inFlight.transactionId);
    if (verdict === 'incomplete') return;
    if (inFlight === undefined || verdict === 'protocol') {
      // What follows on this connection could be anything.
      this.#lose('protocol');
      return;
    }
    this.#settle(inFlight, verdict === 'right' ? undefined : verdict);
    this.#events.onIdle(this);
  }

  #settle(exchange: Exchange, failure: Failure | undefined): void {
    this.#inFlight = undefined;
    this.#received = '';
    this.#events.onSettled(exchange, failure);
  }

  #lose(failure: Failure): void {
    this.#isOpen = false;
    this.#socket.removeAllListeners('close').destroy();
    this.#received = '';
    if (this.#inFlight !== undefined) this.#settle(this.#inFlight, failure);
    if (this.#isClosed) return;
    this.#reconnect = setTimeout(() => {
      this.#socket = this.#connect();
    }, RECONNECT_AFTER_MS);
  }
}
