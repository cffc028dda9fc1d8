import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitrarySteps, entry, Histories, type Step, streamOf } from './arbitrary-stream.ts';
import { EntityHistory } from './entity-history.ts';
import { REACH_MS } from './feature-vector.ts';
import { NaiveHistory } from './naive-features.ts';
import { labelOf, paymentOf } from './payment-of.ts';
import { RECORD_BYTES } from './record.ts';

const NOON = Date.UTC(2024, 5, 12, 12);

describe('a redelivered payment', () => {
  test('changes nothing and gets the view of its first arrival, whenever it comes', () => {
    fc.assert(fc.property(arbitrarySteps, redeliveries), { numRuns: 60 });
  });

  test('is known by its id alone', () => {
    const history = new EntityHistory(REACH_MS.user);
    const payment = paymentOf({});
    history.recordTransaction(payment, undefined);
    const view = history.recordTransaction({ ...payment, amountUnits: 1, timestampMs: NOON + 1 }, undefined);
    assert.equal(view.position, 0);
    assert.equal(history.toBytes().length, RECORD_BYTES);
  });

  test('is not taken for its own label', () => {
    const history = new EntityHistory(REACH_MS.user);
    const payment = paymentOf({});
    assert.equal(history.recordLabel(labelOf(payment, { knownAtMs: NOON })), true);
    assert.equal(history.recordTransaction(payment, undefined).position, 1);
  });
});

describe('a label', () => {
  const payment = paymentOf({});
  const fraud = labelOf(payment, { knownAtMs: NOON });

  test('is recorded once', () => {
    const history = new EntityHistory(REACH_MS.user);
    history.recordTransaction(payment, undefined);
    assert.equal(history.recordLabel(fraud), true);
    assert.equal(history.recordLabel(fraud), false);
    assert.equal(history.toBytes().length, 2 * RECORD_BYTES);
  });

  test('that confirms what was believed is not recorded', () => {
    const history = new EntityHistory(REACH_MS.user);
    assert.equal(history.recordLabel({ ...fraud, isFraud: false }), false);
    assert.equal(history.recordLabel({ ...fraud, previousIsFraud: true }), false);
    assert.equal(history.toBytes().length, 0);
  });

  test('that corrects, or is corrected again later, is another one', () => {
    const history = new EntityHistory(REACH_MS.user);
    const retraction = { ...fraud, isFraud: false, previousIsFraud: true };
    assert.equal(history.recordLabel(fraud), true);
    assert.equal(history.recordLabel(retraction), true);
    assert.equal(history.recordLabel({ ...fraud, knownAtMs: NOON + 1 }), true);
  });
});

describe('stored bytes', () => {
  test('that are not whole records, or end within the tiles, are refused', () => {
    assert.throws(() => new EntityHistory(REACH_MS.user, new Uint8Array(RECORD_BYTES + 1)), RangeError);
    const history = new EntityHistory(REACH_MS.user);
    for (let day = 0; day < 40; day++) {
      history.recordTransaction(paymentOf({ timestampMs: NOON + day * 86_400_000 }), undefined);
    }
    const bytes = history.toBytes().slice(0, RECORD_BYTES);
    assert.throws(() => new EntityHistory(REACH_MS.user, bytes), RangeError);
  });

  test('are copied', () => {
    const history = new EntityHistory(REACH_MS.user);
    history.recordTransaction(paymentOf({}), undefined);
    const bytes = history.toBytes().slice();
    const other = new EntityHistory(REACH_MS.user, bytes);
    bytes.fill(0);
    assert.deepEqual(other.toBytes(), history.toBytes());
  });

  test('of an entity of which nothing is known are none', () => {
    assert.equal(new EntityHistory(REACH_MS.user).toBytes().length, 0);
    assert.equal(new EntityHistory(REACH_MS.user, new Uint8Array()).toBytes().length, 0);
  });
});

/** Delivers payments of the stream again: at once, soon and late. Without terminals, which have the same histories. */
function redeliveries(steps: readonly Step[]): void {
  const histories = new Histories();
  const naive = new Map<string, NaiveHistory>();
  const first = new Map<string, { features: Float32Array; goneCount: number; position: number }>();
  const payments: Parameters<Histories['record']>[0][] = [];
  for (const event of streamOf(steps)) {
    if (event.kind !== 'transaction') {
      if (event.kind === 'label') {
        histories.label(event.label);
        entry(naive, event.label.userId, () => new NaiveHistory(REACH_MS.user)).recordLabel(event.label);
      }
      continue;
    }
    const payment = { ...event.transaction, terminalId: undefined };
    const user = entry(naive, payment.userId, () => new NaiveHistory(REACH_MS.user));
    if (!user.recordTransaction(payment)) continue;
    const views = histories.record(payment);
    payments.push(payment);
    const features = histories.compute(payment, views);
    first.set(payment.transactionId, { features, goneCount: user.goneCount, position: views.user.position });
    if (!event.isSampled) continue;

    const [recent, earlier] = [3, 300].map((back) => payments[Math.max(0, payments.length - back)]);
    for (const redelivered of [payment, recent, earlier]) {
      const known = entry(naive, redelivered.userId, () => new NaiveHistory(REACH_MS.user));
      const arrival = first.get(redelivered.transactionId)!;
      if (arrival.position < known.goneCount) continue;
      const before = histories.toBytes();
      const view = histories.record(redelivered);
      assert.deepEqual(histories.toBytes(), before);
      assert.equal(view.user.position, arrival.position);
      if (known.goneCount === arrival.goneCount) {
        assert.deepEqual(histories.compute(redelivered, view), arrival.features);
      }
    }
  }
}
