import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitrarySteps, Histories, type Step, streamOf } from './arbitrary-stream.ts';
import { FEATURE_NAMES } from './catalogue.ts';
import { EntityHistory } from './entity-history.ts';
import { REACH_MS } from './feature-vector.ts';
import { EXACT_RECORDS, LATENESS_MS } from './fold.ts';
import { NaiveHistory, naiveFeatures } from './naive-features.ts';
import { labelOf, paymentOf } from './payment-of.ts';
import { RECORD_BYTES } from './record.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOON = Date.UTC(2024, 5, 12, 12);

describe('when folding happens', () => {
  test('changes no feature, no position and no stored byte, whatever the stream', () => {
    fc.assert(fc.property(arbitrarySteps, foldsAtAnyTime), { numRuns: 80 });
  });

  test('changes nothing where tiles and records take the same room', () => {
    for (let count = EXACT_RECORDS; count < EXACT_RECORDS + 40; count++) {
      const [never, always] = [new Histories(), new Histories()];
      for (let index = 0; index < count; index++) {
        const payment = paymentOf({ timestampMs: NOON + index * 25 * 60_000 });
        never.record(payment);
        always.record(payment);
        if (index > 500) always.reload();
      }
      assert.deepEqual(never.toBytes(), always.toBytes(), `${count} records`);
    }
  });

  test('does not decide whether a redelivered payment is known again', () => {
    const [never, always] = [new Histories(), new Histories()];
    const payments = Array.from({ length: EXACT_RECORDS + 5 }, (_, index) =>
      paymentOf({ timestampMs: NOON + index * 1000 }),
    );
    for (const payment of [...payments, payments[0], payments[10]]) {
      const lazy = never.record(payment);
      const eager = always.record(payment);
      assert.equal(lazy.user.position, eager.user.position);
      assert.deepEqual(never.compute(payment, lazy), always.compute(payment, eager));
      always.reload();
    }
    assert.deepEqual(never.toBytes(), always.toBytes());
  });

  test('leaves no trace of the order in which old payments arrived', () => {
    const old = [3, 1, 2, 3].map((hours) => paymentOf({ timestampMs: NOON + hours * HOUR }));
    const recent = Array.from({ length: EXACT_RECORDS }, () => paymentOf({ timestampMs: NOON + 9 * HOUR }));
    const [one, other] = [old, old.toReversed()].map((order) => {
      const history = new EntityHistory(REACH_MS.user);
      for (const payment of [...order, ...recent]) history.recordTransaction(payment, undefined);
      return history.toBytes();
    });
    assert.deepEqual(one, other);
  });

  test('leaves known which payment was the newest', () => {
    const [never, always] = [new Histories(), new Histories()];
    const newest = paymentOf({ timestampMs: NOON + 100 * DAY });
    for (const histories of [never, always]) {
      histories.record(paymentOf({ timestampMs: NOON + 1000 }));
      histories.record(newest);
      for (let index = 0; index <= EXACT_RECORDS; index++) {
        const isFraud = index % 2 === 0;
        histories.label(labelOf(newest, { isFraud, previousIsFraud: !isFraud, knownAtMs: NOON + index }));
      }
    }
    always.reload();
    const late = paymentOf({ timestampMs: NOON + 2000 });
    const [found, expected] = [always, never].map((histories) => {
      const views = histories.record(late);
      assert.equal(views.user.previousNewestMs, newest.timestampMs);
      return histories.compute(late, views);
    });
    assertSameBits(found, expected);
    assert.equal(found[FEATURE_NAMES.indexOf('user_transaction_count_1d')], 1);
  });

  test('leaves a tile its sign where a retraction outlives its label', () => {
    const [never, always] = [new Histories(), new Histories()];
    const payment = paymentOf({ terminalId: 'x' });
    const next = paymentOf({ terminalId: 'x', timestampMs: NOON + 8 * DAY - 1 });
    for (const histories of [never, always]) {
      histories.record(payment);
      for (let index = 0; index < EXACT_RECORDS + 9; index++) {
        const isFraud = index % 2 === 1;
        histories.label(labelOf(payment, { isFraud, previousIsFraud: !isFraud, knownAtMs: NOON + index }));
        if (histories === always) always.reload();
      }
      const features = histories.compute(next, histories.record(next));
      assert.equal(features[FEATURE_NAMES.indexOf('terminal_fraud_rate_1d_delayed_7d')], -1);
    }
  });
});

