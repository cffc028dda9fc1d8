/**
 * What an entity's history says at the moment of one transaction, in one pass over the records:
 *
 *   ages of the windows' edges cut the past into segments,        now
 *        30d            7d         1d       30min   1min           |
 *   ------+--------------+----------+---------+-------+------------+
 *           segment 4      segment 3  seg. 2    seg. 1   segment 0
 *
 * each record adds to the segment that its age falls in, and a window is the sum of the segments from its near to
 * its far edge. Amounts are whole units and sums of them exact, so this equals a recount of every window bit for bit.
 * Windows are half-open in event time: (t - delay - length, t - delay].
 */

import { UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import type { HistoryView } from './entity-history.ts';
import { cappedUnits, readSummary, type Tile, tileAgeMs } from './fold.ts';
import { FraudTrail } from './fraud-trail.ts';
import { Habit } from './habit.ts';
import { forEachTile, type Moment, momentOf } from './moment.ts';
import {
  amountUnitsOf,
  categoryHashOf,
  counterpartHashOf,
  flagOf,
  KIND_LABEL,
  kindOf,
  labelledTimeMsOf,
  RECORD_WORDS,
  timeMsOf,
  verdictChangeOf,
} from './record.ts';

export type Window = {
  readonly lengthMs: number;
  /** How long before the transaction the window ends. */
  readonly delayMs: number;
};

/** What the entity did before this transaction, ever. */
export type Lifetime = {
  count: number;
  units: number;
  /** Latest event time at or before the transaction's; -Infinity if there is none. */
  lastMs: number;
};

/** What the entity did in one window. The transaction itself is in every window without a delay. */
export type WindowActivity = {
  count: number;
  units: number;
  /** Transactions known at the time of this one to be fraud. */
  frauds: number;
  /** Transactions like this one: of its merchant category, with its terminal (or user), international. */
  sameCategory: number;
  sameCounterpart: number;
  international: number;
};

/** Sums of a segment, side by side: count, units, frauds, sameCategory, sameCounterpart, international. */
const SUMS = 6;

export class EntityActivity {
  readonly lifetime: Lifetime = { count: 0, units: 0, lastMs: Number.NaN };
  readonly #windows: readonly Window[];
  readonly #activities: WindowActivity[];
  /** Ages at which segments end, ascending, in milliseconds. */
  readonly #edges: Float64Array;
  readonly #sums: Float64Array;
  /** For each window, the segments that it spans. */
  readonly #spans: readonly { readonly first: number; readonly end: number }[];
  /** What is usual for the entity, for features that compare the transaction with it. */
  readonly habit = new Habit();
  /** What is known of its frauds. */
  readonly frauds = new FraudTrail();
  #moment!: Moment;

  /** @param windows those of all features of this kind of entity */
  constructor(windows: readonly Window[]) {
    this.#windows = windows;
    const edges = windows.flatMap(({ lengthMs, delayMs }) => [delayMs, delayMs + lengthMs]);
    const sorted = [...new Set(edges)].filter((edge) => edge > 0).sort((one, other) => one - other);
    this.#edges = Float64Array.from(sorted);
    this.#sums = new Float64Array(sorted.length * SUMS);
    this.#activities = windows.map(() => emptyActivity());
    this.#spans = windows.map(({ lengthMs, delayMs }) => ({
      first: sorted.indexOf(delayMs) + 1,
      end: sorted.indexOf(delayMs + lengthMs) + 1,
    }));
  }

  /** How far back the longest window looks. */
  get reachMs(): number {
    return this.#edges.at(-1) ?? 0;
  }

  /** The activity in the window that was given at this index. */
  window(index: number): WindowActivity {
    return this.#activities[index];
  }

  /** Looks at the history as it was when the view's own transaction arrived. */
  observe(view: HistoryView): void {
    const moment = momentOf(view);
    const { words, own } = moment;
    this.#moment = moment;
    this.habit.observe(moment);
    this.frauds.observe(moment);
    this.#sums.fill(0);
    this.#beginLifetime(view);
    forEachTile(moment, (tile) => this.#addTile(tile));
    this.#addExact(moment);
    if (this.#edges.length > 0) addToSegment(this.#sums, 0, words, own, own);
    this.#sumWindows();
    this.lifetime.units = cappedUnits(this.lifetime.units);
  }

  /** Population standard deviation of the amounts of a window's exact transactions, in major units. */
  amountStandardDeviation(windowIndex: number): number {
    const { lengthMs, delayMs } = this.#windows[windowIndex];
    const amounts: number[] = [];
    const { words, firstExact, own, nowMs, startMs } = this.#moment;
    for (let offset = firstExact; offset <= own; offset += RECORD_WORDS) {
      if (kindOf(words, offset) === KIND_LABEL) continue;
      const timeMs = timeMsOf(words, offset);
      const ageMs = nowMs - timeMs;
      const isInside = ageMs >= delayMs && ageMs < delayMs + lengthMs;
      if (isInside && timeMs >= startMs) amounts.push(amountUnitsOf(words, offset) / UNITS_PER_MAJOR);
    }
    if (amounts.length === 0) return 0;
    const mean = amounts.reduce((sum, amount) => sum + amount, 0) / amounts.length;
    return Math.sqrt(amounts.reduce((sum, amount) => sum + (amount - mean) ** 2, 0) / amounts.length);
  }

  #beginLifetime({ words, wordCount, previousNewestMs }: HistoryView): void {
    const { lifetime } = this;
    const { outOfReachCount, outOfReachUnits } = readSummary(words, wordCount);
    lifetime.count = outOfReachCount;
    lifetime.units = outOfReachUnits;
    lifetime.lastMs = this.#moment.isLate ? Number.NEGATIVE_INFINITY : previousNewestMs;
  }

  #addTile({ startMs, count, units, frauds }: Tile): void {
    const { nowMs, isLate, startMs: reachMs } = this.#moment;
    const ageMs = tileAgeMs(startMs, nowMs, isLate);
    const isInReach = startMs >= reachMs;
    if (isInReach && ageMs < 0) return;
    this.#addToLifetime(count, units);
    if (!isInReach) return;
    const { lifetime } = this;
    if (isLate && count > 0) lifetime.lastMs = Math.max(lifetime.lastMs, nowMs - ageMs);
    const segment = this.#segmentOf(ageMs);
    if (segment < 0) return;
    const sums = this.#sums;
    sums[segment * SUMS] += count;
    sums[segment * SUMS + 1] += units;
    sums[segment * SUMS + 2] += frauds;
  }

  /** The loop that nearly all the time goes to, so it keeps what it needs in locals. */
  #addExact({ words, firstExact, own, nowMs, startMs }: Moment): void {
    const { lifetime } = this;
    const sums = this.#sums;
    let { count, units, lastMs } = lifetime;
    for (let offset = firstExact; offset < own; offset += RECORD_WORDS) {
      if (kindOf(words, offset) === KIND_LABEL) {
        this.#addLabel(offset);
        continue;
      }
      const timeMs = timeMsOf(words, offset);
      const isInReach = timeMs >= startMs;
      if (isInReach && timeMs > nowMs) continue;
      count += 1;
      units += amountUnitsOf(words, offset);
      if (!isInReach) continue;
      if (timeMs > lastMs) lastMs = timeMs;
      const segment = this.#segmentOf(nowMs - timeMs);
      if (segment >= 0) addToSegment(sums, segment * SUMS, words, offset, own);
    }
    lifetime.count = count;
    lifetime.units = units;
    lifetime.lastMs = lastMs;
  }

  #addLabel(offset: number): void {
    const { words, nowMs, startMs } = this.#moment;
    const labelledMs = labelledTimeMsOf(words, offset);
    if (timeMsOf(words, offset) > nowMs || labelledMs < startMs) return;
    const segment = this.#segmentOf(nowMs - labelledMs);
    if (segment >= 0) this.#sums[segment * SUMS + 2] += verdictChangeOf(words, offset);
  }

  #addToLifetime(count: number, units: number): void {
    this.lifetime.count += count;
    this.lifetime.units += units;
  }

  /** The segment an age falls in; -1 for the future and for what no window reaches. */
  #segmentOf(ageMs: number): number {
    if (ageMs < 0) return -1;
    const edges = this.#edges;
    for (let segment = 0; segment < edges.length; segment++) {
      if (ageMs < edges[segment]) return segment;
    }
    return -1;
  }

  #sumWindows(): void {
    for (let index = 0; index < this.#spans.length; index++) {
      const activity = clear(this.#activities[index]);
      const { first, end } = this.#spans[index];
      for (let segment = first; segment < end; segment++) addSums(activity, this.#sums, segment * SUMS);
      activity.units = cappedUnits(activity.units);
    }
  }
}

