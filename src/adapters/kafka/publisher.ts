/**
 * Hands records to the brokers, in order, in natural batches:
 *
 *     publish ─► waiting ──take off──► in the air ──acknowledged by all in-sync replicas──► callers resolve
 *                   ▲                      │
 *                   └── all of it rejected ┴─ not acknowledged: nobody knows what of it is in the topic
 *
 * - One produce request is in the air at a time; what comes meanwhile is the next. No timer is needed, and the order of
 *   a key holds: the library, with several in the air, sends a later one before the retry of an earlier one.
 * - The producer is idempotent: what it tries again after a broken connection is in the topic once. What it gave up and
 *   we send again, or our caller does, may be there twice; so order is promised for the first of each only.
 * - The library's own retries are few: it retries what went to one broker as a whole, at the new leader of its first
 *   partition, for ever in vain if another broker leads the others by then. We send the flight anew, which divides it anew.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Producer } from '@platformatic/kafka';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { clientOptions } from './client-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** Below the 1 MiB that a topic takes in one batch, whatever the partitions are. */
const FLIGHT_BYTES_MAX = 512 * 1024;
/** Some seconds of full load. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
/** Longer than the election of a new leader and a connection that hangs; after that the caller keeps it elsewhere. */
const DELIVERY_TIMEOUT_MS = 10_000;
/** Enough for a connection that broke; with fewer than two, an idempotent producer takes it for "for ever". */
const LIBRARY_RETRIES = 2;
const RESEND_DELAY_MS = 100;
/** A process that starts while the brokers are away should be ready soon all the same. */
const WARM_UP_TIMEOUT_MS = 3_000;
/** Counted for a record beside its key and value: its share of the memory that holds them. */
const RECORD_BYTES = 64;
const CLOSE_TIMEOUT_MS = 1_000;

export type OutgoingRecord = {
  /** With the prefix. */
  readonly topic: string;
  readonly key: Buffer | undefined;
  readonly value: Buffer | undefined;
  /** Any number: its remainder by the topic's count of partitions is taken. Undefined: any partition. */
  readonly partition: number | undefined;
  readonly headers?: ReadonlyMap<Buffer, Buffer>;
};

export type PublisherOptions = {
  readonly waitingBytesMax?: number;
  readonly deliveryTimeoutMs?: number;
};

type Waiter = PromiseWithResolvers<void> & {
  /** Number of the caller's last record, in the order of all. */
  readonly last: number;
};

export class Publisher implements AsyncDisposable {
  readonly #settings: KafkaSettings;
  readonly #clientId: string;
  readonly #waitingBytesMax: number;
  readonly #deliveryTimeoutMs: number;
  #producer: Producer | undefined;
  /** Waiting records from `#head` on; those before it are in the air or gone. */
  #records: OutgoingRecord[] = [];
  #head = 0;
  #bytes = 0;
  #waiters: Waiter[] = [];
  #published = 0;
  #acknowledged = 0;
  #running: Promise<void> | undefined;
  /** Why the flight in the air is not acknowledged yet. */
  #lastError: unknown;
  #isClosed = false;

  constructor(settings: KafkaSettings, clientId: string, options: PublisherOptions = {}) {
    this.#settings = settings;
    this.#clientId = clientId;
    this.#waitingBytesMax = options.waitingBytesMax ?? WAITING_BYTES_MAX;
    this.#deliveryTimeoutMs = options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS;
  }

  /** Of records that wait or are in the air. */
  get waitingBytes(): number {
    return this.#bytes;
  }