describe('the half hour', () => {
  test('is as far as folding displaces anything: windows lie between those half an hour shorter and longer', () => {
    fc.assert(fc.property(arbitrarySteps, displacesAtMostHalfAnHour), { numRuns: 40 });
  });

  test('is not exceeded where the asking payment is late itself', () => {
    const histories = new Histories();
    const hour = Math.floor(NOON / HOUR) * HOUR;
    histories.record(paymentOf({ timestampMs: hour + 59 * 60_000 }));
    for (let index = 0; index < EXACT_RECORDS; index++) {
      histories.record(paymentOf({ timestampMs: hour + 2 * HOUR }));
    }
    const late = paymentOf({ timestampMs: hour + 60_000 });
    const features = histories.compute(late, histories.record(late));
    assert.equal(features[FEATURE_NAMES.indexOf('user_transaction_count_1d')], 1);
    assert.equal(features[FEATURE_NAMES.indexOf('total_transactions')], 0);
  });

  test('does not make a label into a payment', () => {
    const histories = new Histories();
    const newest = paymentOf({ timestampMs: NOON + 5 * HOUR });
    const unknown = paymentOf({ timestampMs: NOON });
    histories.record(newest);
    for (let index = 0; index <= EXACT_RECORDS; index++) {
      const isFraud = index % 2 === 0;
      histories.label(labelOf(unknown, { isFraud, previousIsFraud: !isFraud, knownAtMs: NOON + index }));
    }
    const late = paymentOf({ timestampMs: NOON + 2 * HOUR });
    const features = histories.compute(late, histories.record(late));
    assert.equal(features[FEATURE_NAMES.indexOf('total_transactions')], 0);
    assert.equal(features[FEATURE_NAMES.indexOf('time_since_last_transaction')], Number.NaN);
  });

  test('does not blur the last payment before', () => {
    const histories = new Histories();
    const payment = paymentOf({ timestampMs: NOON + 60_000 });
    histories.record(payment);
    for (let index = 0; index < EXACT_RECORDS; index++) {
      const isFraud = index % 2 === 0;
      histories.label(
        labelOf(payment, { isFraud, previousIsFraud: !isFraud, knownAtMs: NOON + 70_000 + index }),
      );
    }
    const next = paymentOf({ timestampMs: NOON + HOUR });
    const features = histories.compute(next, histories.record(next));
    assert.equal(features[FEATURE_NAMES.indexOf('time_since_last_transaction')], 59 * 60);
  });
});

