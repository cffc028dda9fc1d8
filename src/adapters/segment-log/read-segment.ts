import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import type { LogEvent, LoggedEvent, LogPosition } from '../../pipeline/event-log.ts';
import { ByteReader } from './byte-reader.ts';
import { decodeEvent } from './event-codec.ts';
import { FRAME_HEADER_BYTES, PAYLOAD_BYTES_MAX, wholeFrameBytes } from './frame.ts';

/** A batch: large enough that reading costs little beside decoding, and at least one whole frame. */
const CHUNK_BYTES = 1024 * 1024;
/** Holds nearly every frame, so that reading one event is one read. */
const FIRST_LOOK_BYTES = 4 * 1024;

export type SegmentFile = { readonly path: string; readonly start: LogPosition };
export type Range = { readonly from: LogPosition; readonly until: LogPosition };

/** Yields the whole events from `from` on; returns where it stopped: `until`, or the first frame that is not whole. */
export async function* readSegment(
  { path, start }: SegmentFile,
  { from, until }: Range,
): AsyncGenerator<LoggedEvent[], LogPosition> {
  await using handle = await open(path, 'r');
  const reader = new ByteReader(Buffer.allocUnsafeSlow(CHUNK_BYTES));
  let position = from;
  while (position < until) {
    const bytes = await readFully(handle, reader.bytes.subarray(0, until - position), position - start);
    const events = decodeWholeFrames(reader, bytes, position);
    if (events.length === 0) break;
    position = events[events.length - 1].nextPosition;
    yield events;
  }
  return position;
}

/** The event at exactly `position`, or undefined if no whole frame starts there. */
export async function readEvent(
  handle: FileHandle,
  { start }: SegmentFile,
  position: LogPosition,
): Promise<LogEvent | undefined> {
  for (const capacity of [FIRST_LOOK_BYTES, FRAME_HEADER_BYTES + PAYLOAD_BYTES_MAX]) {
    const reader = new ByteReader(Buffer.allocUnsafeSlow(capacity));
    const end = await readFully(handle, reader.bytes, position - start);
    if (wholeFrameBytes(reader, { offset: 0, end, position }) === 0) continue;
    reader.offset = FRAME_HEADER_BYTES;
    return decodeEvent(reader);
  }
  return undefined;
}

/** Fills `target` from the file's `offset` on; returns how many bytes there were. */
export async function readFully(handle: FileHandle, target: Buffer, offset: number): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await handle.read(target, filled, target.length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

function decodeWholeFrames(reader: ByteReader, end: number, firstPosition: LogPosition): LoggedEvent[] {
  const events: LoggedEvent[] = [];
  let offset = 0;
  for (;;) {
    const position = firstPosition + offset;
    const bytes = wholeFrameBytes(reader, { offset, end, position });
    if (bytes === 0) return events;
    reader.offset = offset + FRAME_HEADER_BYTES;
    events.push({ position, nextPosition: position + bytes, event: decodeEvent(reader) });
    offset += bytes;
  }
}
