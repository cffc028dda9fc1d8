import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';
import { Histories } from './arbitrary-stream.ts';
import { FEATURE_NAMES, FEATURES } from './catalogue.ts';
import { labelOf, paymentOf } from './payment-of.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const DAY = 86_400 * SECOND;
/** A Wednesday. */
const NOW = Date.UTC(2024, 5, 12, 14, 59, 59, 500);

type Case = {
  readonly before?: readonly Transaction[];
  readonly labels?: readonly KnownLabel[];
  /** Of user u1 at terminal x: 10.00 in a grocery at home, at NOW, unless said otherwise. */
  readonly payment?: Parameters<typeof paymentOf>[0];
  readonly gives: number;
};

const ago = (ageMs: number, said: Parameters<typeof paymentOf>[0] = {}): Transaction =>
  paymentOf({ terminalId: 'x', timestampMs: NOW - ageMs, ...said });
const units = (...amounts: number[]) => amounts.map((amount) => Math.round(amount * 10_000));
const at = (...utc: [number, number, number, number?]) => ({ payment: { timestampMs: Date.UTC(...utc) } });

/** 20.00 an hour ago, 40.00 ten minutes ago, 90.00 thirty seconds ago: 150.00 in three, 50.00 on average. */
const [TWENTY, FORTY, NINETY] = units(20, 40, 90);
const THREE = [
  ago(60 * MINUTE, { amountUnits: TWENTY }),
  ago(10 * MINUTE, { amountUnits: FORTY }),
  ago(30 * SECOND, { amountUnits: NINETY }),
];

/** At the edges of (NOW - length, NOW]: one just outside, one just inside, one at the payment's own moment. */
const edges = (lengthMs: number, said: Parameters<typeof paymentOf>[0] = {}) => [
  ago(lengthMs, said),
  ago(lengthMs - 1, said),
  ago(0, said),
];
/** The same before the labels' delay, by another user so that only the terminal knows of them. */
const delayedEdges = (days: number) => [
  ago((7 + days) * DAY, { userId: 'u2' }),
  ago((7 + days) * DAY - 1, { userId: 'u2' }),
  ago(7 * DAY, { userId: 'u2' }),
  ago(7 * DAY - 1, { userId: 'u2' }),
];
/** Labels at all edges: what is outside of the window must not count as fraud either. */
const fraudRates = (days: number): Case[] => {
  const payments = delayedEdges(days);
  const [outside, first, last, tooNew] = payments;
  return [
    { gives: 0 },
    { before: payments, gives: 0 },
    { before: payments, labels: [labelOf(first, { knownAtMs: NOW })], gives: 1 / 2 },
    { before: payments, labels: [labelOf(first, { knownAtMs: NOW + 1 })], gives: 0 },
    { before: payments, labels: [outside, tooNew].map((one) => labelOf(one, { knownAtMs: NOW })), gives: 0 },
    { before: payments, labels: [first, last].map((one) => labelOf(one, { knownAtMs: NOW })), gives: 1 },
    {
      before: payments,
      labels: [
        labelOf(first, { knownAtMs: NOW - 2 }),
        labelOf(first, { knownAtMs: NOW - 1, isFraud: false, previousIsFraud: true }),
      ],
      gives: 0,
    },
    {
      before: payments,
      labels: [labelOf(first, { knownAtMs: NOW - 2, isFraud: false, previousIsFraud: false })],
      gives: 0,
    },
    { payment: { terminalId: undefined }, before: payments, gives: Number.NaN },
  ];
};
const delayedCounts = (days: number): Case[] => [
  { gives: 0 },
  { before: delayedEdges(days), gives: 2 },
  { before: [ago(8 * DAY - 1, { terminalId: 'y' }), ago(8 * DAY - 1, { terminalId: undefined })], gives: 0 },
  { payment: { terminalId: undefined }, before: delayedEdges(days), gives: Number.NaN },
];
const userCounts = (days: number): Case[] => [
  { gives: 1 },
  { before: edges(days * DAY), gives: 3 },
  { before: edges(days * DAY, { userId: 'u2' }), gives: 1 },
  { before: [ago(-1)], gives: 1 },
];
const userMeans = (days: number): Case[] => [
  { gives: 10 },
  { before: THREE, gives: 40 },
  { before: [ago(days * DAY, { amountUnits: NINETY })], gives: 10 },
  { before: [ago(days * DAY - 1, { amountUnits: NINETY })], gives: 50 },
];

