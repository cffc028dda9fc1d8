/**
 * As much of the protocol buffers wire format as ONNX needs: a message is a sequence of fields, each a varint key
 * `(field number << 3) | wire type` and a value. Which field means what is for the caller to know.
 * https://protobuf.dev/programming-guides/encoding/
 */
import { MalformedModelError } from './model-errors.ts';

/** A varint (signed, two's complement), the bits of a fixed-width value, or the bytes of anything with a length. */
export type FieldValue = bigint | Uint8Array;
/** By field number, every value in the order of the file. */
export type Fields = ReadonlyMap<number, readonly FieldValue[]>;

const WIRE_VARINT = 0;
const WIRE_FIXED_64 = 1;
const WIRE_LENGTH = 2;
const WIRE_FIXED_32 = 5;
const VARINT_MAX_BYTES = 10;

/** Splits one message into its fields. `name` is what a refusal calls the message. */
export function readFields(bytes: Uint8Array, name: string): Fields {
  const cursor = { bytes, at: 0, name };
  const fields = new Map<number, FieldValue[]>();
  while (cursor.at < bytes.length) {
    const key = Number(readVarint(cursor));
    if (!(key >= 8 && key < 2 ** 32)) {
      throw new MalformedModelError(`${name}: byte ${cursor.at} ends a key without a field number`);
    }
    const value = readValue(cursor, key & 7);
    const values = fields.get(key >>> 3);
    if (values === undefined) fields.set(key >>> 3, [value]);
    else values.push(value);
  }
  return fields;
}

/** A repeated integer field, whether its values stand alone or packed together. Whole numbers up to 2^53 only. */
export function toIntegers(values: readonly FieldValue[], name: string): number[] {
  return values.flatMap((value) =>
    typeof value === 'bigint' ? toInteger(value, name) : unpackVarints(value, name),
  );
}

/** A repeated float field, whether its values stand alone or packed together. */
export function toFloats(values: readonly FieldValue[], name: string): number[] {
  return values.flatMap((value) => {
    if (typeof value === 'bigint')
      throw new MalformedModelError(`${name}: a whole number where a float belongs`);
    if (value.length % 4 !== 0) throw new MalformedModelError(`${name}: floats of ${value.length} bytes`);
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    return Array.from({ length: value.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
  });
}

/** The bytes of a field with a length: a message, a text, a block of data. */
export function toBytes(value: FieldValue, name: string): Uint8Array {
  if (typeof value === 'bigint') throw new MalformedModelError(`${name}: a whole number where bytes belong`);
  return value;
}

export function toText(value: FieldValue, name: string): string {
  return new TextDecoder().decode(toBytes(value, name));
}

type Cursor = { readonly bytes: Uint8Array; readonly name: string; at: number };

function readValue(cursor: Cursor, wireType: number): FieldValue {
  switch (wireType) {
    case WIRE_VARINT:
      return readVarint(cursor);
    case WIRE_LENGTH:
      return readBytes(cursor, Number(readVarint(cursor)));
    case WIRE_FIXED_32:
      return readBytes(cursor, 4);
    case WIRE_FIXED_64:
      return readBytes(cursor, 8);
    default:
      throw new MalformedModelError(
        `${cursor.name}: byte ${cursor.at} has the unknown wire type ${wireType}`,
      );
  }
}

function readBytes(cursor: Cursor, length: number): Uint8Array {
  const end = cursor.at + length;
  if (!(length >= 0 && end <= cursor.bytes.length)) {
    throw new MalformedModelError(
      `${cursor.name}: truncated, byte ${cursor.at} announces ${length} more of ${cursor.bytes.length}`,
    );
  }
  const bytes = cursor.bytes.subarray(cursor.at, end);
  cursor.at = end;
  return bytes;
}

function readVarint(cursor: Cursor): bigint {
  // Four bytes fit in a small integer, which is nearly every number there is; the rest take the slow road.
  let low = 0;
  for (let index = 0; index < 4; index++) {
    const byte = cursor.bytes[cursor.at++];
    if (byte === undefined) throw new MalformedModelError(`${cursor.name}: truncated inside a whole number`);
    low |= (byte & 0x7f) << (7 * index);
    if (byte < 0x80) return BigInt(low);
  }
  return readLongVarint(cursor, cursor.at - 4);
}

function readLongVarint(cursor: Cursor, start: number): bigint {
  let value = 0n;
  for (let index = 0; index < VARINT_MAX_BYTES; index++) {
    const byte = cursor.bytes[start + index];
    if (byte === undefined) throw new MalformedModelError(`${cursor.name}: truncated inside a whole number`);
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) {
      cursor.at = start + index + 1;
      return BigInt.asIntN(64, value);
    }
  }
  throw new MalformedModelError(`${cursor.name}: a whole number of more than ${VARINT_MAX_BYTES} bytes`);
}

function unpackVarints(bytes: Uint8Array, name: string): number[] {
  const cursor = { bytes, at: 0, name };
  const numbers: number[] = [];
  while (cursor.at < bytes.length) numbers.push(toInteger(readVarint(cursor), name));
  return numbers;
}

function toInteger(value: bigint, name: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new MalformedModelError(`${name}: ${value} is out of range`);
  return number;
}
