/** What tests on real brokers share: settings for a broker, and topics made on it. */
import { randomBytes } from 'node:crypto';
import { Consumer } from '@platformatic/kafka';
import { sampleControl } from '../../pipeline/event-log.contract.ts';
import type { LogEvent } from '../../pipeline/event-log.ts';
import { clientOptions } from './client-options.ts';
import { type FetchedRecord, fetchRecords, groupByLeader } from './fetch-records.ts';
import { KafkaEventLog } from './kafka-event-log.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { readKafkaSettings } from './kafka-settings.ts';
import { partitionHash } from './partition.ts';
import { Publisher, type PublisherOptions } from './publisher.ts';
import { readLog } from './read-log.ts';
import { TopicAdmin } from './topic-admin.ts';

/** Settings as the environment would give them; a prefix of its own keeps tests on one broker apart. */
export function settingsFor(
  bootstrapServers: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): KafkaSettings {
  return readKafkaSettings({
    KAFKA_BOOTSTRAP_SERVERS: bootstrapServers.join(','),
    KAFKA_TOPIC_PREFIX: `test-${randomBytes(4).toString('hex')}-`,
    KAFKA_CONSUMER_GROUP: `group-${randomBytes(4).toString('hex')}`,
    ...environment,
  })!;
}

export async function createTopics(settings: KafkaSettings): Promise<void> {
  await using admin = new TopicAdmin(settings);
  await admin.create();
}

/** A log that knows the control document of the sample decisions. */
export async function openKafkaLog(
  settings: KafkaSettings,
  options: PublisherOptions = {},
): Promise<KafkaEventLog> {
  const log = new KafkaEventLog(settings, options);
  const event = sampleControl(3);
  if (event.kind === 'control') log.learnControl(event.control);
  await log.warmUp();
  return log;
}

export async function readAll(settings: KafkaSettings): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for await (const batch of readLog(settings)) events.push(...batch);
  return events;
}

/** Records `{"n":1}`, `{"n":2}`, ... of seven users; `padding` makes each so much longer. */
export async function sendTransactions(
  settings: KafkaSettings,
  { from, count, padding = 0 }: { from: number; count: number; padding?: number },
): Promise<void> {
  await using publisher = new Publisher(settings, 'fraud-test');
  const records = Array.from({ length: count }, (_, index) => {
    const key = `user-${(from + index) % 97}`;
    return {
      topic: `${settings.topicPrefix}transactions`,
      key: Buffer.from(key),
      value: Buffer.from(`{"n":${from + index}}${' '.repeat(padding)}`),
      partition: partitionHash(key),
    };
  });
  await publisher.publish(records);
}

/** All that one answer of each leader holds of a topic: enough for what a test has written. */
export async function readTopic(
  settings: KafkaSettings,
  name: string,
): Promise<(FetchedRecord & { partition: number })[]> {
  const topic = settings.topicPrefix + name;
  const consumer = new Consumer({ ...clientOptions(settings, 'fraud-test'), groupId: 'fraud-test' });
  try {
    consumer.topics.trackAll(topic);
    const metadata = await consumer.metadata({ topics: [topic] });
    const { partitionsCount } = metadata.topics.get(topic)!;
    const places = Array.from({ length: partitionsCount }, (_, partition) => ({
      topic,
      partition,
      offset: 0,
    }));
    const limits = { bytesMax: 8 * 1024 * 1024, waitMs: 500 };
    const fetches = [...groupByLeader(places, metadata)].map(([node, group]) =>
      fetchRecords(consumer, node, group, metadata, limits),
    );
    const fetched = (await Promise.all(fetches)).flat();
    return fetched.flatMap(({ partition, records }) => records.map((record) => ({ ...record, partition })));
  } finally {
    await consumer.close(true);
  }
}
