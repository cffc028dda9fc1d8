/** An embedded log that also goes out to Kafka: forwarded behind its own durability, for as long as it takes. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { KafkaEventLog } from '../adapters/kafka/kafka-event-log.ts';
import type { KafkaSettings } from '../adapters/kafka/kafka-settings.ts';
import type { SegmentLog } from '../adapters/segment-log/segment-log.ts';
import { LogForwarder } from '../adapters/spooled-log/log-forwarder.ts';

export async function openForwarding(
  eventLog: SegmentLog,
  dataDirectory: string,
  kafka: KafkaSettings,
): Promise<AsyncDisposable> {
  const directory = join(dataDirectory, 'forwarded');
  await mkdir(directory, { recursive: true });
  const topics = new KafkaEventLog(kafka);
  await topics.warmUp();
  const forwarder = await LogForwarder.open({ source: eventLog, target: topics, directory });
  return {
    [Symbol.asyncDispose]: async () => {
      await forwarder[Symbol.asyncDispose]();
      await topics[Symbol.asyncDispose]();
    },
  };
}