/** Adds the record at `offset` to the sums from `first` on; `own` is the record that it may be like. */
function addToSegment(
  sums: Float64Array,
  first: number,
  words: Uint32Array,
  offset: number,
  own: number,
): void {
  sums[first] += 1;
  sums[first + 1] += amountUnitsOf(words, offset);
  if (categoryHashOf(words, offset) === categoryHashOf(words, own)) sums[first + 3] += 1;
  if (counterpartHashOf(words, offset) === counterpartHashOf(words, own)) sums[first + 4] += 1;
  sums[first + 5] += flagOf(words, offset);
}

function emptyActivity(): WindowActivity {
  return { count: 0, units: 0, frauds: 0, sameCategory: 0, sameCounterpart: 0, international: 0 };
}

function clear(activity: WindowActivity): WindowActivity {
  activity.count = 0;
  activity.units = 0;
  activity.frauds = 0;
  activity.sameCategory = 0;
  activity.sameCounterpart = 0;
  activity.international = 0;
  return activity;
}

function addSums(activity: WindowActivity, sums: Float64Array, first: number): void {
  activity.count += sums[first];
  activity.units += sums[first + 1];
  activity.frauds += sums[first + 2];
  activity.sameCategory += sums[first + 3];
  activity.sameCounterpart += sums[first + 4];
  activity.international += sums[first + 5];
}
