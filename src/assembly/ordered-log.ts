import { locateDataDirectory } from '../adapters/data-directory/data-directory.ts';
import { openSegmentLogReader } from '../adapters/segment-log/segment-log-reader.ts';
import { Progress } from '../command-line/progress.ts';
import type { LogEvent } from '../pipeline/event-log.ts';
import { orderByPositions } from '../pipeline/log-order.ts';
import type { EngineSettings } from './engine.ts';
import { readWholeLog } from './whole-log.ts';

export type PlacedEvent = { readonly event: LogEvent; readonly place: string };

/**
 * The log that the environment names, from its beginning, in an order in which every history gets its records as it got
 * them when they were decided. Of Kafka's topics all events are held in memory.
 */
export async function* readLogInOrder(
  { kafka, dataDirectory }: Pick<EngineSettings, 'kafka' | 'dataDirectory'>,
  command: string,
): AsyncGenerator<PlacedEvent> {
  if (!kafka) {
    const { logPath } = await locateDataDirectory(dataDirectory);
    for await (const batch of openSegmentLogReader(logPath).read(0)) {
      for (const { event, position } of batch) yield { event, place: `log position ${position}` };
    }
    return;
  }
  const all: LogEvent[] = [];
  using progress = new Progress(`${command}: reading the topics`);
  const log = readWholeLog({ kafka, dataDirectory }, (done, total) => progress.report(done, total, 'events'));
  for await (const events of log) for (const event of events) all.push(event);
  for (const event of orderByPositions(all)) yield { event, place: 'topic predictions' };
}
