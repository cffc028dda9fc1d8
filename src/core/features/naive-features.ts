/**
 * The tests' twin of the features: keeps every event for ever and counts all of them again for every answer, straight
 * from the definitions in catalogue.ts and the rules in fold.ts. Slow on purpose; nothing but tests uses it.
 */
import type { KnownLabel } from '../transaction/label.ts';
import type { Transaction } from '../transaction/transaction.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

type NaiveEvent = {
  /** When the transaction happened that this is or that this label speaks of. */
  readonly timeMs: number;
  readonly transaction?: Transaction;
  readonly label?: KnownLabel;
};

/** All that had arrived, up to and including the transaction looked from. */
export type NaiveView = { readonly events: readonly NaiveEvent[]; readonly reachMs: number };

export class NaiveHistory {
  readonly #reachMs: number;
  readonly #events: NaiveEvent[] = [];

  constructor(reachMs: number) {
    this.#reachMs = reachMs;
  }

  /** Undefined if it is one of the records that are still there. */
  recordTransaction(transaction: Transaction): NaiveView | undefined {
    const isThere = this.#recordsStillThere().some(
      (event) => event.transaction?.transactionId === transaction.transactionId,
    );
    if (isThere) return undefined;
    this.#events.push({ timeMs: transaction.timestampMs, transaction });
    return { events: [...this.#events], reachMs: this.#reachMs };
  }

  recordLabel(label: KnownLabel): boolean {
    if (label.isFraud === label.previousIsFraud) return false;
    const before = this.#recordsStillThere()
      .flatMap((event) => event.label ?? [])
      .filter(({ transactionId }) => transactionId === label.transactionId);
    const isThere = before.some(
      ({ knownAtMs, isFraud, transactionTimestampMs }) =>
        knownAtMs === label.knownAtMs &&
        isFraud === label.isFraud &&
        transactionTimestampMs === label.transactionTimestampMs,
    );
    if (isThere || before.at(-1)?.isFraud === label.isFraud) return false;
    this.#events.push({ timeMs: label.transactionTimestampMs, label });
    return true;
  }

  /** How many records folding has let go of: those before the first that is neither old nor out of reach. */
  get goneCount(): number {
    const firstHour = firstHourInReach(this.#events, this.#reachMs);
    const count = this.#events.length;
    const first = this.#events.findIndex(
      ({ timeMs }, index) => count - index <= 512 && hourOf(timeMs) >= firstHour,
    );
    return first < 0 ? count : first;
  }

  #recordsStillThere(): NaiveEvent[] {
    return this.#events.slice(this.goneCount);
  }
}

type Seen = {
  readonly event: NaiveEvent;
  /** Where it counts: its own time, or where a tile puts it; undefined for the lifetime totals only. */
  readonly atMs: number | undefined;
  readonly isExact: boolean;
};

/** Every feature of the catalogue by name. `isTiled: false` leaves folding out: nothing is ever old. */
export function naiveFeatures(
  transaction: Transaction,
  user: NaiveView,
  terminal: NaiveView | undefined,
  { isTiled } = { isTiled: true },
): Record<string, number> {
  const date = new Date(transaction.timestampMs);
  const amount = transaction.amountUnits / 10_000;
  const isWeekend = date.getUTCDay() === 0 || date.getUTCDay() === 6;
  return {
    amount,
    hour_of_day: date.getUTCHours(),
    day_of_week: (date.getUTCDay() + 6) % 7,
    is_weekend: isWeekend ? 1 : 0,
    is_night: date.getUTCHours() < 7 ? 1 : 0,
    is_international: transaction.isInternational ? 1 : 0,
    ...userFeatures(transaction, user, isTiled),
    ...terminalFeatures(terminal, isTiled),
  };
}

