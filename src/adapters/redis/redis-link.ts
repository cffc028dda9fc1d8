/**
 * The connection to one Redis server, which is either there or away.
 *
 *            connected, PING answered                  deadline missed, connection lost, server loading
 *     away ───────────────────────────> there ───────────────────────────────────────────────────────> away
 *
 * While it is away every call is rejected at once, so nothing piles up, and one PING at a time asks for it. A PING that
 * hangs is answered as soon as the server goes on; where it is not for long, the connection itself is suspected and made
 * anew. No timers run while it is there but the deadline of each call.
 *
 * `redis` (node-redis 6) is a thin layer once its own timeouts are off. Its CPU for a transaction's two APPEND and two GETEX,
 * in µs, on a busy machine (`node bench/redis.ts ways`):
 *
 *     batch of                                    1     8    64   512
 *     sendCommand, no timeouts                   31     9     7     7   <- chosen
 *     the same with values as strings            30    11     9     8
 *     multi().execAsPipeline()                   29    10     7     8
 *     typed methods: append(), getEx()           38    16    13    18
 *     sendCommand, an AbortSignal.timeout each   53    34    21    61   (its default)
 */
import { createClient, ErrorReply, RESP_TYPES } from 'redis';
import { StoreUnavailableError } from '../../pipeline/pipeline-errors.ts';
import type { HealthMonitor } from './redis-health.ts';
import type { Command, Reply } from './redis-servers.ts';
import type { RedisSecurity } from './redis-settings.ts';

export type RedisAddress = { readonly host: string; readonly port: number };

const CONNECT_WITHIN_MS = 1_000;
const PROBE_EVERY_MS = 100;
const PROBE_EVERY_MS_MAX = 1_000;
/** A connection on which a PING is not answered for so long is given up. */
const STUCK_MS = 3_000;
/** Commands waiting for the socket or their reply: some 30 full batches. */
const WAITING_COMMANDS_MAX = 65_536;
/** What a server says that cannot serve anybody now. */
const ABSENT = /^(LOADING|MASTERDOWN|NOAUTH|WRONGPASS)/;

type Client = ReturnType<typeof openClient>;

export class RedisLink {
  readonly address: RedisAddress;
  readonly name: string;
  readonly #security: RedisSecurity;
  readonly #monitor: HealthMonitor;
  #client: Client;
  #isAway = true;
  #isClosed = false;
  #lastError: Error = new StoreUnavailableError('Redis has not been reached yet');
  /** Settles when it is there, or closed; never rejects. */
  #probing: Promise<void>;

