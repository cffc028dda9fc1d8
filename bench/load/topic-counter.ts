import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import { clientOptions } from '../../src/adapters/kafka/client-options.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/kafka-settings.ts';

/** How many records a topic holds, as its partitions' ends say: for topics that nothing was deleted from. */
export class TopicCounter implements AsyncDisposable {
  readonly #consumer: Consumer;
  readonly #topic: string;

  constructor(settings: KafkaSettings, topic: string) {
    this.#topic = settings.topicPrefix + topic;
    // Never joined: the library wants a name.
    this.#consumer = new Consumer({ ...clientOptions(settings, 'fraud-bench'), groupId: 'fraud-bench' });
  }

  async count(): Promise<number> {
    const ends = await this.#consumer.listOffsets({
      topics: [this.#topic],
      timestamp: ListOffsetTimestamps.LATEST,
    });
    return (ends.get(this.#topic) ?? []).reduce((sum, end) => sum + Number(end), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.close();
  }
}
