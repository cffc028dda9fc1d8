import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Decision } from '../../core/decision/decision.ts';
import type { TerminalId, TransactionId, UserId } from '../../core/transaction/ids.ts';
import { sampleControl, sampleDecision } from '../../pipeline/event-log.contract.ts';
import type { LogEvent } from '../../pipeline/event-log.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { decodeEvent, encodedBytesMax, encodeEvent, UnknownEventFormatError } from './event-codec.ts';

const ID_CHARACTERS = Array.from({ length: 0x5e }, (_, index) => String.fromCharCode(0x21 + index)).filter(
  (character) => character !== '"' && character !== '\\',
);
const id = fc.string({ unit: fc.constantFrom(...ID_CHARACTERS), minLength: 1, maxLength: 128 });
const asciiText = fc.string({ unit: 'grapheme-ascii', maxLength: 64 });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const record = <Members>(members: { [Name in keyof Members]: fc.Arbitrary<Members[Name]> }) =>
  fc.record(members, { noNullPrototype: true });
const stage = fc.constantFrom('ingest', 'features', 'route', 'score', 'decide', 'publish');

const transaction = record({
  transactionId: id as fc.Arbitrary<TransactionId>,
  userId: id as fc.Arbitrary<UserId>,
  terminalId: optional(id as fc.Arbitrary<TerminalId>),
  amountUnits: fc.maxSafeInteger(),
  currency: optional(fc.string({ unit: fc.constantFrom('E', 'U', 'R'), minLength: 3, maxLength: 3 })),
  merchantCategory: asciiText,
  isInternational: fc.boolean(),
  timestampMs: fc.maxSafeInteger(),
  metadataJson: optional(fc.oneof(fc.json(), fc.string({ unit: 'binary', maxLength: 2_000 }))),
});

const decision: fc.Arbitrary<Decision> = record({
  transaction,
  userPosition: optional(fc.maxSafeNat()),
  terminalPosition: optional(fc.maxSafeNat()),
  isOutOfOrder: fc.boolean(),
  features: fc.float32Array({ maxLength: 200 }),
  controlVersion: fc.maxSafeNat(),
  arm: fc.constantFrom('A', 'B'),
  modelVersion: asciiText,
  fraudProbability: fc.float({ min: 0, max: 1, noNaN: true }),
  isFraud: fc.boolean(),
  outcome: fc.constantFrom('approve', 'review', 'decline'),
  reasonCodes: fc.array(asciiText, { maxLength: 12 }),
  degraded: fc.array(stage, { maxLength: 6 }),
  decidedAtMs: fc.double(),
  latencyMs: fc.double(),
});

const label = record({
  transactionId: id as fc.Arbitrary<TransactionId>,
  isFraud: fc.boolean(),
  previousIsFraud: fc.boolean(),
  knownAtMs: fc.maxSafeInteger(),
  userId: id as fc.Arbitrary<UserId>,
  terminalId: optional(id as fc.Arbitrary<TerminalId>),
  transactionTimestampMs: fc.maxSafeInteger(),
  userPosition: optional(fc.maxSafeNat()),
  terminalPosition: optional(fc.maxSafeNat()),
});

const placement = record({
  transactionId: id as fc.Arbitrary<TransactionId>,
  userId: id as fc.Arbitrary<UserId>,
  terminalId: optional(id as fc.Arbitrary<TerminalId>),
  userPosition: fc.maxSafeNat(),
  terminalPosition: optional(fc.maxSafeNat()),
});

const event: fc.Arbitrary<LogEvent> = fc.oneof(
  decision.map((decision) => ({ kind: 'decision', decision }) as const),
  label.map((label) => ({ kind: 'label', label }) as const),
  placement.map((placement) => ({ kind: 'placement', placement }) as const),
  fc.nat().map(sampleControl),
);

describe('event codec', () => {
  test('gives back exactly what was encoded, and never needs more room than it said', () => {
    fc.assert(
      fc.property(event, (event) => {
        const bytes = encoded(event);
        assert.ok(bytes.length <= encodedBytesMax(event));
        assert.deepStrictEqual(decodeEvent(new ByteReader(bytes)), event);
      }),
      { numRuns: 1_000 },
    );
  });

  test('writes every NaN as the same bytes', () => {
    const features = new Float32Array(2);
    new Uint32Array(features.buffer).set([0x7fc0_0000, 0xffff_1234]);
    const event = sampleDecision(1);
    assert.ok(event.kind === 'decision');
    const bytes = encoded({ kind: 'decision', decision: { ...event.decision, features } });
    assert.equal(bytes.subarray(-8).toString('hex'), '0000c07f0000c07f');
  });

  test('refuses a version and a kind it does not know, by name', () => {
    const bytes = encoded(sampleDecision(1));
    bytes[0] = 9;
    assert.throws(
      () => decodeEvent(new ByteReader(bytes)),
      new UnknownEventFormatError('event of format version 9; this program reads 1'),
    );
    bytes[0] = 1;
    bytes[1] = 77;
    assert.throws(
      () => decodeEvent(new ByteReader(bytes)),
      new UnknownEventFormatError('event of unknown kind 77 in format version 1'),
    );
  });

  test('refuses a text that would not come back the same', () => {
    const event = sampleDecision(1);
    assert.ok(event.kind === 'decision');
    for (const modelVersion of ['v☃', 'v'.repeat(256)]) {
      assert.throws(
        () => encoded({ kind: 'decision', decision: { ...event.decision, modelVersion } }),
        RangeError,
      );
    }
  });
});

function encoded(event: LogEvent): Buffer {
  const writer = new ByteWriter(encodedBytesMax(event) + 1_024);
  encodeEvent(event, writer);
  return writer.bytes.subarray(0, writer.offset);
}