describe('out of reach', () => {
  const at = (features: Float32Array, name: string) => features[FEATURE_NAMES.indexOf(name)];

  test('begins before the hour of the newest less reach and lateness; the lifetime still counts it', () => {
    const start = NOON - REACH_MS.user - LATENESS_MS;
    for (const newestMs of [NOON, NOON + HOUR - 1]) {
      const histories = new Histories();
      histories.record(paymentOf({ timestampMs: newestMs }));
      histories.record(paymentOf({ timestampMs: start - 1, amountUnits: 900_000 }));
      histories.record(paymentOf({ timestampMs: start, amountUnits: 300_000 }));
      const late = paymentOf({ timestampMs: start + 60_000, amountUnits: 100_000 });
      const features = histories.compute(late, histories.record(late));
      assert.equal(at(features, 'window_transaction_count'), 2);
      assert.equal(at(features, 'window_transaction_avg'), 20);
      assert.equal(at(features, 'window_transaction_std'), 10);
      assert.equal(at(features, 'total_transactions'), 2);
      assert.equal(at(features, 'total_amount'), 120);
      assert.equal(at(features, 'time_since_last_transaction'), 60);
    }
  });

  test('is no obstacle to the payment itself', () => {
    const histories = new Histories();
    histories.record(paymentOf({ timestampMs: NOON }));
    const late = paymentOf({ timestampMs: NOON - 300 * DAY, amountUnits: 200_000 });
    const features = histories.compute(late, histories.record(late));
    assert.equal(at(features, 'user_transaction_count_30d'), 1);
    assert.equal(at(features, 'user_amount_mean_30d'), 20);
  });

  test('a label no longer counts', () => {
    const start = NOON - REACH_MS.terminal - LATENESS_MS;
    const histories = new Histories();
    const payments = [NOON, start - 1, start, start + 1].map((timestampMs) =>
      paymentOf({ terminalId: 'x', timestampMs }),
    );
    for (const payment of payments) histories.record(payment);
    for (const payment of payments.slice(1, 3)) histories.label(labelOf(payment, { knownAtMs: start + DAY }));
    const late = paymentOf({ terminalId: 'x', timestampMs: start + 30 * DAY });
    const features = histories.compute(late, histories.record(late));
    assert.equal(at(features, 'terminal_transaction_count_30d_delayed_7d'), 2);
    assert.equal(at(features, 'terminal_fraud_rate_30d_delayed_7d'), 0.5);
  });
});

test('sums of amounts stay exact as far as numbers are, and stop at 2^53 units in any order', () => {
  for (const reloadEvery of [1, 7, 5000]) {
    const histories = new Histories();
    let features = new Float32Array();
    for (let index = 0; index < 1100; index++) {
      const payment = paymentOf({ amountUnits: 10 ** 13 - (index % 10), timestampMs: NOON + index });
      features = new Float32Array(histories.compute(payment, histories.record(payment)));
      if (index % reloadEvery === 0) histories.reload();
    }
    const most = 2 ** 53 / 10_000;
    assert.equal(features[FEATURE_NAMES.indexOf('total_amount')], Math.fround(most));
    assert.equal(features[FEATURE_NAMES.indexOf('user_amount_mean_1d')], Math.fround(most / 1100));
    const yearsLater = paymentOf({ timestampMs: NOON + 1000 * DAY });
    features = new Float32Array(histories.compute(yearsLater, histories.record(yearsLater)));
    assert.equal(features[FEATURE_NAMES.indexOf('total_amount')], Math.fround(most));
  }
});

describe('a history stays within its bound', () => {
  // The summary takes the room of two records, and there is a tile for each hour from the first in reach to the newest.
  const boundOf = (reachMs: number) =>
    (2 + (reachMs + LATENESS_MS) / HOUR + 1 + EXACT_RECORDS) * RECORD_BYTES;

  test('of 30,216 bytes for a user and 34,248 for a terminal', () => {
    assert.equal(boundOf(REACH_MS.user), 30_216);
    assert.equal(boundOf(REACH_MS.terminal), 34_248);
  });

  test('when every hour has its tile and payments go on for years', () => {
    const history = new EntityHistory(REACH_MS.user);
    let largest = 0;
    for (let index = 0; index < 20_000; index++) {
      const payment = paymentOf({ timestampMs: NOON + index * 20 * 60_000 });
      history.recordTransaction(payment, undefined);
      if (index % 50 === 0) largest = Math.max(largest, history.toBytes().length);
    }
    for (let index = 0; index < EXACT_RECORDS; index++)
      history.recordTransaction(paymentOf({ timestampMs: NOON + 20_000 * 20 * 60_000 }), undefined);
    largest = Math.max(largest, history.toBytes().length);
    assert.ok(largest <= boundOf(REACH_MS.user), `${largest} bytes`);
    assert.ok(largest > 0.99 * boundOf(REACH_MS.user), `the stream was meant to reach the bound: ${largest}`);
  });

  test('whatever the stream', () => {
    fc.assert(
      fc.property(arbitrarySteps, (steps) => {
        const histories = new Histories();
        for (const event of streamOf(steps)) {
          if (event.kind === 'label') histories.label(event.label);
          else if (event.kind === 'transaction') histories.record(event.transaction);
        }
        for (const [id, hex] of Object.entries(histories.toBytes())) {
          const reachMs = id.startsWith('user') ? REACH_MS.user : REACH_MS.terminal;
          assert.ok(hex.length / 2 <= boundOf(reachMs));
        }
      }),
      { numRuns: 30 },
    );
  });
});

