import type { ControlDocument } from '../../core/decision/control-document.ts';
import {
  type Appended,
  type EventLog,
  type LogEvent,
  LogUnavailableError,
} from '../../pipeline/event-log.ts';
import { isUnrecorded } from '../../pipeline/unrecorded.ts';
import { EVENT_TOPICS, encodeEvent } from './event-json.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { partitionHash } from './partition.ts';
import { type OutgoingRecord, Publisher, type PublisherOptions } from './publisher.ts';
import { readControls } from './read-log.ts';

/**
 * The event log as topics of Kafka, shared by all processes: decisions in `predictions`, labels and placements in
 * `history-events`, control documents in `control`. Decisions that were made without the shared views are in
 * `unrecorded-decisions` besides, for whoever brings them into these. An event is durable when all in-sync replicas have it.
 *
 * Positions are this process's own count of events: other processes append too, and partitions share no order. An event
 * whose call was rejected may be in its topic all the same, and again once it is appended anew: ids are the same, and
 * readers take the first.
 */
export class KafkaEventLog implements EventLog {
  readonly isSpooling = false;
  readonly #settings: KafkaSettings;
  readonly #publisher: Publisher;
  readonly #featureNames = new Map<number, readonly string[]>();
  #end = 0;
  #learning: Promise<void> | undefined;

  constructor(settings: KafkaSettings, options: PublisherOptions = {}) {
    this.#settings = settings;
    this.#publisher = new Publisher(settings, 'fraud-event-log', options);
  }

  /** Tells the names of the features that decisions under this document carry. */
  learnControl(control: ControlDocument): void {
    this.#featureNames.set(control.version, control.features);
  }

  /** Learns the control documents that are in the log, and connects. False where Kafka cannot be reached now. */
  async warmUp(): Promise<boolean> {
    const topics = [...EVENT_TOPICS, 'unrecorded-decisions'];
    const isConnected = await this.#publisher.warmUp(topics.map((topic) => this.#nameOf(topic)));
    if (isConnected) await this.#learnControls();
    return isConnected;
  }

  append(events: readonly LogEvent[]): Appended {
    const durable = this.#publisher.publish(events.flatMap((event) => this.#encode(event)));
    const first = this.#end;
    this.#end += events.length;
    return { positions: events.map((_, index) => first + index), end: this.#end, durable };
  }

  /** Waits for what was appended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]();
    await this.#learning;
  }

  #encode(event: LogEvent): OutgoingRecord[] {
    if (event.kind === 'control') this.learnControl(event.control);
    const { topic, key, value } = encodeEvent(event, (version) => this.#namesOf(version));
    const record = {
      topic: this.#nameOf(topic),
      key: Buffer.from(key, 'latin1'),
      value: Buffer.from(value),
      partition: partitionHash(key),
    };
    if (event.kind !== 'decision' || !isUnrecorded(event.decision)) return [record];
    return [record, { ...record, topic: this.#nameOf('unrecorded-decisions') }];
  }

  #nameOf(topic: string): string {
    return this.#settings.topicPrefix + topic;
  }

  /** Another process may have made the document that a spooled decision was made under: it is in the log then. */
  #namesOf(controlVersion: number): readonly string[] {
    const names = this.#featureNames.get(controlVersion);
    if (names) return names;
    this.#learning ??= this.#learnControls().finally(() => {
      this.#learning = undefined;
    });
    throw new LogUnavailableError(`the control document ${controlVersion} is not known yet`);
  }

  async #learnControls(): Promise<void> {
    try {
      for (const control of await readControls(this.#settings)) this.learnControl(control);
    } catch {
      // Asked for again by the next decision whose document is not known.
    }
  }
}
