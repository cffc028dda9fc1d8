/**
 * A frame is one event in the log:
 *
 *     | word u32                                      | crc32 u32 | payload ... |
 *       bit 31: first frame of its flight
 *       bits 0..30: payload bytes, 1 or more
 *
 * Little-endian. The position of a frame is the offset of its first byte in the whole log. The checksum is that of
 * the payload, started from word XOR position instead of zero: so it covers the header too, and a frame holds only at
 * the position it was written for, never where a copy or an old block of it turns up. No frame consists of
 * zeros, which are what prepared space consists of.
 */
import { crc32 } from 'node:zlib';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

export const FRAME_HEADER_BYTES = 8;
/** Four times the largest metadata that the contract takes; also what makes a broken length look broken. */
export const PAYLOAD_BYTES_MAX = 256 * 1024;

const FIRST_OF_FLIGHT = 0x8000_0000;
const PAYLOAD_BYTES_MASK = 0x7fff_ffff;
const LITTLE_ENDIAN = true;

/** Writes the header of the frame at `frameOffset`, whose payload reaches up to the writer's offset. */
export function sealFrame(
  writer: ByteWriter,
  frame: { readonly offset: number; readonly position: number; readonly isFirstOfFlight: boolean },
): void {
  const payloadOffset = frame.offset + FRAME_HEADER_BYTES;
  const payloadBytes = writer.offset - payloadOffset;
  if (payloadBytes > PAYLOAD_BYTES_MAX) {
    throw new RangeError(`event of ${payloadBytes} bytes; the log takes ${PAYLOAD_BYTES_MAX}`);
  }
  const word = (frame.isFirstOfFlight ? FIRST_OF_FLIGHT : 0) | payloadBytes;
  const checksum = crc32(writer.bytes.subarray(payloadOffset, writer.offset), (word ^ frame.position) >>> 0);
  writer.view.setUint32(frame.offset, word, LITTLE_ENDIAN);
  writer.view.setUint32(frame.offset + 4, checksum, LITTLE_ENDIAN);
}

/** Bytes of the frame at `offset`, header included, or 0 if there is no whole frame for `position` before `end`. */
export function wholeFrameBytes(
  reader: ByteReader,
  { offset, end, position }: { readonly offset: number; readonly end: number; readonly position: number },
): number {
  if (offset + FRAME_HEADER_BYTES > end) return 0;
  const word = reader.view.getUint32(offset, LITTLE_ENDIAN);
  const payloadBytes = word & PAYLOAD_BYTES_MASK;
  const payloadOffset = offset + FRAME_HEADER_BYTES;
  const frameEnd = payloadOffset + payloadBytes;
  if (payloadBytes === 0 || payloadBytes > PAYLOAD_BYTES_MAX || frameEnd > end) return 0;
  const checksum = crc32(reader.bytes.subarray(payloadOffset, frameEnd), (word ^ position) >>> 0);
  return checksum === reader.view.getUint32(offset + 4, LITTLE_ENDIAN) ? frameEnd - offset : 0;
}

/** Of a whole frame. Such a frame proves that everything before it was durable when it was written. */
export function isFirstOfFlight(reader: ByteReader, offset: number): boolean {
  return reader.view.getUint32(offset, LITTLE_ENDIAN) >= FIRST_OF_FLIGHT;
}
