import type { KafkaSettings } from './kafka-settings.ts';
import { partitionHash } from './partition.ts';
import { Publisher } from './publisher.ts';
import type { ConsumedRecord } from './transaction-consumer.ts';

/** `transactions-dead-letter`: records that could not be read, as they were, with the reason and where they stand. */
export class DeadLetters implements AsyncDisposable {
  readonly #prefix: string;
  readonly #publisher: Publisher;

  constructor(settings: KafkaSettings) {
    this.#prefix = settings.topicPrefix;
    this.#publisher = new Publisher(settings, 'fraud-dead-letters');
  }

  /**
   * Resolves when the record is safe there, so that its offset may be committed. Rejects with, or throws,
   * LogUnavailableError.
   * @param reason which must not repeat what the record says of a card holder
   */
  async send(record: ConsumedRecord, reason: string): Promise<void> {
    const { topic, partition, offset, key, value } = record;
    const headers = {
      reason,
      'source-topic': this.#prefix + topic,
      'source-partition': String(partition),
      'source-offset': String(offset),
    };
    await this.#publisher.publish([
      {
        topic: `${this.#prefix}transactions-dead-letter`,
        key,
        value,
        partition: key && partitionHash(key.toString('latin1')),
        headers: new Map(
          Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)]),
        ),
      },
    ]);
  }

  /** Waits for what was sent. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]();
  }
}
