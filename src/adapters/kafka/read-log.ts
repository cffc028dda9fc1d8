/**
 * The log that KafkaEventLog writes, read from the beginning: by `rebuild`, `verify`, `analyse`.
 *
 * First all control documents, then all decisions, then what was said of these later; within a partition in its order,
 * which is the order per user. An event may be there more than once: a process that did not hear of its success wrote it
 * again, or two processes decided the same transaction while the index was away. READERS TAKE THE FIRST of each id.
 */
import { Consumer, ListOffsetTimestamps } from '@platformatic/kafka';
import type { ControlDocument } from '../../core/decision/control-document.ts';
import type { LogEvent } from '../../pipeline/event-log.ts';
import { clientOptions } from './client-options.ts';
import { EVENT_TOPICS, type EventTopic, parseEvent } from './event-json.ts';
import { type FetchedPartition, fetchRecords, groupByLeader } from './fetch-records.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** Most that is in memory at once, from each broker. */
const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const FETCH_WAIT_MS = 500;
/** Longer than any election of a leader. */
const STANDSTILL_MS_MAX = 60_000;

export type ReadProgress = { readonly topic: EventTopic; readonly read: number; readonly total: number };

export type ReadLogOptions = {
  /** Told after each fetch how many records of a topic, by offsets, are behind us. */
  readonly onProgress?: (progress: ReadProgress) => void;
  readonly topics?: readonly EventTopic[];
};

/** Where a partition is read from and to: its end is that of the moment at which reading began. */
type Stretch = { readonly topic: string; readonly partition: number; offset: number; readonly end: number };

/** Every event that was in the log at the start of the reading, in batches of one partition each. */
export async function* readLog(
  settings: KafkaSettings,
  { onProgress, topics = EVENT_TOPICS }: ReadLogOptions = {},
): AsyncGenerator<readonly LogEvent[], void> {
  const consumer = new Consumer({
    ...clientOptions(settings, 'fraud-read-log'),
    groupId: `${settings.consumerGroup}-read-log`, // never joined: the library wants a name
  });
  try {
    const names = topics.map((topic) => settings.topicPrefix + topic);
    consumer.topics.trackAll(...names);
    const stretchesByTopic = await findStretches(consumer, names);
    for (const [index, stretches] of stretchesByTopic.entries()) {
      yield* readTopic(consumer, topics[index], stretches, onProgress);
    }
  } finally {
    await consumer.close().catch(() => {}); // nothing of ours depends on how it went
  }
}

/** The control documents in the log, in the order of their versions. */
export async function readControls(settings: KafkaSettings): Promise<readonly ControlDocument[]> {
  const byVersion = new Map<number, ControlDocument>();
  for await (const events of readLog(settings, { topics: ['control'] })) {
    for (const event of events) {
      if (event.kind !== 'control' || byVersion.has(event.control.version)) continue;
      byVersion.set(event.control.version, event.control);
    }
  }
  return [...byVersion.values()].sort((one, other) => one.version - other.version);
}

/** The library sorts the lists it is given, so it gets copies. */
async function findStretches(consumer: Consumer, names: readonly string[]): Promise<readonly Stretch[][]> {
  const [starts, ends] = await Promise.all([
    consumer.listOffsets({ topics: [...names], timestamp: ListOffsetTimestamps.EARLIEST }),
    consumer.listOffsets({ topics: [...names], timestamp: ListOffsetTimestamps.LATEST }),
  ]);
  return names.map((topic) =>
    (ends.get(topic) ?? []).map((end, partition) => ({
      topic,
      partition,
      offset: Number(starts.get(topic)?.[partition] ?? 0n),
      end: Number(end),
    })),
  );
}

async function* readTopic(
  consumer: Consumer,
  topic: EventTopic,
  stretches: readonly Stretch[],
  onProgress: ReadLogOptions['onProgress'],
): AsyncGenerator<readonly LogEvent[], void> {
  const remaining = () => stretches.reduce((sum, { offset, end }) => sum + Math.max(0, end - offset), 0);
  const total = remaining();
  let standsSinceMs = performance.now();
  for (let left = total; left > 0; left = remaining()) {
    for (const fetched of await fetchAll(consumer, stretches)) {
      const stretch = stretches[fetched.partition];
      stretch.offset = fetched.nextOffset;
      const events = parseBefore(stretch.end, topic, fetched);
      if (events.length > 0) yield events;
    }
    if (remaining() < left) standsSinceMs = performance.now();
    else if (performance.now() - standsSinceMs > STANDSTILL_MS_MAX)
      throw new Error(`${topic} cannot be read on`);
    onProgress?.({ topic, read: total - remaining(), total });
  }
}

async function fetchAll(
  consumer: Consumer,
  stretches: readonly Stretch[],
): Promise<readonly FetchedPartition[]> {
  const metadata = await consumer.metadata({ topics: consumer.topics.current });
  const unread = stretches.filter(({ offset, end }) => offset < end);
  const groups = [...groupByLeader(unread, metadata)];
  const limits = { bytesMax: FETCH_BYTES_MAX, waitMs: FETCH_WAIT_MS };
  const fetches = groups.map(([node, places]) => fetchRecords(consumer, node, places, metadata, limits));
  return (await Promise.all(fetches)).flat();
}

function parseBefore(end: number, topic: EventTopic, { records }: FetchedPartition): readonly LogEvent[] {
  const events: LogEvent[] = [];
  for (const { offset, value } of records) {
    if (offset < end && value !== undefined) events.push(parseEvent(topic, value.toString('utf8')));
  }
  return events;
}