function userFeatures(transaction: Transaction, view: NaiveView, isTiled: boolean) {
  const now = transaction.timestampMs;
  const amount = transaction.amountUnits / 10_000;
  const before = lookBack(view, isTiled);
  const payments = before.filter(({ event }) => event.transaction);
  const mean = meanOf(payments);
  const newestBefore = newestOf(view.events.slice(0, -1));
  const lastTimes = payments.flatMap(({ atMs }) => (atMs === undefined ? [] : [atMs]));
  const last = newestBefore <= now ? newestBefore : Math.max(Number.NEGATIVE_INFINITY, ...lastTimes);

  const own: Seen = { event: view.events.at(-1)!, atMs: now, isExact: true };
  const inLast = (length: number) =>
    [...payments, own].filter(({ atMs }) => atMs !== undefined && atMs > now - length && atMs <= now);
  const month = inLast(30 * DAY).filter((seen) => seen.isExact && seen !== own);
  return {
    total_transactions: payments.length,
    total_amount: unitsOf(payments) / 10_000,
    avg_amount: mean,
    time_since_last_transaction: last > Number.NEGATIVE_INFINITY ? (now - last) / 1000 : Number.NaN,
    amount_deviation: (amount - mean) / (mean + 1),
    window_transaction_count: inLast(30 * MINUTE).length,
    window_transaction_avg: meanOf(inLast(30 * MINUTE)),
    window_transaction_std: deviationOf(inLast(30 * MINUTE)),
    transaction_velocity: inLast(MINUTE).length,
    user_transaction_count_1d: inLast(DAY).length,
    user_amount_mean_1d: meanOf(inLast(DAY)),
    user_transaction_count_7d: inLast(7 * DAY).length,
    user_amount_mean_7d: meanOf(inLast(7 * DAY)),
    user_transaction_count_30d: inLast(30 * DAY).length,
    user_amount_mean_30d: meanOf(inLast(30 * DAY)),
    user_category_count_30d: month.filter(
      ({ event }) => event.transaction!.merchantCategory === transaction.merchantCategory,
    ).length,
    user_terminal_count_30d:
      transaction.terminalId === undefined
        ? Number.NaN
        : month.filter(({ event }) => event.transaction!.terminalId === transaction.terminalId).length,
    user_international_count_30d: month.filter(({ event }) => event.transaction!.isInternational).length,
    user_fraud_count_30d: fraudsOf(before.filter(({ atMs }) => atMs !== undefined && atMs > now - 30 * DAY)),
    ...habitFeatures(transaction, month),
  };
}

/** @param month the exact transactions of the 30 days before */
function habitFeatures(transaction: Transaction, month: readonly Seen[]) {
  const amounts = month.map(({ event }) => event.transaction!.amountUnits).sort((one, other) => one - other);
  const half = amounts.length / 2;
  const median =
    amounts.length === 0 ? Number.NaN : (amounts[Math.ceil(half) - 1] + amounts[Math.floor(half)]) / 2;
  const unusual = (days: number) =>
    month.filter(
      ({ event, atMs }) =>
        atMs! > transaction.timestampMs - days * DAY && event.transaction!.amountUnits > 3 * median,
    ).length;
  const times = (usual: number | undefined) => (usual ? transaction.amountUnits / usual : Number.NaN);
  return {
    user_amount_median_30d: median / 10_000,
    user_amount_std_30d: month.length < 2 ? Number.NaN : deviationOf(month),
    amount_to_user_median_30d: times(median),
    amount_to_user_max_30d: times(amounts.at(-1)),
    user_unusual_count_7d: unusual(7),
    user_unusual_count_14d: unusual(14),
  };
}

function terminalFeatures(view: NaiveView | undefined, isTiled: boolean) {
  const features: Record<string, number> = {};
  for (const days of [1, 7, 30]) {
    const countName = `terminal_transaction_count_${days}d_delayed_7d`;
    const rateName = `terminal_fraud_rate_${days}d_delayed_7d`;
    if (!view) {
      features[countName] = features[rateName] = Number.NaN;
      continue;
    }
    const now = view.events.at(-1)!.timeMs;
    const inWindow = lookBack(view, isTiled).filter(
      ({ atMs }) => atMs !== undefined && atMs > now - (7 + days) * DAY && atMs <= now - 7 * DAY,
    );
    const count = inWindow.filter(({ event }) => event.transaction).length;
    const frauds = fraudsOf(inWindow);
    features[countName] = count;
    features[rateName] = count === 0 ? 0 : frauds / count;
  }
  return { ...features, ...knownFraudFeatures(view, isTiled) };
}

