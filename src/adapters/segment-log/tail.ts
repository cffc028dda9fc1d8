/**
 * What stands behind the last segment's whole frames, and whether it may be cut off.
 *
 *     ... | flight k-1 | flight k                 | zeros
 *           [F][f][f]    [F][f][f///torn/// ][f]    prepared space
 *           durable      was being written when the process or the machine ended
 *
 * One flight is written at a time, so a flight is written only when everything before it is durable. Its first frame
 * says so by a flag ([F]). Hence a broken frame that has a whole [F] somewhere after it was durable once: it
 * is damage, never cut off silently. A broken frame without one belongs to the last flight. Nobody was told
 * that this flight is durable, or its last bytes rotted afterwards, which no log can tell apart; it is cut off and
 * the loss reported. Frames of it may be whole behind the broken one, as pages reach the disk in any order.
 */
import { open } from 'node:fs/promises';
import type { LogPosition } from '../../pipeline/event-log.ts';
import { ByteReader } from './byte-reader.ts';
import { FRAME_HEADER_BYTES, isFirstOfFlight, wholeFrameBytes } from './frame.ts';
import type { SegmentFile } from './read-segment.ts';
import { readFully } from './read-segment.ts';

/** `tornBytes`: up to the last one that is not zero; 0 if there is only prepared space. */
export type Tail = { readonly isDamaged: boolean; readonly tornBytes: number };

/** Looks at everything from `end`, the end of the segment's whole frames, to the end of the file. */
export async function inspectTail(
  { path, start }: SegmentFile,
  { end, fileEnd }: { readonly end: LogPosition; readonly fileEnd: LogPosition },
): Promise<Tail> {
  await using handle = await open(path, 'r');
  const bytes = Buffer.allocUnsafeSlow(fileEnd - end);
  const filled = await readFully(handle, bytes, end - start);
  const tornBytes = bytesBeforeZeros(bytes.subarray(0, filled));
  const reader = new ByteReader(bytes.subarray(0, filled));
  return { isDamaged: holdsStartOfFlight(reader, end, tornBytes), tornBytes };
}

function bytesBeforeZeros(bytes: Buffer): number {
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length--;
  return length;
}

/** Tries every byte, as a broken length says nothing about where the next frame begins. */
function holdsStartOfFlight(reader: ByteReader, firstPosition: LogPosition, tornBytes: number): boolean {
  const end = reader.bytes.length;
  const offsets = Math.min(tornBytes, end - FRAME_HEADER_BYTES);
  for (let offset = 1; offset < offsets; offset++) {
    if (!isFirstOfFlight(reader, offset)) continue;
    if (wholeFrameBytes(reader, { offset, end, position: firstPosition + offset }) > 0) return true;
  }
  return false;
}
