import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import { clientOptions } from '../../src/adapters/kafka/client-options.ts';
import { fetchRecords, groupByLeader } from '../../src/adapters/kafka/fetch-records.ts';
import type { KafkaSettings } from '../../src/adapters/kafka/kafka-settings.ts';

const FETCH_LIMITS = { bytesMax: 4 * 1024 * 1024, waitMs: 500 };

/** What a topic holds, whoever wrote it: for topics that nothing was deleted from. */
export class TopicReader implements AsyncDisposable {
  readonly #consumer: Consumer;
  readonly #topic: string;

  constructor(settings: KafkaSettings, topic: string) {
    this.#topic = settings.topicPrefix + topic;
    // Never joined: the library wants a name.
    this.#consumer = new Consumer({ ...clientOptions(settings, 'fraud-bench'), groupId: 'fraud-bench' });
    this.#consumer.topics.trackAll(this.#topic);
  }

  /** Records, as the partitions' ends say. */
  async count(): Promise<number> {
    return (await this.#ends()).reduce((sum, end) => sum + end, 0);
  }

  /** How often each transaction id is there, up to the topic's end as it is now. */
  async transactionIds(): Promise<ReadonlyMap<string, number>> {
    const times = new Map<string, number>();
    const places = (await this.#ends()).map((end, partition) => ({
      ...{ topic: this.#topic, partition, end },
      offset: 0,
    }));
    for (;;) {
      const unread = places.filter(({ offset, end }) => offset < end);
      if (unread.length === 0) return times;
      const metadata = await this.#consumer.metadata({ topics: [this.#topic] });
      for (const [node, group] of groupByLeader(unread, metadata)) {
        for (const fetched of await fetchRecords(this.#consumer, node, group, metadata, FETCH_LIMITS)) {
          for (const { value } of fetched.records) count(value, times);
          places[fetched.partition]!.offset = fetched.nextOffset;
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#consumer.close();
  }

  async #ends(): Promise<readonly number[]> {
    const ends = await this.#consumer.listOffsets({
      topics: [this.#topic],
      timestamp: ListOffsetTimestamps.LATEST,
    });
    return (ends.get(this.#topic) ?? []).map(Number);
  }
}

function count(value: Buffer | undefined, times: Map<string, number>): void {
  const id = /"transaction_id": ?"([^"]+)"/.exec(value?.toString('latin1') ?? '')?.[1];
  if (id !== undefined) times.set(id, (times.get(id) ?? 0) + 1);
}