  constructor(address: RedisAddress, security: RedisSecurity, monitor: HealthMonitor) {
    this.address = address;
    this.name = nameOf(address);
    this.#security = security;
    this.#monitor = monitor;
    this.#client = this.#connect();
    monitor.away(this.name, this.#lastError);
    this.#probing = this.#probe();
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** Resolves when it is there, or closed. */
  get back(): Promise<void> {
    return this.#probing;
  }

  /**
   * Sends commands in one round trip.
   * @returns their replies; an ErrorReply where the server refused the command
   * @throws StoreUnavailableError by rejection, at once while the server is away, else after the deadline at the latest
   */
  async send(commands: readonly Command[], deadlineMs: number): Promise<(Reply | ErrorReply)[]> {
    if (this.#isAway) throw unavailable('Redis is away', this.#lastError);
    const client = this.#client;
    const settled = settle(commands.map((command) => client.sendCommand<Reply>(command)));
    const replies = await within(settled, deadlineMs);
    if (replies === undefined) {
      const late = new StoreUnavailableError(`Redis did not answer within ${deadlineMs} ms`);
      if (client === this.#client) this.#leave(late);
      throw late;
    }
    const failure = replies.find(isFailure);
    if (failure === undefined) return replies as (Reply | ErrorReply)[];
    if (client === this.#client && !isOverfull(failure)) this.#leave(failure);
    throw unavailable('Redis has gone away', failure);
  }

  /** Where a server is not what it was, such as a master that has become a replica: its name may lead to another now. */
  reconnect(reason: Error): void {
    this.#client.destroy();
    this.#client = this.#connect();
    this.#leave(reason);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isAway = true;
    this.#client.destroy();
    this.#monitor.back(this.name);
  }

  #connect(): Client {
    const client = openClient(this.address, this.#security);
    client.on('error', (error: Error) => {
      if (client === this.#client && !this.#isClosed) this.#leave(error);
    });
    client.connect().catch(() => {}); // told by 'error', too, and tried again
    return client;
  }

  #leave(error: Error): void {
    this.#lastError = error;
    if (this.#isClosed) return;
    this.#monitor.away(this.name, error);
    if (this.#isAway) return;
    this.#isAway = true;
    this.#probing = this.#probe();
  }

  async #probe(): Promise<void> {
    let pauseMs = PROBE_EVERY_MS;
    while (!this.#isClosed && !(await this.#isThere())) {
      await connectedOrAfter(this.#client, pauseMs);
      if (this.#client.isReady) pauseMs = Math.min(pauseMs * 1.5, PROBE_EVERY_MS_MAX);
    }
    if (this.#isClosed) return;
    this.#isAway = false;
    this.#monitor.back(this.name);
  }

  async #isThere(): Promise<boolean> {
    const client = this.#client;
    if (!client.isReady) return false;
    const replies = await within(settle([client.sendCommand<Reply>(['PING'])]), STUCK_MS);
    if (this.#isClosed) return false;
    if (replies === undefined) this.reconnect(new StoreUnavailableError(`Redis hangs for ${STUCK_MS} ms`));
    else if (replies[0] instanceof Error) this.#lastError = replies[0];
    return replies?.[0] === 'PONG';
  }
}

export function nameOf({ host, port }: RedisAddress): string {
  return `${host}:${port}`;
}

function openClient({ host, port }: RedisAddress, { username, password, tls }: RedisSecurity) {
  const socket = { host, port, connectTimeout: CONNECT_WITHIN_MS, reconnectStrategy: reconnectAfterMs };
  return createClient({
    socket: tls ? { ...socket, ...tls, tls: true } : socket,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    RESP: 2,
    // Nothing is said but what we say: fewer round trips at the start, and fewer rights that a user needs.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    disableOfflineQueue: true,
    commandsQueueMaxLength: WAITING_COMMANDS_MAX,
    commandOptions: { timeout: 0, typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  });
}

function connectedOrAfter(client: Client, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds).unref();
    client.once('ready', done);
    function done() {
      clearTimeout(timer);
      client.off('ready', done);
      resolve();
    }
  });
}

function reconnectAfterMs(retries: number): number {
  return Math.min(PROBE_EVERY_MS * 1.5 ** retries, PROBE_EVERY_MS_MAX);
}

/** All outcomes, errors among them, once the last is there. */
function settle<Value>(promises: readonly Promise<Value>[]): Promise<(Value | Error)[]> {
  return new Promise((resolve) => {
    const outcomes = new Array<Value | Error>(promises.length);
    let pending = promises.length;
    if (pending === 0) resolve(outcomes);
    for (let index = 0; index < promises.length; index++) {
      const take = (outcome: Value | Error) => {
        outcomes[index] = outcome;
        if (--pending === 0) resolve(outcomes);
      };
      promises[index].then(take, take);
    }
  });
}

/**
 * What the promise resolves to, or undefined if that takes too long. Where this process was busy itself for so long, what
 * has arrived meanwhile still counts: sockets are read between a timer and the check that follows it.
 */
function within<Value>(promise: Promise<Value>, milliseconds: number): Promise<Value | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => setImmediate(resolve, undefined), milliseconds);
    promise
      .then(resolve, reject)
      .finally(() => clearTimeout(timer))
      .catch(() => {});
  });
}

/** Not the server's answer to this command, or one that it gives to every command now. */
function isFailure(reply: unknown): reply is Error {
  return reply instanceof Error && (!(reply instanceof ErrorReply) || ABSENT.test(reply.message));
}

function isOverfull(error: Error): boolean {
  return error.message === 'The queue is full';
}

function unavailable(what: string, cause: Error): StoreUnavailableError {
  return new StoreUnavailableError(`${what}: ${cause.message}`, { cause });
}