function knownFraudFeatures(view: NaiveView | undefined, isTiled: boolean) {
  const names = ['days_since_first_fraud', 'days_since_last_fraud', 'fraud_run_length', 'fraud_run_days'];
  names.push('fraud_count_30d', 'fraud_rate_30d', 'count_since_fraud', 'count_since_fraud_delayed_7d');
  if (!view) return Object.fromEntries(names.map((name) => [`terminal_${name}`, Number.NaN]));
  const now = view.events.at(-1)!.timeMs;
  const seen = lookBack(view, isTiled).filter(({ atMs }) => atMs !== undefined);
  const month = seen.filter(({ atMs }) => atMs! > now - 30 * DAY);
  const payments = seen.filter(({ event }) => event.transaction);
  const moments = [...new Set(seen.map(({ atMs }) => atMs!))].sort((one, other) => one - other);
  const fraudsAt = (moment: number) => fraudsOf(seen.filter(({ atMs }) => atMs === moment));
  const fraudMoments = moments.filter((moment) => moment > now - 37 * DAY && fraudsAt(moment) > 0);
  const [first, last] = [fraudMoments.at(0) ?? Number.NaN, fraudMoments.at(-1) ?? Number.NaN];
  const breaks = payments.filter(({ atMs }) => atMs! < last && !fraudMoments.includes(atMs!));
  const runAfter = Math.max(Number.NEGATIVE_INFINITY, ...breaks.map(({ atMs }) => atMs!));
  const run = fraudMoments.filter((moment) => moment > runAfter);
  const since = (delay: number) =>
    Number.isNaN(last) ? last : payments.filter(({ atMs }) => atMs! > last && atMs! <= now - delay).length;
  return {
    terminal_days_since_first_fraud: (now - first) / DAY,
    terminal_days_since_last_fraud: (now - last) / DAY,
    terminal_fraud_run_length: run.reduce((sum, moment) => sum + fraudsAt(moment), 0),
    terminal_fraud_run_days: (now - (run.at(0) ?? Number.NaN)) / DAY,
    terminal_fraud_count_30d: fraudsOf(month),
    terminal_fraud_rate_30d: fraudsOf(month) / (month.filter(({ event }) => event.transaction).length + 1),
    terminal_count_since_fraud: since(0),
    terminal_count_since_fraud_delayed_7d: since(7 * DAY),
  };
}

/** Frauds that are known, less those taken back. */
function fraudsOf(seen: readonly Seen[]): number {
  return seen.reduce((sum, { event: { label } }) => sum + (label ? (label.isFraud ? 1 : -1) : 0), 0);
}

/** What counts of the events before the view's own, and where. */
function lookBack(view: NaiveView, isTiled: boolean): Seen[] {
  const { events, reachMs } = view;
  const own = events.length - 1;
  const now = events[own].timeMs;
  const isLate = newestOf(events.slice(0, own)) > now;
  const firstHour = firstHourInReach(events, reachMs);
  return events.slice(0, own).flatMap((event, index): Seen[] => {
    const { timeMs, label } = event;
    if (hourOf(timeMs) < firstHour) return label ? [] : [{ event, atMs: undefined, isExact: false }];
    const isOld = isTiled && own - index >= 512;
    if (!isOld) {
      if (timeMs > now || (label && label.knownAtMs > now)) return [];
      return [{ event, atMs: timeMs, isExact: true }];
    }
    const middle = hourOf(timeMs) * HOUR + HOUR / 2;
    if (isLate && middle > now) return [];
    return [{ event, atMs: Math.min(middle, now), isExact: false }];
  });
}

function newestOf(events: readonly NaiveEvent[]): number {
  return events.reduce(
    (newest, { transaction, timeMs }) => (transaction && timeMs > newest ? timeMs : newest),
    Number.NEGATIVE_INFINITY,
  );
}

function firstHourInReach(events: readonly NaiveEvent[], reachMs: number): number {
  return hourOf(newestOf(events) - reachMs - DAY);
}

function hourOf(timeMs: number): number {
  return Math.floor(timeMs / HOUR);
}

/** Exact up to 2^53 units, and 2^53 from there on. */
function unitsOf(payments: readonly Seen[]): number {
  const units = payments.reduce((sum, { event }) => sum + BigInt(event.transaction!.amountUnits), 0n);
  return Math.min(Number(units), 2 ** 53);
}

function meanOf(payments: readonly Seen[]): number {
  return payments.length === 0 ? Number.NaN : unitsOf(payments) / payments.length / 10_000;
}

function deviationOf(payments: readonly Seen[]): number {
  const amounts = payments
    .filter((seen) => seen.isExact)
    .map(({ event }) => event.transaction!.amountUnits / 10_000);
  if (amounts.length === 0) return 0;
  const mean = amounts.reduce((sum, amount) => sum + amount, 0) / amounts.length;
  const variance = amounts.reduce((sum, amount) => sum + (amount - mean) ** 2, 0) / amounts.length;
  return Math.sqrt(variance);
}
