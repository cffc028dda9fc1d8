/**
 * Every feature there is. Serving, replaying and training compute from these definitions and no others.
 * To add one: an entry here, a case in catalogue.test.ts, and a model that takes it.
 */
import { UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import type { Window } from './activity.ts';
import type { Feature } from './feature.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** Labels of a terminal's transactions are taken to be complete after this long. */
const LABEL_DELAY_MS = 7 * DAY_MS;

const LAST_MINUTE: Window = { lengthMs: MINUTE_MS, delayMs: 0 };
const LAST_HALF_HOUR: Window = { lengthMs: 30 * MINUTE_MS, delayMs: 0 };
const LAST_30_DAYS: Window = { lengthMs: 30 * DAY_MS, delayMs: 0 };

export const FEATURES: readonly Feature[] = [
  // The payment itself. Times of day and week are in UTC.
  {
    name: 'amount',
    unit: 'major units',
    description: 'amount',
    value: ({ transaction }) => transaction.amountUnits / UNITS_PER_MAJOR,
  },
  {
    name: 'hour_of_day',
    unit: 'hours',
    description: 'hour of the day (UTC)',
    value: ({ transaction }) => hourOfDay(transaction.timestampMs),
  },
  {
    name: 'day_of_week',
    unit: 'days',
    description: 'day of the week (0 is Monday, UTC)',
    value: ({ transaction }) => dayOfWeek(transaction.timestampMs),
  },
  {
    name: 'is_weekend',
    unit: '0 or 1',
    description: 'on a Saturday or Sunday (UTC)',
    value: ({ transaction }) => Number(dayOfWeek(transaction.timestampMs) >= 5),
  },
  {
    name: 'is_night',
    unit: '0 or 1',
    description: 'between 00:00 and 06:59 (UTC)',
    says: (value) => (value === 1 ? 'at night (UTC)' : 'by day (UTC)'),
    value: ({ transaction }) => Number(hourOfDay(transaction.timestampMs) <= 6),
  },
  {
    name: 'is_international',
    unit: '0 or 1',
    description: 'abroad',
    says: (value) => (value === 1 ? 'abroad' : 'at home'),
    value: ({ transaction }) => Number(transaction.isInternational),
  },

  // The user, ever; the current transaction excluded.
  {
    name: 'total_transactions',
    unit: 'transactions',
    description: "user's transactions before",
    entity: 'user',
    value: ({ lifetime }) => lifetime.count,
  },
  {
    name: 'total_amount',
    unit: 'major units',
    description: 'user’s sum of amounts before',
    entity: 'user',
    value: ({ lifetime }) => lifetime.units / UNITS_PER_MAJOR,
  },
  {
    name: 'avg_amount',
    unit: 'major units',
    description: 'user’s mean amount before',
    entity: 'user',
    value: ({ lifetime }) => meanAmount(lifetime),
  },
  {
    name: 'time_since_last_transaction',
    unit: 'seconds',
    description: 'seconds since the user’s last transaction',
    entity: 'user',
    says: (value) => `${shownSeconds(value)} after this user’s last payment`,
    value: ({ lifetime, transaction }) =>
      lifetime.lastMs > 0 ? (transaction.timestampMs - lifetime.lastMs) / 1000 : Number.NaN,
  },
  {
    name: 'amount_deviation',
    unit: 'ratio',
    description: 'amount against the user’s mean before: (amount - mean) / (mean + 1)',
    entity: 'user',
    value: ({ lifetime, transaction }) => {
      const mean = meanAmount(lifetime);
      return (transaction.amountUnits / UNITS_PER_MAJOR - mean) / (mean + 1);
    },
  },

  // The user's last half hour and minute; the current transaction included.
  {
    name: 'window_transaction_count',
    unit: 'transactions',
    description: 'user’s transactions in the last 30 minutes',
    entity: 'user',
    window: LAST_HALF_HOUR,
    value: ({ window }) => window.count,
  },
  {
    name: 'window_transaction_avg',
    unit: 'major units',
    description: 'user’s mean amount in the last 30 minutes',
    entity: 'user',
    window: LAST_HALF_HOUR,
    value: ({ window }) => meanAmount(window),
  },
  {
    name: 'window_transaction_std',
    unit: 'major units',
    description: 'standard deviation of the user’s amounts in the last 30 minutes',
    entity: 'user',
    window: LAST_HALF_HOUR,
    value: ({ window, amountDeviation }) => (window.count > 1 ? amountDeviation() : 0),
  },
  {
    name: 'transaction_velocity',
    unit: 'transactions',
    description: 'user’s transactions in the last minute',
    entity: 'user',
    window: LAST_MINUTE,
    value: ({ window }) => window.count,
  },

  // The Fraud Detection Handbook's: the user's days, and the terminal's before the labels' delay.
  ...[1, 7, 30].flatMap(userDays),
  ...[1, 7, 30].flatMap(terminalDays),

  // What is usual for this user; the current transaction excluded.
  {
    name: 'user_category_count_30d',
    unit: 'transactions',
    description: 'user’s earlier transactions of this merchant category in 30 days',
    entity: 'user',
    window: LAST_30_DAYS,
    value: ({ window }) => window.sameCategory - 1,
  },
  {
    name: 'user_terminal_count_30d',
    unit: 'transactions',
    description: 'user’s earlier transactions at this terminal in 30 days',
    entity: 'user',
    window: LAST_30_DAYS,
    value: ({ window, transaction }) => (transaction.terminalId ? window.sameCounterpart - 1 : Number.NaN),
  },
  {
    name: 'user_international_count_30d',
    unit: 'transactions',
    description: 'user’s earlier transactions abroad in 30 days',
    entity: 'user',
    window: LAST_30_DAYS,
    value: ({ window, transaction }) => window.international - Number(transaction.isInternational),
  },
  {
    name: 'user_amount_median_30d',
    unit: 'major units',
    description: 'user’s median amount in 30 days before',
    entity: 'user',
    value: ({ habit }) => habit.medianUnits / UNITS_PER_MAJOR,
  },
  {
    name: 'user_amount_std_30d',
    unit: 'major units',
    description: 'standard deviation of the user’s amounts in 30 days before',
    entity: 'user',
    value: ({ habit }) => habit.standardDeviation,
  },
  {
    name: 'amount_to_user_median_30d',
    unit: 'ratio',
    description: 'amount as a multiple of the user’s median in 30 days before',
    entity: 'user',
    says: (value, of) => `amount${shownAmount(of('amount'))} is ${shownTimes(value)} this user’s median`,
    value: ({ habit, transaction }) => ratio(transaction.amountUnits, habit.medianUnits),
  },
  {
    name: 'amount_to_user_max_30d',
    unit: 'ratio',
    description: 'amount as a multiple of the user’s greatest in 30 days before',
    entity: 'user',
    says: (value, of) =>
      `amount${shownAmount(of('amount'))} is ${shownTimes(value)} this user’s greatest in 30 days`,
    value: ({ habit, transaction }) => ratio(transaction.amountUnits, habit.maxUnits),
  },
  ...[7, 14].map(unusualDays),

  // What is becoming known: frauds as soon as they are reported.
  {
    name: 'user_fraud_count_30d',
    unit: 'transactions',
    description: 'user’s transactions in 30 days that are known to be fraud',
    entity: 'user',
    window: LAST_30_DAYS,
    says: (value) => `${shownCount(value, 'payment')} of this user in 30 days known to be fraud`,
    value: ({ window }) => window.frauds,
  },
  {
    name: 'terminal_fraud_count_30d',
    unit: 'transactions',
    description: 'terminal’s transactions in 30 days that are known to be fraud',
    entity: 'terminal',
    window: LAST_30_DAYS,
    says: (value) => `${shownCount(value, 'payment')} at this terminal in 30 days known to be fraud`,
    value: ({ window }) => window.frauds,
  },
  {
    name: 'terminal_fraud_rate_30d',
    unit: 'share',
    description: 'share of the terminal’s transactions in 30 days that is known to be fraud',
    entity: 'terminal',
    window: LAST_30_DAYS,
    says: (value) => `${shownShare(value)} of this terminal’s payments in 30 days are known to be fraud`,
    value: ({ window }) => window.frauds / window.count,
  },
  {
    name: 'terminal_days_since_first_fraud',
    unit: 'days',
    description: 'days since the terminal’s first known fraud in 37 days',
    entity: 'terminal',
    says: (value) => `this terminal’s first known fraud was ${shownDays(value)} ago`,
    value: ({ frauds }) => frauds.firstAgeMs / DAY_MS,
  },
  {
    name: 'terminal_days_since_last_fraud',
    unit: 'days',
    description: 'days since the terminal’s last known fraud',
    entity: 'terminal',
    says: (value) => `this terminal’s last known fraud was ${shownDays(value)} ago`,
    value: ({ frauds }) => frauds.lastAgeMs / DAY_MS,
  },
  {
    name: 'terminal_fraud_run_length',
    unit: 'transactions',
    description: 'terminal’s known frauds in a row, up to the last one',
    entity: 'terminal',
    says: (value) => `the terminal’s last ${shownCount(value, 'known payment')} in a row were fraud`,
    value: ({ frauds }) => frauds.runLength,
  },
  {
    name: 'terminal_fraud_run_days',
    unit: 'days',
    description: 'days since the first of the terminal’s known frauds in a row',
    entity: 'terminal',
    says: (value) => `for ${shownDays(value)} this terminal’s known payments have been nothing but fraud`,
    value: ({ frauds }) => frauds.runAgeMs / DAY_MS,
  },
  {
    name: 'terminal_count_since_fraud',
    unit: 'transactions',
    description: 'terminal’s transactions since its last known fraud',
    entity: 'terminal',
    value: ({ frauds }) => frauds.countSinceLast(0),
  },
  {
    name: 'terminal_count_since_fraud_delayed_7d',
    unit: 'transactions',
    description: 'terminal’s transactions since its last known fraud, up to a week ago',
    entity: 'terminal',
    value: ({ frauds }) => frauds.countSinceLast(LABEL_DELAY_MS),
  },
];

export const FEATURE_NAMES: readonly string[] = FEATURES.map((feature) => feature.name);

function userDays(days: number): Feature[] {
  const window: Window = { lengthMs: days * DAY_MS, delayMs: 0 };
  return [
    {
      name: `user_transaction_count_${days}d`,
      unit: 'transactions',
      description: `user’s transactions in ${inDays(days)}`,
      entity: 'user',
      window,
      value: (scope) => scope.window.count,
    },
    {
      name: `user_amount_mean_${days}d`,
      unit: 'major units',
      description: `user’s mean amount in ${inDays(days)}`,
      entity: 'user',
      window,
      value: (scope) => meanAmount(scope.window),
    },
  ];
}

function terminalDays(days: number): Feature[] {
  const window: Window = { lengthMs: days * DAY_MS, delayMs: LABEL_DELAY_MS };
  return [
    {
      name: `terminal_transaction_count_${days}d_delayed_7d`,
      unit: 'transactions',
      description: `terminal’s transactions in ${inDays(days)}, a week ago`,
      entity: 'terminal',
      window,
      value: (scope) => scope.window.count,
    },
    {
      name: `terminal_fraud_rate_${days}d_delayed_7d`,
      unit: 'share',
      description: `share of fraud among the terminal’s transactions in ${inDays(days)}, a week ago`,
      entity: 'terminal',
      window,
      says: (value) =>
        `${shownShare(value)} of this terminal’s payments in ${inDays(days)}, a week ago, were fraud`,
      value: (scope) => (scope.window.count === 0 ? 0 : scope.window.frauds / scope.window.count),
    },
  ];
}

/** Unusual is more than this many times the user's median. */
const UNUSUAL_TIMES = 3;

function unusualDays(days: number): Feature {
  return {
    name: `user_unusual_count_${days}d`,
    unit: 'transactions',
    description: `user’s transactions in ${inDays(days)} before of more than three times their median`,
    entity: 'user',
    says: (value) =>
      `${shownCount(value, 'payment')} of this user in ${inDays(days)} of more than three times their median`,
    value: ({ habit }) => habit.countAbove(UNUSUAL_TIMES * habit.medianUnits, days * DAY_MS),
  };
}

function inDays(days: number): string {
  return days === 1 ? 'one day' : `${days} days`;
}

function meanAmount(activity: { readonly count: number; readonly units: number }): number {
  return activity.count === 0 ? Number.NaN : activity.units / activity.count / UNITS_PER_MAJOR;
}

function shownAmount(amount: number): string {
  return Number.isNaN(amount) ? '' : ` ${amount.toFixed(2)}`;
}

function shownTimes(ratio: number): string {
  return `${Number(ratio.toPrecision(2))} times`;
}

function shownCount(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function shownShare(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}

function shownDays(days: number): string {
  return days < 2 ? `${Number((24 * days).toPrecision(2))} hours` : `${days.toFixed(0)} days`;
}

function shownSeconds(seconds: number): string {
  if (seconds < 120) return `${Number(seconds.toPrecision(2))} seconds`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(0)} minutes` : shownDays(seconds / 86_400);
}

/** NaN where there is nothing to compare with. */
function ratio(units: number, usualUnits: number): number {
  return usualUnits > 0 ? units / usualUnits : Number.NaN;
}

function hourOfDay(timestampMs: number): number {
  return Math.floor((timestampMs % DAY_MS) / 3_600_000);
}

/** 1970-01-01 was a Thursday. */
function dayOfWeek(timestampMs: number): number {
  return (Math.floor(timestampMs / DAY_MS) + 3) % 7;
}
