import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { TerminalId, TransactionId, UserId } from '../transaction/ids.ts';
import { AMOUNT_MAX } from '../transaction/members.ts';
import { EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS } from '../transaction/timestamp.ts';
import { UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import type { Decision } from './decision.ts';
import { decisionJson, parseDecisionJson } from './decision-json.ts';

const ASCII = Array.from({ length: 0x5e }, (_, index) => String.fromCharCode(0x21 + index));
const PLAIN = ASCII.filter((character) => character !== '"' && character !== '\\');
const plain = (maxLength: number) => fc.string({ unit: fc.constantFrom(...PLAIN), minLength: 1, maxLength });
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const moment = fc.integer({ min: EARLIEST_TIMESTAMP_MS, max: LATEST_TIMESTAMP_MS - 1 });
const stage = fc.constantFrom('ingest', 'features', 'route', 'score', 'decide', 'publish');
/** Texts that look like what stands around metadata, and spaces that no second writing would keep. */
const metadata = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value, null, 1)),
  fc.constantFrom(
    '{}',
    '{"a":{},"arm":"A"}',
    '{"a":"},\\"arm\\":\\"A"}',
    '{"transaction":{"metadata":{}},"arm":"B"}',
  ),
);
const MEMBERS = { noNullPrototype: true };

const decision: fc.Arbitrary<Decision> = fc.record(
  {
    transaction: fc.record(
      {
        transactionId: plain(128) as unknown as fc.Arbitrary<TransactionId>,
        userId: plain(128) as unknown as fc.Arbitrary<UserId>,
        terminalId: optional(plain(128) as unknown as fc.Arbitrary<TerminalId>),
        amountUnits: fc.integer({ min: 0, max: AMOUNT_MAX * UNITS_PER_MAJOR }),
        currency: optional(fc.constantFrom('EUR', 'JPY')),
        merchantCategory: plain(64),
        isInternational: fc.boolean(),
        timestampMs: moment,
        metadataJson: optional(metadata),
      },
      MEMBERS,
    ),
    userPosition: optional(fc.maxSafeNat()),
    terminalPosition: optional(fc.maxSafeNat()),
    isOutOfOrder: fc.boolean(),
    features: fc.float32Array({ maxLength: 60 }),
    controlVersion: fc.maxSafeNat(),
    arm: fc.constantFrom('A', 'B'),
    modelVersion: plain(32),
    fraudProbability: fc.float({ min: 0, max: 1, noNaN: true }).map((value) => value + 0),
    isFraud: fc.boolean(),
    outcome: fc.constantFrom('approve', 'review', 'decline'),
    reasonCodes: fc.array(plain(32), { maxLength: 6 }),
    degraded: fc.array(stage, { maxLength: 6 }),
    decidedAtMs: moment,
    latencyMs: fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0),
  },
  MEMBERS,
);

describe('a decision as JSON', () => {
  test('comes back the very same', () => {
    const property = fc.property(decision, (decision) => {
      const names = Array.from(decision.features, (_, index) => `feature_${index}`);
      const json = decisionJson(decision, names);
      assert.deepStrictEqual(parseDecisionJson(json), decision);
      const { features, user_id, timestamp, transaction } = JSON.parse(json);
      assert.deepEqual(Object.keys(features), names);
      assert.equal(user_id, decision.transaction.userId);
      assert.equal(timestamp, transaction.timestamp);
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test('with other names than features is refused', () => {
    const [sample] = fc.sample(decision, { numRuns: 1, seed: 1 });
    assert.throws(() => decisionJson(sample, Array(sample.features.length + 1).fill('x')), RangeError);
  });
});
