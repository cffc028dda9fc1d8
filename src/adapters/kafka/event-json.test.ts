import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { TerminalId, TransactionId, UserId } from '../../core/transaction/ids.ts';
import { EARLIEST_TIMESTAMP_MS, LATEST_TIMESTAMP_MS } from '../../core/transaction/timestamp.ts';
import { sampleControl, sampleDecision } from '../../pipeline/event-log.contract.ts';
import type { LogEvent } from '../../pipeline/event-log.ts';
import { encodeEvent, parseEvent, UnreadableRecordError } from './event-json.ts';

const id = fc.stringMatching(/^[!#-[\]-~]{1,40}$/);
const optional = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const moment = fc.integer({ min: EARLIEST_TIMESTAMP_MS, max: LATEST_TIMESTAMP_MS - 1 });
const MEMBERS = { noNullPrototype: true };
const place = {
  transactionId: id as unknown as fc.Arbitrary<TransactionId>,
  userId: id as unknown as fc.Arbitrary<UserId>,
  terminalId: optional(id as unknown as fc.Arbitrary<TerminalId>),
  terminalPosition: optional(fc.maxSafeNat()),
};
const label = fc.record(
  {
    ...place,
    userPosition: optional(fc.maxSafeNat()),
    isFraud: fc.boolean(),
    previousIsFraud: fc.boolean(),
    knownAtMs: moment,
    transactionTimestampMs: moment,
  },
  MEMBERS,
);
const placement = fc.record({ ...place, userPosition: fc.maxSafeNat() }, MEMBERS);
const event: fc.Arbitrary<LogEvent> = fc.oneof(
  label.map((label) => ({ kind: 'label', label }) as const),
  placement.map((placement) => ({ kind: 'placement', placement }) as const),
  fc.nat().map(sampleControl),
  fc.nat({ max: 1_000_000 }).map(sampleDecision),
);
const NAMES = ['one', 'two', 'three', 'four'];

describe('events as records', () => {
  test('come back the very same, under the key of their user', () => {
    const property = fc.property(event, (event) => {
      const { topic, key, value } = encodeEvent(event, () => NAMES);
      assert.deepStrictEqual(parseEvent(topic, value), event);
      if (event.kind === 'label') assert.equal(key, event.label.userId);
      if (event.kind === 'decision') assert.equal(key, event.decision.transaction.userId);
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('control documents of one version have a key each', () => {
    const [one, other] = ['start', 'again'].map((reason) => {
      const event = sampleControl(7);
      assert.ok(event.kind === 'control');
      return encodeEvent({ kind: 'control', control: { ...event.control, reason } }, () => []).key;
    });
    assert.match(one, /^7 [0-9a-f]{16}$/);
    assert.notEqual(one, other);
  });

  test('that are none are refused, without repeating what they say', () => {
    for (const topic of ['predictions', 'history-events', 'control'] as const) {
      assert.throws(
        () => parseEvent(topic, '{"user_id":"somebody'),
        (error: Error) => error instanceof UnreadableRecordError && !error.message.includes('somebody'),
      );
    }
  });
});