/** Thrice the median of 20.00 is 60.00: one payment of just that, and one above it at each edge of the days. */
const unusualCounts = (days: number): Case[] => {
  const usual = [20, 20, 20, 20, 20].map((amount) => ago(20 * DAY, { amountUnits: amount * 10_000 }));
  const above = (ageMs: number) => ago(ageMs, { amountUnits: 600_001 });
  return [
    { gives: 0 },
    { before: usual, payment: { amountUnits: 10 ** 9 }, gives: 0 },
    { before: [...usual, ago(DAY, { amountUnits: 600_000 })], gives: 0 },
    { before: [...usual, above(days * DAY), above(days * DAY - 1), above(0)], gives: 2 },
    { before: [above(DAY)], gives: 0 },
  ];
};
/** By another user, so that only the terminal knows of them; F is known to be fraud. Hours before NOW. */
const trail = (...hours: readonly `${number}${'F' | ''}`[]): Pick<Case, 'before' | 'labels'> => {
  const before = hours.map((hour) => ago(Number.parseFloat(hour) * 60 * MINUTE, { userId: 'u2' }));
  const frauds = before.filter((_, index) => hours[index].endsWith('F'));
  return { before, labels: frauds.map((fraud) => labelOf(fraud, { knownAtMs: NOW })) };
};
/** 37 days are 888 hours, 7 days 168. */
const TRAIL = trail('900F', '880', '800F', '700', '690F', '680F', '300', '168', '167', '1');

