import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogPosition } from '../../pipeline/event-log.ts';

/** Enough for every position that a number holds exactly, so that names sort as positions do. */
const NAME_DIGITS = 16;
const NAME_PATTERN = /^(\d{16})\.log$/;

/** Path of the segment whose first byte stands at `start` in the log. */
export function segmentPath(directory: string, start: LogPosition): string {
  return join(directory, `${String(start).padStart(NAME_DIGITS, '0')}.log`);
}

/** Starts of the directory's segments, ascending. Files of other names are none of the log's. */
export async function listSegmentStarts(directory: string): Promise<LogPosition[]> {
  const starts: LogPosition[] = [];
  for (const name of await readdir(directory)) {
    const digits = NAME_PATTERN.exec(name)?.[1];
    if (digits !== undefined) starts.push(Number(digits));
  }
  return starts.sort((one, other) => one - other);
}

/** Index of the segment that holds `position`; -1 if the log starts later. */
export function segmentIndexOf(starts: readonly LogPosition[], position: LogPosition): number {
  return starts.findLastIndex((start) => start <= position);
}

export async function fileBytes(path: string): Promise<number> {
  return (await stat(path)).size;
}

/** Makes the directory's entries durable: a new file is safe only when its name is. */
export async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}
