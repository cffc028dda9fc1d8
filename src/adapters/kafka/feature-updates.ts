import { featureUpdateJson } from '../../core/decision/decision-json.ts';
import type { Transaction } from '../../core/transaction/transaction.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { partitionHash } from './partition.ts';
import { Publisher } from './publisher.ts';

export type FeatureUpdate = { readonly transaction: Transaction; readonly features: Float32Array };

/** `feature-updates`: transactions enriched with their feature vectors, for whoever wants to follow along. */
export class FeatureUpdates implements AsyncDisposable {
  readonly #topic: string;
  readonly #publisher: Publisher;

  constructor(settings: KafkaSettings) {
    this.#topic = `${settings.topicPrefix}feature-updates`;
    this.#publisher = new Publisher(settings, 'fraud-feature-updates');
  }

  /**
   * Resolves when they are there. Rejects with, or throws, LogUnavailableError.
   * @param featureNames of the vectors' values, in their order
   */
  publish(updates: readonly FeatureUpdate[], featureNames: readonly string[]): Promise<void> {
    return this.#publisher.publish(
      updates.map(({ transaction, features }) => ({
        topic: this.#topic,
        key: Buffer.from(transaction.userId, 'latin1'),
        value: Buffer.from(featureUpdateJson(transaction, features, featureNames)),
        partition: partitionHash(transaction.userId),
      })),
    );
  }

  /** Waits for what was published. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]();
  }
}