/** One set of histories is never reloaded, one where the stream says so, one after every event. */
function foldsAtAnyTime(steps: readonly Step[]): void {
  const [never, sometimes, always] = [new Histories(), new Histories(), new Histories()];
  const all = [never, sometimes, always];
  for (const event of streamOf(steps)) {
    if (event.kind === 'reload') sometimes.reload();
    else if (event.kind === 'label') for (const histories of all) histories.label(event.label);
    else {
      const { transaction } = event;
      const views = all.map((histories) => histories.record(transaction));
      for (const view of views) {
        assert.equal(view.user.position, views[0].user.position);
        assert.equal(view.terminal?.position, views[0].terminal?.position);
      }
      if (event.isSampled) {
        const [first, ...others] = views.map((view, index) => all[index].compute(transaction, view));
        for (const other of others) assertSameBits(other, first);
      }
    }
    if (event.kind !== 'transaction' || event.isSampled) always.reload();
  }
  assert.deepEqual(sometimes.toBytes(), never.toBytes());
  assert.deepEqual(always.toBytes(), never.toBytes());
}

function assertSameBits(found: Float32Array, expected: Float32Array): void {
  for (const [index, name] of FEATURE_NAMES.entries()) {
    assert.ok(Object.is(found[index], expected[index]), `${name}: ${found[index]}, not ${expected[index]}`);
  }
}

/** Counts over (t - W, t] against untiled recounts of windows that begin half an hour later and earlier. */
function displacesAtMostHalfAnHour(steps: readonly Step[]): void {
  const histories = new Histories();
  const naive = new NaiveHistory(REACH_MS.user);
  for (const event of streamOf(steps)) {
    if (event.kind !== 'transaction') continue;
    const { transaction } = event;
    if (transaction.userId !== 'user-0') continue;
    const view = naive.recordTransaction(transaction);
    const views = histories.record(transaction);
    if (!view || !event.isSampled) continue;
    const features = histories.compute(transaction, views);
    const exact = naiveFeatures(transaction, view, undefined, { isTiled: false });
    const times = view.events.slice(0, -1).map(({ timeMs }) => timeMs);
    const now = transaction.timestampMs;
    const newest = Math.max(now, ...times);
    for (const days of [1, 7, 30]) {
      const oldest = Math.floor((newest - REACH_MS.user - DAY) / HOUR) * HOUR;
      const inside = (moreMs: number) =>
        1 + times.filter((t) => t >= now - days * DAY - moreMs && t <= now + moreMs && t >= oldest).length;
      const found = features[FEATURE_NAMES.indexOf(`user_transaction_count_${days}d`)];
      const [least, most] = [inside(-HOUR / 2 - 1), inside(HOUR / 2)];
      // In order nothing lies after now, so only the far edge can be off.
      const isLate = times.some((t) => t > now);
      const leastInOrder = 1 + times.filter((t) => t > now - days * DAY + HOUR / 2 && t >= oldest).length;
      assert.ok(
        found <= most && found >= (isLate ? least : leastInOrder),
        `${days}d: ${least} ${found} ${most}`,
      );
      if (view.events.length <= EXACT_RECORDS) {
        assert.equal(found, exact[`user_transaction_count_${days}d`]);
      }
    }
  }
}
