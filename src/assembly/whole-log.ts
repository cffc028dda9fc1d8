/** The log that the environment names, from its beginning: Kafka's topics, or the segments in a data directory. */
import { locateDataDirectory } from '../adapters/data-directory/data-directory.ts';
import type { KafkaSettings } from '../adapters/kafka/kafka-settings.ts';
import { readLog } from '../adapters/kafka/read-log.ts';
import { openSegmentLogReader } from '../adapters/segment-log/segment-log-reader.ts';
import type { LogEvent } from '../pipeline/event-log.ts';

export type WholeLogProgress = (done: number, total: number | undefined) => void;

/** Batches of events; from Kafka control documents first, then decisions, then labels and placements. */
export async function* readWholeLog(
  { kafka, dataDirectory }: { readonly kafka: KafkaSettings | undefined; readonly dataDirectory: string },
  onProgress: WholeLogProgress,
): AsyncGenerator<readonly LogEvent[], void> {
  if (kafka) {
    let before = 0;
    let topic: string | undefined;
    const report = (progress: { readonly topic: string; readonly read: number; readonly total: number }) => {
      if (topic !== undefined && topic !== progress.topic) before += last;
      topic = progress.topic;
      last = progress.read;
      onProgress(before + progress.read, before + progress.total);
    };
    let last = 0;
    yield* readLog(kafka, { onProgress: report });
    return;
  }
  const { logPath } = await locateDataDirectory(dataDirectory);
  let done = 0;
  for await (const batch of openSegmentLogReader(logPath).read(0)) {
    yield batch.map(({ event }) => event);
    done += batch.length;
    onProgress(done, undefined);
  }
}
