/**
 * Opening a log for writing, whatever ended its last writer:
 *
 *   1. every segment but the last must be exactly as long as the next one's name says;
 *   2. the last segment is walked to the end of its whole frames;
 *   3. what stands there may be cut off (`tail.ts` says why), or is damage: then nothing is touched;
 *   4. the last flight is written once more, durably: its pages may be in the kernel's memory only, and if their
 *      writing failed before the process ended they count as clean there, so that a mere sync would do nothing;
 *   5. the file is cut at the end of its whole frames.
 *
 * After that everything in the log is durable, as the first frame of the next flight is going to say.
 */
import { open } from 'node:fs/promises';
import type { LogPosition } from '../../pipeline/event-log.ts';
import { ActiveSegment } from './active-segment.ts';
import { ByteReader } from './byte-reader.ts';
import { FRAME_HEADER_BYTES, isFirstOfFlight, PAYLOAD_BYTES_MAX, wholeFrameBytes } from './frame.ts';
import type { SegmentFile } from './read-segment.ts';
import { readFully } from './read-segment.ts';
import { fileBytes, listSegmentStarts, segmentPath } from './segment-files.ts';
import { SegmentLogCorruptError } from './segment-log-errors.ts';
import { inspectTail } from './tail.ts';

/** At least one whole frame. */
const CHUNK_BYTES = 4 * (FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX);

/** What was found and done on opening; `tornBytes` were cut off `path` at `end`. */
export type Recovery = { readonly path: string; readonly end: LogPosition; readonly tornBytes: number };

export type Recovered = {
  readonly recovery: Recovery;
  readonly segment: ActiveSegment;
  /** Of all segments, the active one last. */
  readonly segmentStarts: LogPosition[];
};

/** Throws SegmentLogCorruptError, with nothing changed, if durable frames are no longer what was written. */
export async function recoverSegments(directory: string): Promise<Recovered> {
  const segmentStarts = await listSegmentStarts(directory);
  if (segmentStarts.length === 0) segmentStarts.push(0);
  await assertSegmentsMeet(directory, segmentStarts);
  const start = segmentStarts[segmentStarts.length - 1];
  const file = { path: segmentPath(directory, start), start };
  const segment = await ActiveSegment.open(directory, start);
  try {
    return { recovery: await recoverLast(file, segment), segment, segmentStarts };
  } catch (error) {
    await segment.close();
    throw error;
  }
}

/** True of every log whose writer came to switch segments, as it cuts one exactly before it creates the next. */
export async function assertSegmentsMeet(directory: string, starts: readonly LogPosition[]): Promise<void> {
  for (let index = 1; index < starts.length; index++) {
    const start = starts[index - 1];
    const expected = starts[index] - start;
    const path = segmentPath(directory, start);
    const actual = await fileBytes(path);
    if (actual === expected) continue;
    const offset = Math.min(actual, expected);
    const what = `it has ${actual} bytes, but the next segment begins ${expected} bytes after it`;
    throw new SegmentLogCorruptError(path, { what, offset, position: start + offset });
  }
}

async function recoverLast(file: SegmentFile, segment: ActiveSegment): Promise<Recovery> {
  const { end, lastFlight } = await walkFrames(file);
  const fileEnd = file.start + (await fileBytes(file.path));
  const tail = await inspectTail(file, { end, fileEnd });
  if (tail.isDamaged) {
    const what = 'no whole event stands here, but events that were written after it do';
    throw new SegmentLogCorruptError(file.path, { what, offset: end - file.start, position: end });
  }
  if (end > lastFlight) await rewrite(file, segment, { from: lastFlight, until: end });
  if (fileEnd > end) await segment.cut(end);
  return { path: file.path, end, tornBytes: tail.tornBytes };
}

/** Finds the end of the whole frames, and where the last flight begins that has any. */
async function walkFrames({
  path,
  start,
}: SegmentFile): Promise<{ end: LogPosition; lastFlight: LogPosition }> {
  await using handle = await open(path, 'r');
  const reader = new ByteReader(Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let end = start;
  let lastFlight = start;
  for (;;) {
    const chunkStart = end;
    const filled = await readFully(handle, reader.bytes, chunkStart - start);
    for (;;) {
      const offset = end - chunkStart;
      const bytes = wholeFrameBytes(reader, { offset, end: filled, position: end });
      if (bytes === 0) break;
      if (isFirstOfFlight(reader, offset)) lastFlight = end;
      end += bytes;
    }
    if (end === chunkStart) return { end, lastFlight };
  }
}

/** The same bytes at the same place, so that a crash meanwhile changes nothing. */
async function rewrite(
  { path, start }: SegmentFile,
  segment: ActiveSegment,
  { from, until }: { readonly from: LogPosition; readonly until: LogPosition },
): Promise<void> {
  await using handle = await open(path, 'r');
  const bytes = Buffer.allocUnsafeSlow(until - from);
  await readFully(handle, bytes, from - start);
  await segment.write(bytes, from);
}