const CASES: Readonly<Record<string, readonly Case[]>> = {
  amount: [
    { gives: 10 },
    { payment: { amountUnits: 123_400 }, gives: 12.34 },
    { payment: { amountUnits: 0 }, gives: 0 },
    { payment: { amountUnits: 1 }, gives: 0.0001 },
    { payment: { amountUnits: 10 ** 13 }, gives: 1e9 },
  ],
  hour_of_day: [{ gives: 14 }, { ...at(2024, 5, 12, 0), gives: 0 }, { ...at(2024, 5, 12, 23), gives: 23 }],
  day_of_week: [
    { gives: 2 },
    { ...at(2024, 5, 10), gives: 0 },
    { ...at(2024, 5, 16), gives: 6 },
    { ...at(2024, 5, 17), gives: 0 },
    { ...at(2000, 0, 1), gives: 5 },
  ],
  is_weekend: [
    { gives: 0 },
    { ...at(2024, 5, 14, 23), gives: 0 },
    { ...at(2024, 5, 15), gives: 1 },
    { ...at(2024, 5, 16, 23), gives: 1 },
    { ...at(2024, 5, 17), gives: 0 },
  ],
  is_night: [
    { gives: 0 },
    { ...at(2024, 5, 12, 0), gives: 1 },
    { payment: { timestampMs: Date.UTC(2024, 5, 12, 6, 59, 59, 999) }, gives: 1 },
    { ...at(2024, 5, 12, 7), gives: 0 },
  ],
  is_international: [{ gives: 0 }, { payment: { isInternational: true }, gives: 1 }],
  total_transactions: [
    { gives: 0 },
    { before: THREE, gives: 3 },
    { before: [ago(3000 * DAY), ago(0)], gives: 2 },
    { before: [ago(-1)], gives: 0 },
    { before: [ago(1, { userId: 'u2' })], gives: 0 },
  ],
  total_amount: [{ gives: 0 }, { before: THREE, gives: 150 }],
  avg_amount: [{ gives: Number.NaN }, { before: THREE, gives: 50 }],
  time_since_last_transaction: [
    { gives: Number.NaN },
    { before: THREE, gives: 30 },
    { before: [ago(0)], gives: 0 },
    { before: [ago(1)], gives: 0.001 },
    { before: [ago(400 * DAY)], gives: 400 * 86_400 },
    { before: [ago(5 * SECOND), ago(-1)], gives: 5 },
    { before: [ago(-1)], gives: Number.NaN },
  ],
  amount_deviation: [
    { gives: Number.NaN },
    { before: THREE, payment: { amountUnits: 1_520_000 }, gives: 2 },
    { before: THREE, gives: -40 / 51 },
  ],
  window_transaction_count: [
    { gives: 1 },
    { before: THREE, gives: 3 },
    { before: edges(30 * MINUTE), gives: 3 },
  ],
  window_transaction_avg: [{ gives: 10 }, { before: THREE, payment: { amountUnits: 200_000 }, gives: 50 }],
  window_transaction_std: [
    { gives: 0 },
    { before: THREE.slice(0, 1), gives: 0 },
    { before: THREE.slice(0, 2), gives: 15 },
    // 40, 90 and 20 around their mean of 50: (100 + 1600 + 900) / 3
    { before: THREE, payment: { amountUnits: TWENTY }, gives: Math.sqrt(2600 / 3) },
    { before: edges(30 * MINUTE, { amountUnits: 400_000 }), gives: Math.sqrt(200) },
  ],
  transaction_velocity: [{ gives: 1 }, { before: THREE, gives: 2 }, { before: edges(MINUTE), gives: 3 }],
  user_transaction_count_1d: userCounts(1),
  user_transaction_count_7d: userCounts(7),
  user_transaction_count_30d: userCounts(30),
  user_amount_mean_1d: userMeans(1),
  user_amount_mean_7d: userMeans(7),
  user_amount_mean_30d: userMeans(30),
  terminal_transaction_count_1d_delayed_7d: delayedCounts(1),
  terminal_transaction_count_7d_delayed_7d: delayedCounts(7),
  terminal_transaction_count_30d_delayed_7d: delayedCounts(30),
  terminal_fraud_rate_1d_delayed_7d: fraudRates(1),
  terminal_fraud_rate_7d_delayed_7d: fraudRates(7),
  terminal_fraud_rate_30d_delayed_7d: fraudRates(30),
  user_category_count_30d: [
    { gives: 0 },
    { before: edges(30 * DAY), gives: 2 },
    { before: edges(30 * DAY), payment: { merchantCategory: 'fuel' }, gives: 0 },
  ],
  user_terminal_count_30d: [
    { gives: 0 },
    { before: edges(30 * DAY), gives: 2 },
    { before: edges(30 * DAY), payment: { terminalId: 'y' }, gives: 0 },
    { before: edges(30 * DAY), payment: { terminalId: undefined }, gives: Number.NaN },
  ],
  user_international_count_30d: [
    { gives: 0 },
    { payment: { isInternational: true }, gives: 0 },
    { before: edges(30 * DAY), gives: 0 },
    { before: edges(30 * DAY, { isInternational: true }), gives: 2 },
    { before: edges(30 * DAY, { isInternational: true }), payment: { isInternational: true }, gives: 2 },
  ],
  user_amount_median_30d: [
    { gives: Number.NaN },
    { before: THREE, gives: 40 },
    { before: THREE.slice(0, 2), gives: 30 },
    { before: [...THREE, ago(30 * DAY, { amountUnits: 1 })], gives: 40 },
    { before: [...THREE, ago(30 * DAY - 1, { amountUnits: 1 })], gives: 30 },
    { before: [ago(-1)], gives: Number.NaN },
  ],
  user_amount_std_30d: [
    { gives: Number.NaN },
    { before: THREE.slice(0, 1), gives: Number.NaN },
    { before: THREE.slice(0, 2), gives: 10 },
    { before: THREE, gives: Math.sqrt(2600 / 3) },
  ],
  amount_to_user_median_30d: [
    { gives: Number.NaN },
    { before: THREE, gives: 0.25 },
    { before: [ago(DAY, { amountUnits: 0 })], gives: Number.NaN },
  ],
  amount_to_user_max_30d: [{ gives: Number.NaN }, { before: THREE, gives: 1 / 9 }],
  user_unusual_count_7d: unusualCounts(7),
  user_unusual_count_14d: unusualCounts(14),
  user_fraud_count_30d: [
    { gives: 0 },
    { before: THREE, labels: [labelOf(THREE[0], { knownAtMs: NOW })], gives: 1 },
    { before: THREE, labels: [labelOf(THREE[0], { knownAtMs: NOW + 1 })], gives: 0 },
  ],
  terminal_fraud_count_30d: [{ gives: 0 }, { ...TRAIL, gives: 2 }],
  terminal_fraud_rate_30d: [{ gives: 0 }, { ...TRAIL, gives: 2 / 8 }, { ...trail('1F', '2F'), gives: 2 / 3 }],
  terminal_days_since_first_fraud: [
    { gives: Number.NaN },
    { ...TRAIL, gives: 800 / 24 },
    { ...trail('888F'), gives: Number.NaN },
    { ...trail('887F'), gives: 887 / 24 },
  ],
  terminal_days_since_last_fraud: [
    { gives: Number.NaN },
    { ...TRAIL, gives: 680 / 24 },
    { ...trail('5F', '9F', '7'), gives: 5 / 24 },
    { payment: { terminalId: undefined }, gives: Number.NaN },
  ],
  terminal_fraud_run_length: [
    { gives: 0 },
    { ...TRAIL, gives: 2 },
    { ...trail('9F', '8F', '7'), gives: 2 },
    { ...trail('9', '8F'), gives: 1 },
  ],
  terminal_fraud_run_days: [
    { gives: Number.NaN },
    { ...TRAIL, gives: 690 / 24 },
    { ...trail('9F', '9', '8F'), gives: 9 / 24 },
  ],
  terminal_count_since_fraud: [
    { gives: Number.NaN },
    { ...TRAIL, gives: 4 },
    { ...trail('3', '2F', '2'), gives: 0 },
  ],
  terminal_count_since_fraud_delayed_7d: [{ gives: Number.NaN }, { ...TRAIL, gives: 2 }],
};

describe('catalogue', () => {
  test('every feature has its cases here, the first of them with nothing before, and nothing else has', () => {
    assert.deepEqual(Object.keys(CASES).sort(), [...FEATURE_NAMES].sort());
    for (const [name, [first]] of Object.entries(CASES)) {
      assert.ok(!first.before && !first.payment, `${name} begins with the empty history`);
    }
  });

  test('every feature says its unit and what it is, and no two have one name', () => {
    for (const { name, unit, description } of FEATURES) assert.ok(unit && description, name);
    assert.equal(new Set(FEATURE_NAMES).size, FEATURE_NAMES.length);
  });

  for (const [name, cases] of Object.entries(CASES)) {
    for (const [index, { before = [], labels = [], payment, gives }] of cases.entries()) {
      test(`${name}, case ${index + 1}: ${gives}`, () => {
        const histories = new Histories();
        for (const earlier of before) histories.record(earlier);
        for (const label of labels) histories.label(label);
        const current = paymentOf({ terminalId: 'x', timestampMs: NOW, ...payment });
        const vector = histories.compute(current, histories.record(current));
        assert.equal(vector[FEATURE_NAMES.indexOf(name)], Math.fround(gives));
      });
    }
  }
});
