import type { Decision } from '../../core/decision/decision.ts';
import { parseDecisionJson } from '../../core/decision/decision-json.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { TransactionConsumer } from './transaction-consumer.ts';

const BATCH = 200;

/** Decisions that were made without the shared views, each to one of the processes that bring them into these. */
export class UnrecordedConsumer implements AsyncDisposable {
  readonly #consumer: TransactionConsumer;

  private constructor(consumer: TransactionConsumer) {
    this.#consumer = consumer;
  }

  static async open(settings: KafkaSettings): Promise<UnrecordedConsumer> {
    const group = { ...settings, consumerGroup: `${settings.consumerGroup}-repair` };
    return new UnrecordedConsumer(
      await TransactionConsumer.open(group, { topics: ['unrecorded-decisions'] }),
    );
  }

  /** Batches as they come; asking for the next one says that the effects of the one before are durable. */
  async *batches(): AsyncGenerator<readonly Decision[], void> {
    for (;;) {
      const records = await this.#consumer.next(BATCH);
      if (!records) return;
      yield records.flatMap(({ value }) => (value ? [parseDecisionJson(value.toString('utf8'))] : []));
      this.#consumer.done(records);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer[Symbol.asyncDispose]();
  }
}
