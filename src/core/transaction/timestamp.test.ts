import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { formatTimestamp, parseTimestampMs } from './timestamp.ts';

describe('timestamps', () => {
  test('are read as the engine’s own parser reads them, with any offset and any fraction', () => {
    const offset = fc
      .record({
        sign: fc.constantFrom('+', '-'),
        hours: fc.integer({ min: 0, max: 23 }),
        minutes: fc.integer({ min: 0, max: 59 }),
      })
      .map(({ sign, hours, minutes }) => `${sign}${twoDigits(hours)}:${twoDigits(minutes)}`);
    const fraction = fc.oneof(
      fc.constant(''),
      fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 9 }).map((it) => `.${it}`),
    );
    const local = fc
      .date({ min: new Date('0100-01-01'), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 19));
    const property = fc.property(local, fraction, fc.oneof(fc.constant('Z'), offset), (when, part, zone) => {
      const text = when + part + zone;
      assert.equal(parseTimestampMs(text), Date.parse(text), text);
    });
    fc.assert(property, { numRuns: 2000 });
  });

  test('written are read again as the same moment', () => {
    const property = fc.property(fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) }), (timestampMs) => {
      assert.equal(parseTimestampMs(formatTimestamp(timestampMs)), timestampMs);
    });
    fc.assert(property, { numRuns: 500 });
  });

  for (const [text, same] of [
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000Z'],
    ['2024-06-12t12:00:00z', '2024-06-12T12:00:00.000Z'],
    ['2024-06-12T12:00:00+02:00', '2024-06-12T10:00:00.000Z'],
    ['2024-06-12T12:00:00-00:00', '2024-06-12T12:00:00.000Z'],
    ['2024-06-12T23:59:59.9999999Z', '2024-06-12T23:59:59.999Z'],
    ['2024-06-12T12:00:00.5Z', '2024-06-12T12:00:00.500Z'],
  ]) {
    test(`${text} is ${same}`, () => assert.equal(formatTimestamp(parseTimestampMs(text)), same));
  }

  const refused = [
    ...['', 'now', '1718193600', '2024-06-12', '2024-06-12T12:00Z', '20240612T120000Z'],
    ...['2024-06-12T12:00:00', '2024-06-12T12:00:00.000', '2024-06-12 12:00:00Z', '2024-06-12T12:00:00,5Z'],
    ...['2024-06-12T12:00:00.Z', '2024-06-12T12:00:00 Z', '2024-06-12T12:00:00ZZ', ' 2024-06-12T12:00:00Z'],
    ...['2024-06-12T12:00:00+0200', '2024-06-12T12:00:00+02', '2024-06-12T12:00:00+24:00'],
    ...['2024-06-12T12:00:00+02:60', '2024-06-12T12:00:00+2:000', '2024-06-12T12:00:00−02:00'],
    ...['2024-02-30T12:00:00Z', '2023-02-29T12:00:00Z', '2100-02-29T12:00:00Z', '2024-04-31T12:00:00Z'],
    ...['2024-00-12T12:00:00Z', '2024-13-12T12:00:00Z', '2024-06-00T12:00:00Z', '2024-06-12T24:00:00Z'],
    ...['2024-06-12T12:60:00Z', '2016-12-31T23:59:60Z', '2024-06-12T-1:00:00Z', '2024-06-12T12:00:0xZ'],
    ...[
      '+02024-06-12T12:00:00Z',
      '2024/06/12T12:00:00Z',
      '２０２４-06-12T12:00:00Z',
      '0099-12-31T23:59:59-01:00',
    ],
    `2024-06-12T12:00:00.${'0'.repeat(40)}Z`,
  ];
  for (const text of refused) {
    test(`${JSON.stringify(text)} is none`, () => assert.equal(parseTimestampMs(text), Number.NaN));
  }

  test('are not found in any other text', () => {
    const property = fc.property(fc.string({ unit: 'binary', maxLength: 45 }), (text) => {
      assert.equal(parseTimestampMs(text), Number.NaN);
    });
    fc.assert(property, { numRuns: 300 });
  });
});

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
