import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FEATURES } from '../features/catalogue.ts';
import { MAX_REASONS, type Reason, strongestReasons } from './reasons.ts';

type Given = Readonly<Record<string, readonly [value: number, usual: number, contribution: number]>>;

describe('reasons', () => {
  test('are what moved the score most towards fraud, strongest first', () => {
    const found = reasonsOf({
      amount: [412, 53.2, 0.2],
      hour_of_day: [3, 14, 0.4],
      is_night: [1, 0, -0.9],
      day_of_week: [2, 3, 0.1],
    });
    assert.deepEqual(
      found.map(({ text: _words, ...rest }) => rest),
      [
        { code: 'hour_of_day_low', feature: 'hour_of_day', value: 3, usual: 14, contribution: 0.4 },
        { code: 'amount_high', feature: 'amount', value: 412, usual: 53.2, contribution: 0.2 },
        { code: 'day_of_week_low', feature: 'day_of_week', value: 2, usual: 3, contribution: 0.1 },
      ],
    );
  });

  test(`are at most ${MAX_REASONS}`, () => {
    const many = Object.fromEntries(FEATURES.map(({ name }, index) => [name, [1, 0, index + 1] as const]));
    const strongest = FEATURES.map(({ name }) => name)
      .slice(-MAX_REASONS)
      .reverse();
    assert.deepEqual(
      reasonsOf(many).map(({ feature }) => feature),
      strongest,
    );
  });

  test('of one strength come by name, whatever the order of the model’s features', () => {
    const names = ['b', 'a', 'd', 'c'];
    const expected = ['a_high', 'b_high', 'c_high'];
    for (const order of [names, names.toReversed(), names.toSorted()]) {
      const given = Object.fromEntries(order.map((name) => [name, [1, 0, 0.5] as const]));
      assert.deepEqual(
        reasonsOf(given).map(({ code }) => code),
        expected,
      );
    }
  });

  test('are none where nothing moved towards fraud', () => {
    assert.deepEqual(reasonsOf({}), []);
    assert.deepEqual(reasonsOf({ a: [1, 0, 0], b: [1, 0, -0], c: [1, 0, -1], d: [1, 0, Number.NaN] }), []);
  });

  for (const [what, value, usual, code] of [
    ['above what is usual', 2, 1, 'amount_high'],
    ['below', 1, 2, 'amount_low'],
    ['what is usual', 0, 0, 'amount_usual'],
    ['the float32 of what is usual', 53.2, 53.2, 'amount_usual'],
    ['the float32 of what is usual, rounded down', 48.66, 48.66, 'amount_usual'],
    ['just above', 53.200005, 53.2, 'amount_high'],
    ['missing', Number.NaN, 1, 'amount_missing'],
    ['below zero', -1, 0, 'amount_low'],
    ['zero of another sign', -0, 0, 'amount_usual'],
  ] as const) {
    test(`have a code that says whether the value is ${what}`, () => {
      assert.equal(reasonsOf({ amount: [value, usual, 1] })[0].code, code);
    });
  }

  test('of random contributions are the strongest, in order, and no other is stronger', () => {
    const contribution = fc.oneof(fc.double({ min: -1, max: 1, noNaN: true }), fc.constantFrom(0, 0.5, -0.5));
    const property = fc.property(fc.array(contribution, { maxLength: 30 }), (contributions) => {
      const given = contributions.map((one, index) => [`f${index}`, [1, 0, one] as const] as const);
      const found = reasonsOf(Object.fromEntries(given)).map((reason) => reason.contribution);
      const expected = contributions.filter((one) => one > 0).toSorted((one, other) => other - one);
      assert.deepEqual(found, expected.slice(0, MAX_REASONS));
    });
    fc.assert(property, { numRuns: 500 });
  });
});

describe('a reason in words', () => {
  for (const [given, words] of [
    [{ feature: 'amount', value: 412, usual: 53.2 }, 'amount: 412, usually 53.20'],
    [{ feature: 'amount', value: Math.fround(53.2), usual: 0 }, 'amount: 53.20, usually 0'],
    [{ feature: 'amount', value: 12_345.67, usual: 1e9 }, 'amount: 12346, usually 1000000000'],
    [{ feature: 'amount', value: -1234.5, usual: 999.96 }, 'amount: -1235, usually 1000'],
    [{ feature: 'amount', value: 0.000_123_456, usual: 0.5 }, 'amount: 0.0001235, usually 0.5000'],
    [
      { feature: 'avg_amount', value: Number.NaN, usual: 48.662_655 },
      'user’s mean amount before: unknown, usually 48.66',
    ],
    [{ feature: 'of_another_time', value: 1, usual: 2 }, 'of_another_time: 1, usually 2'],
  ] as const) {
    test(words, () => {
      const [{ text }] = reasonsOf({ [given.feature]: [given.value, given.usual, 1] });
      assert.equal(text, words);
    });
  }

  test('says with the amount, where the model takes it, what it is a multiple of', () => {
    const times = { amount_to_user_median_30d: [6.3, 1, 1] as const };
    assert.equal(reasonsOf(times)[0].text, 'amount is 6.3 times this user’s median');
    const [{ text }] = reasonsOf({ ...times, amount: [412, 50, 0] });
    assert.equal(text, 'amount 412.00 is 6.3 times this user’s median');
  });

  for (const [feature, value, words] of [
    ['terminal_fraud_run_length', 3, 'the terminal’s last 3 known payments in a row were fraud'],
    ['terminal_days_since_last_fraud', 0.5, 'this terminal’s last known fraud was 12 hours ago'],
    [
      'terminal_fraud_rate_7d_delayed_7d',
      0.25,
      '25 % of this terminal’s payments in 7 days, a week ago, were fraud',
    ],
    ['time_since_last_transaction', 90, '90 seconds after this user’s last payment'],
    ['user_unusual_count_7d', 1, '1 payment of this user in 7 days of more than three times their median'],
    [
      'terminal_days_since_last_fraud',
      Number.NaN,
      'days since the terminal’s last known fraud: unknown, usually 9',
    ],
  ] as const) {
    test(words, () => assert.equal(reasonsOf({ [feature]: [value, 9, 1] })[0].text, words));
  }
});

function reasonsOf(given: Given): Reason[] {
  const rows = Object.values(given);
  return strongestReasons(
    Object.keys(given),
    Float32Array.from(rows, ([value]) => value),
    rows.map(([, usual]) => usual),
    Float64Array.from(rows, ([, , contribution]) => contribution),
  );
}
