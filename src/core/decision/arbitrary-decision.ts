/** Random decisions with everything that their parsers let through. */
import fc from 'fast-check';
import type { TerminalId, TransactionId, UserId } from '../transaction/ids.ts';
import { AMOUNT_MAX } from '../transaction/members.ts';
import { EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS } from '../transaction/timestamp.ts';
import { type Transaction, UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import type { Decision } from './decision.ts';

const PRINTABLE = Array.from({ length: 0x5e }, (_, index) => String.fromCharCode(0x21 + index));
const PLAIN = PRINTABLE.filter((character) => character !== '"' && character !== '\\');
const NAMES = [...'abcdefghijklmnopqrstuvwxyz0123456789_'];

const id = <Id extends string>() => text(PLAIN, 128) as unknown as fc.Arbitrary<Id>;
const name = text(NAMES, 40).map((tail) => `f${tail}`);
const moment = fc.integer({ min: EARLIEST_TIMESTAMP_MS, max: LATEST_TIMESTAMP_MS - 1 });
const stages = ['ingest', 'features', 'route', 'score', 'decide', 'publish'] as const;

const arbitraryTransaction: fc.Arbitrary<Transaction> = fc.record({
  transactionId: id<TransactionId>(),
  userId: id<UserId>(),
  terminalId: optional(id<TerminalId>()),
  amountUnits: fc.integer({ min: 0, max: AMOUNT_MAX * UNITS_PER_MAJOR }),
  currency: optional(text([...'ABCXYZ'], 3, 3)),
  merchantCategory: text([...PLAIN, ' '], 64),
  isInternational: fc.boolean(),
  timestampMs: moment,
  metadataJson: optional(
    fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()).map((value) => JSON.stringify(value)),
  ),
});

/** A decision, and the names of its features. */
export const arbitraryDecision: fc.Arbitrary<{
  readonly decision: Decision;
  readonly names: readonly string[];
}> = fc
  .uniqueArray(name, { maxLength: 40 })
  .chain((names) => fc.record({ decision: decisionOf(names.length), names: fc.constant(names) }));

function decisionOf(featureCount: number): fc.Arbitrary<Decision> {
  return fc.record({
    transaction: arbitraryTransaction,
    userPosition: optional(fc.nat()),
    terminalPosition: optional(fc.nat()),
    isOutOfOrder: fc.boolean(),
    features: fc.float32Array({ minLength: featureCount, maxLength: featureCount }),
    controlVersion: fc.integer({ min: 1, max: 1_000_000 }),
    arm: fc.constantFrom('A', 'B'),
    modelVersion: text([...NAMES, '.', '-'], 32),
    fraudProbability: fc.float({ min: 0, max: 1, noNaN: true }),
    isFraud: fc.boolean(),
    outcome: fc.constantFrom('approve', 'review', 'decline'),
    reasonCodes: fc.array(name, { maxLength: 3 }),
    degraded: fc.subarray([...stages]),
    decidedAtMs: moment,
    latencyMs: fc.oneof(
      fc.nat(100_000).map((units) => units / 1000),
      fc.double({ min: 0, max: 1e9, noNaN: true }),
    ),
  });
}

function text(unit: readonly string[], maxLength: number, minLength = 1): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...unit), minLength, maxLength });
}

function optional<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(value, { nil: undefined });
}
