import { open } from 'node:fs/promises';
import type { LogEvent, LoggedEvent, LogPosition, PositionedEventLog } from '../../pipeline/event-log.ts';
import type { SegmentFile } from './read-segment.ts';
import { readEvent, readSegment } from './read-segment.ts';
import { listSegmentStarts, segmentIndexOf, segmentPath } from './segment-files.ts';
import { SegmentLogCorruptError } from './segment-log-errors.ts';
import { inspectTail } from './tail.ts';

export type SegmentLogReader = Pick<PositionedEventLog, 'read' | 'readAt'>;

/** A stretch of the log in one file, as it stood when it was looked at. */
type Stretch = { readonly file: SegmentFile; readonly until: LogPosition; readonly isLast: boolean };

/**
 * Reads a log that another process may be writing: takes no lock and changes nothing. A torn tail is the end.
 * Holds no resource between calls.
 *
 * It syncs the last segment before it reads it, so what it yields is durable. One doubt remains, which only the
 * writer's own `read` is free of: while the disk is full it may see events that the writer is about to take back.
 */
export function openSegmentLogReader(directory: string): SegmentLogReader {
  return {
    read: (from) => readLive(directory, from),
    readAt: (position) => readAt(directory, position),
  };
}

async function* readLive(directory: string, from: LogPosition): AsyncGenerator<LoggedEvent[], void> {
  let position = from;
  let suspect: LogPosition | undefined;
  for (;;) {
    const stretch = await stretchAt(directory, position);
    if (stretch === undefined || position >= stretch.until) return;
    const stopped = yield* readSegment(stretch.file, { from: position, until: stretch.until });
    if (stopped < stretch.until) {
      if (await isEnd(stretch, stopped)) return;
      // Looks damaged. But the writer may have written it, and more behind it, between the two looks: then
      // it is whole by now, because what stands behind it was only written after it was durable.
      if (suspect === stopped) throw damaged(stretch.file, stopped);
      suspect = stopped;
    }
    position = stopped;
  }
}

async function readAt(directory: string, position: LogPosition): Promise<LogEvent> {
  const stretch = await stretchAt(directory, position);
  if (stretch !== undefined && position < stretch.until) {
    await using handle = await open(stretch.file.path, 'r');
    const event = await readEvent(handle, stretch.file, position);
    if (event !== undefined) return event;
    if (!(await isEnd(stretch, position))) throw damaged(stretch.file, position);
  }
  throw new RangeError(`nothing durable at log position ${position}`);
}

async function stretchAt(directory: string, position: LogPosition): Promise<Stretch | undefined> {
  const starts = await listSegmentStarts(directory);
  if (starts.length === 0) return undefined;
  const index = segmentIndexOf(starts, position);
  if (index < 0) throw new RangeError(`the log begins after position ${position}`);
  const file = { path: segmentPath(directory, starts[index]), start: starts[index] };
  const next = starts[index + 1];
  return { file, until: next ?? (await syncedEnd(file)), isLast: next === undefined };
}

async function syncedEnd({ path, start }: SegmentFile): Promise<LogPosition> {
  await using handle = await open(path, 'r');
  const { size } = await handle.stat();
  await handle.datasync();
  return start + size;
}

/** Nothing but prepared space or a flight that is being written stands at `stopped`. */
async function isEnd({ file, until, isLast }: Stretch, stopped: LogPosition): Promise<boolean> {
  if (!isLast) return false;
  return !(await inspectTail(file, { end: stopped, fileEnd: until })).isDamaged;
}

function damaged(file: SegmentFile, position: LogPosition): SegmentLogCorruptError {
  const what = 'no whole event stands here, but events that were written after it do';
  return new SegmentLogCorruptError(file.path, { what, offset: position - file.start, position });
}
