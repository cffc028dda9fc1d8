import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { MalformedModelError } from './model-errors.ts';
import { field, floatBytes, message, varint } from './onnx-bytes.fixture.ts';
import { type FieldValue, readFields, toBytes, toFloats, toIntegers, toText } from './protobuf.ts';

const NUMBER_MAX = 2 ** 29 - 1;
const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
/** Of every length in bytes, and the ends of each. */
const integer = fc.oneof(
  fc.bigInt(INT64),
  fc
    .tuple(fc.integer({ min: 0, max: 63 }), fc.constantFrom(-1n, 0n, 1n))
    .map(([bits, beside]) => BigInt.asIntN(64, 2n ** BigInt(bits) + beside)),
);

describe('a message', () => {
  // Examples of https://protobuf.dev/programming-guides/encoding/
  const published: readonly (readonly [hex: string, number: number, value: unknown])[] = [
    ['08 96 01', 1, 150n],
    ['12 07 74 65 73 74 69 6e 67', 2, Buffer.from('testing')],
    ['1a 03 08 96 01', 3, Buffer.from('089601', 'hex')],
    ['08 fe ff ff ff ff ff ff ff ff 01', 1, -2n],
  ];
  for (const [hex, number, value] of published) {
    test(`${hex} is field ${number} of the published example`, () => {
      const fields = readFields(bytesOf(hex), 'example');
      assert.deepEqual([...fields.keys()], [number]);
      const [found] = fields.get(number)!;
      assert.deepEqual(typeof found === 'bigint' ? found : Buffer.from(found), value);
    });
  }

  test('gives back what was written, each field’s values in their order', () => {
    const written = fc.array(
      fc.tuple(fc.oneof(fc.constantFrom(1, 15, 16, NUMBER_MAX), fc.integer({ min: 1, max: 40 })), value()),
      { maxLength: 30 },
    );
    const property = fc.property(written, (list) => {
      const fields = readFields(message(...list.map(([number, one]) => field(number, one))), 'message');
      const numbers = [...new Set(list.map(([number]) => number))];
      assert.deepEqual([...fields.keys()], numbers);
      for (const number of numbers) {
        const expected = list.filter(([other]) => other === number).map(([, one]) => one);
        assert.deepEqual(fields.get(number)!.map(plain), expected.map(plain));
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('gives values of fixed width as their bytes', () => {
    const fields = readFields(bytesOf('0d 01 02 03 04 11 01 02 03 04 05 06 07 08 0d 05 06 07 08'), 'message');
    assert.deepEqual(fields.get(1)!.map(plain), ['01020304', '05060708']);
    assert.deepEqual(fields.get(2)!.map(plain), ['0102030405060708']);
  });

  test('cut anywhere is refused, or has exactly the fields before the cut', () => {
    const whole = message(
      field(1, 300),
      field(2, 'abcdef'),
      field(3, 2n ** 40n),
      field(20, new Uint8Array(9)),
    );
    const ends = [0, 3, 11, 18, whole.length];
    for (let length = 0; length < whole.length; length++) {
      const cut = () => readFields(whole.subarray(0, length), 'the message');
      if (ends.includes(length)) assert.equal(cut().size, ends.indexOf(length));
      else assert.throws(cut, isMalformed(/^the message: truncated/));
    }
  });

  test('of any bytes is read or refused, never anything else', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        for (const values of readFields(bytes, 'noise').values()) toIntegers(values, 'noise');
      } catch (error) {
        assert.ok(error instanceof MalformedModelError && /^noise: /.test(error.message), String(error));
      }
    });
    fc.assert(property, { numRuns: 3000 });
  });

  const refusals: readonly (readonly [what: string, hex: string, says: RegExp])[] = [
    ['wire type 3', '0b', /^m: byte 1 has the unknown wire type 3$/],
    ['wire type 4', '08 00 0c', /^m: byte 3 has the unknown wire type 4$/],
    ['wire type 6', '0e', /unknown wire type 6/],
    ['wire type 7', '0f', /unknown wire type 7/],
    ['field number 0', '00 01', /^m: byte 1 ends a key without a field number$/],
    ['a field number of 30 bits', '80 80 80 80 10 01', /^m: byte 5 ends a key without a field number$/],
    ['a negative key', 'ff ff ff ff ff ff ff ff ff 01', /without a field number/],
    ['more bytes than there are', '12 05 61 62', /^m: truncated, byte 2 announces 5 more of 4$/],
    ['a negative length', '12 ff ff ff ff ff ff ff ff ff 01', /^m: truncated, byte 11 announces -1 more/],
    [
      'a length beyond any file',
      '12 ff ff ff ff ff ff ff ff 7f',
      /^m: truncated, byte 10 announces 9\d+ more/,
    ],
    ['half a fixed width', '0d 01 02', /^m: truncated, byte 1 announces 4 more of 3$/],
    ['a number without an end', '08 80', /^m: truncated inside a whole number$/],
    ['a long number without an end', '08 80 80 80 80 80', /^m: truncated inside a whole number$/],
    ['a number of eleven bytes', `08 ${'80 '.repeat(10)}01`, /^m: a whole number of more than 10 bytes$/],
  ];
  for (const [what, hex, says] of refusals) {
    test(`with ${what} is refused`, () =>
      assert.throws(() => readFields(bytesOf(hex), 'm'), isMalformed(says)));
  }
});

describe('whole numbers', () => {
  test('are read at every length, padded or not', () => {
    const property = fc.property(integer, fc.nat(3), (number, padding) => {
      const bytes = varint(number);
      const padded = bytes.length + padding > 10 ? bytes : withPadding(bytes, padding);
      const [found] = readFields(message(varint(8), padded), 'm').get(1)!;
      assert.equal(found, number);
    });
    fc.assert(property, { numRuns: 1000 });
  });

  test('stand alone, packed, or both', () => {
    const small = fc.integer({ min: -(2 ** 40), max: 2 ** 40 });
    const property = fc.property(fc.array(fc.array(small, { maxLength: 5 })), (groups) => {
      const values = groups.flatMap((group): FieldValue[] =>
        group.length % 2 === 0 ? [message(...group.map(varint))] : group.map(BigInt),
      );
      assert.deepEqual(toIntegers(values, 'm'), groups.flat());
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('beyond what a double holds are refused', () => {
    assert.deepEqual(toIntegers([2n ** 53n - 1n], 'm'), [Number.MAX_SAFE_INTEGER]);
    assert.throws(() => toIntegers([2n ** 53n], 'm'), isMalformed(/^m: 9007199254740992 is out of range$/));
    assert.throws(() => toIntegers([varint(-(2n ** 60n))], 'm'), isMalformed(/is out of range$/));
    assert.throws(
      () => toIntegers([bytesOf('80')], 'm'),
      isMalformed(/^m: truncated inside a whole number$/),
    );
  });
});

describe('floats', () => {
  test('keep every bit, wherever in memory they lie', () => {
    const property = fc.property(fc.float32Array(), fc.nat(3), (values, shift) => {
      const place = new Uint8Array(values.byteLength + shift);
      place.set(floatBytes(values), shift);
      assert.deepEqual(Float32Array.from(toFloats([place.subarray(shift)], 'm')), values);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('are refused where bytes or kinds do not fit', () => {
    assert.throws(() => toFloats([new Uint8Array(6)], 'm'), isMalformed(/^m: floats of 6 bytes$/));
    assert.throws(() => toFloats([1n], 'm'), isMalformed(/^m: a whole number where a float belongs$/));
  });
});

test('bytes and texts are not whole numbers', () => {
  assert.equal(toText(Buffer.from('größer'), 'm'), 'größer');
  assert.throws(() => toBytes(1n, 'm'), isMalformed(/^m: a whole number where bytes belong$/));
  assert.throws(() => toText(1n, 'm'), isMalformed(/^m: a whole number where bytes belong$/));
});

function isMalformed(says: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof MalformedModelError, String(error));
    assert.equal(error.code, 'model_malformed');
    assert.match(error.message, says);
    return true;
  };
}

function value(): fc.Arbitrary<bigint | Uint8Array> {
  return fc.oneof(integer, fc.uint8Array({ maxLength: 200 }));
}

/** Comparable: bytes in hexadecimal. */
function plain(one: FieldValue): bigint | string {
  return typeof one === 'bigint' ? one : Buffer.from(one).toString('hex');
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}

/** The same number with zeros above it, which the format allows. */
function withPadding(bytes: Uint8Array, count: number): Uint8Array {
  if (count === 0) return bytes;
  const open = [...bytes.subarray(0, -1), bytes.at(-1)! | 0x80];
  return Uint8Array.from([...open, ...new Array<number>(count - 1).fill(0x80), 0]);
}