  /**
   * Resolves when all of the records are acknowledged, and all before them; rejects with LogUnavailableError, with all that
   * waits, if that does not come to be in time. Throws it, having taken nothing, where too much waits already.
   */
  publish(records: readonly OutgoingRecord[]): Promise<void> {
    if (this.#isClosed) throw new LogUnavailableError('the publisher is closed');
    let bytes = 0;
    for (const record of records) bytes += bytesOf(record);
    if (this.#bytes + bytes > this.#waitingBytesMax) {
      throw new LogUnavailableError(`${this.#bytes} bytes wait for Kafka, and no more may`);
    }
    for (const record of records) this.#records.push(record);
    this.#bytes += bytes;
    this.#published += records.length;
    if (this.#published === this.#acknowledged) return Promise.resolve();
    const waiter = { ...Promise.withResolvers<void>(), last: this.#published };
    this.#waiters.push(waiter);
    this.#running ??= this.#run();
    return waiter.promise;
  }

  /** Connects and asks for all that a first record needs, so that it need not wait for that. False if that fails. */
  async warmUp(topics: readonly string[]): Promise<boolean> {
    const givenUp = new AbortController();
    try {
      await within(WARM_UP_TIMEOUT_MS, () => this.#warmUpUntil(givenUp.signal, topics));
      return true;
    } catch {
      givenUp.abort();
      this.#giveUpProducer();
      return false;
    }
  }

  /** Sends what waits, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    const producer = this.#producer;
    this.#producer = undefined;
    // A broker that hangs never lets a connection end; its request's timeout does.
    if (producer) await within(CLOSE_TIMEOUT_MS, () => producer.close()).catch(() => {});
  }

  /** Runs while there is anything to send, and never rejects. */
  async #run(): Promise<void> {
    do {
      await undefined;
      await this.#fly();
    } while (this.#published > this.#acknowledged);
    this.#running = undefined;
  }

  async #fly(): Promise<void> {
    const { records, bytes } = this.#takeOff();
    const givenUp = new AbortController();
    try {
      await within(this.#deliveryTimeoutMs, () => this.#sendUntil(givenUp.signal, records));
    } catch (late) {
      givenUp.abort();
      this.#giveUpProducer();
      const cause = this.#lastError ?? late;
      this.#rejectAll(new LogUnavailableError('Kafka does not take records', { cause }));
      return;
    } finally {
      this.#lastError = undefined;
    }
    this.#bytes -= bytes;
    this.#acknowledged += records.length;
    this.#resolveAcknowledged();
  }

  #takeOff(): { readonly records: readonly OutgoingRecord[]; readonly bytes: number } {
    const start = this.#head;
    let bytes = 0;
    while (this.#head < this.#records.length) {
      const next = bytesOf(this.#records[this.#head]);
      if (bytes > 0 && bytes + next > FLIGHT_BYTES_MAX) break;
      bytes += next;
      this.#head++;
    }
    const records = this.#records.slice(start, this.#head);
    if (this.#head === this.#records.length) {
      this.#records = [];
      this.#head = 0;
    }
    return { records, bytes };
  }

  /** A cluster that has just started refuses for a second or two. */
  async #warmUpUntil(givenUp: AbortSignal, topics: readonly string[]): Promise<void> {
    while (!givenUp.aborted) {
      try {
        const producer = this.#openProducer();
        await producer.metadata({ topics: [...topics] });
        await producer.connectToBrokers();
        await producer.initIdempotentProducer({});
        return;
      } catch {
        await delay(RESEND_DELAY_MS);
      }
    }
  }

  async #sendUntil(givenUp: AbortSignal, records: readonly OutgoingRecord[]): Promise<void> {
    for (;;) {
      try {
        await this.#send(records);
        return;
      } catch (error) {
        if (givenUp.aborted) throw error;
        this.#lastError = error;
        this.#producer?.clearMetadata();
        await delay(RESEND_DELAY_MS);
        if (givenUp.aborted) throw error;
      }
    }
  }

  async #send(records: readonly OutgoingRecord[]): Promise<void> {
    const messages = records.map(({ topic, key, value, partition, headers }) => ({
      topic,
      ...(value && { value }),
      ...(key && { key }),
      ...(partition !== undefined && { partition }),
      ...(headers && { headers: headers as Map<Buffer, Buffer> }),
    }));
    await this.#openProducer().send({ messages });
  }

  #openProducer(): Producer {
    this.#producer ??= new Producer({
      ...clientOptions(this.#settings, this.#clientId),
      idempotent: true,
      retries: LIBRARY_RETRIES,
      compression: 'lz4',
    });
    return this.#producer;
  }

  /** With its retries: they would come between what is sent from now on. What it has sent may still arrive. */
  #giveUpProducer(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    producer?.close().catch(() => {});
  }

  #resolveAcknowledged(): void {
    let count = 0;
    while (count < this.#waiters.length && this.#waiters[count].last <= this.#acknowledged) {
      this.#waiters[count++].resolve();
    }
    this.#waiters.splice(0, count);
  }

  #rejectAll(reason: LogUnavailableError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#records = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#acknowledged = this.#published;
    for (const { reject } of waiters) reject(reason);
  }
}

function bytesOf({ key, value }: OutgoingRecord): number {
  return RECORD_BYTES + (value?.length ?? 0) + (key?.length ?? 0);
}

async function within<Result>(milliseconds: number, work: () => Promise<Result>): Promise<Result> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not done within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
