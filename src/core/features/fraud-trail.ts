/**
 * What is becoming known about an entity: when its transactions that are known to be fraud happened, and how many others
 * there were since. It is followed when a feature first asks, once a transaction.
 *
 *   known frauds        F    F  F F
 *   transactions     t  t  t t  t t  t    t  t   now
 *                       |       |-|  +----+--+    three since the last one
 *                     first     run of two, up to the last
 *
 * The run is what has been nothing but fraud, back from the last known one: a moment that has a transaction and no known
 * fraud ends it.
 *
 * A label that takes an earlier one back is counted against it, by the moment that both speak of. A retraction that
 * arrives when its label is old (fold.ts) no longer finds that moment: the fraud then stays until it is out of the trail.
 */
import { ageOfTile, forEachTile, type Moment } from './moment.ts';
import { KIND_LABEL, kindOf, labelledTimeMsOf, RECORD_WORDS, timeMsOf, verdictChangeOf } from './record.ts';

/** Frauds longer ago are not looked at: the longest window of delayed features ends here. */
export const TRAIL_MS = 37 * 86_400_000;

export class FraudTrail {
  #moment!: Moment;
  #isFollowed = false;
  #firstAgeMs = Number.NaN;
  #lastAgeMs = Number.NaN;
  #runLength = 0;
  #runAgeMs = Number.NaN;

  observe(moment: Moment): void {
    this.#moment = moment;
    this.#isFollowed = false;
  }

  /** How long ago the first transaction known to be fraud was; NaN if none is known. */
  get firstAgeMs(): number {
    this.#follow();
    return this.#firstAgeMs;
  }

  /** How long ago the last transaction known to be fraud was; NaN if none is known. */
  get lastAgeMs(): number {
    this.#follow();
    return this.#lastAgeMs;
  }

  /** Known frauds in the run; 0 if none is known. */
  get runLength(): number {
    this.#follow();
    return this.#runLength;
  }

  /** How long ago the first fraud of the run was; NaN if none is known. */
  get runAgeMs(): number {
    this.#follow();
    return this.#runAgeMs;
  }

  /**
   * Transactions after the last one known to be fraud, this one excluded; NaN if none is known.
   * @param leastAgeMs only those at least so long ago
   */
  countSinceLast(leastAgeMs: number): number {
    this.#follow();
    const lastAgeMs = this.#lastAgeMs;
    if (Number.isNaN(lastAgeMs)) return Number.NaN;
    let count = 0;
    this.#forEachTransaction((ageMs, transactions) => {
      if (ageMs >= leastAgeMs && ageMs < lastAgeMs) count += transactions;
    });
    return count;
  }

  #follow(): void {
    if (this.#isFollowed) return;
    this.#isFollowed = true;
    this.#firstAgeMs = Number.NaN;
    this.#lastAgeMs = Number.NaN;
    this.#runLength = 0;
    this.#runAgeMs = Number.NaN;
    const frauds = this.#fraudsByAge();
    for (const [ageMs, count] of frauds) {
      if (count <= 0) continue;
      if (!(this.#firstAgeMs >= ageMs)) this.#firstAgeMs = ageMs;
      if (!(this.#lastAgeMs <= ageMs)) this.#lastAgeMs = ageMs;
    }
    if (!Number.isNaN(this.#lastAgeMs)) this.#followRun(frauds);
  }

  #followRun(frauds: ReadonlyMap<number, number>): void {
    let endAgeMs = Number.POSITIVE_INFINITY;
    this.#forEachTransaction((ageMs) => {
      const isFraud = (frauds.get(ageMs) ?? 0) > 0;
      if (ageMs > this.#lastAgeMs && ageMs < endAgeMs && !isFraud) endAgeMs = ageMs;
    });
    for (const [ageMs, count] of frauds) {
      if (count <= 0 || ageMs >= endAgeMs) continue;
      this.#runLength += count;
      if (!(this.#runAgeMs >= ageMs)) this.#runAgeMs = ageMs;
    }
  }

  /** Tells of all earlier transactions how long ago they were; several at once where they are in one tile. */
  #forEachTransaction(onTransactions: (ageMs: number, count: number) => void): void {
    const moment = this.#moment;
    forEachTile(moment, (tile) => {
      const ageMs = ageOfTile(tile, moment);
      if (ageMs >= 0 && tile.count > 0) onTransactions(ageMs, tile.count);
    });
    const { words, firstExact, own, nowMs, startMs } = moment;
    for (let offset = firstExact; offset < own; offset += RECORD_WORDS) {
      if (kindOf(words, offset) === KIND_LABEL) continue;
      const timeMs = timeMsOf(words, offset);
      if (timeMs >= startMs && timeMs <= nowMs) onTransactions(nowMs - timeMs, 1);
    }
  }

  /** Known frauds less retractions, by how long ago their transaction was. */
  #fraudsByAge(): ReadonlyMap<number, number> {
    const moment = this.#moment;
    const { words, firstExact, own, nowMs, startMs } = moment;
    let byAge: Map<number, number> = NO_FRAUDS;
    const add = (ageMs: number, change: number) => {
      if (ageMs < 0 || ageMs >= TRAIL_MS || change === 0) return;
      if (byAge === NO_FRAUDS) byAge = new Map();
      byAge.set(ageMs, (byAge.get(ageMs) ?? 0) + change);
    };
    forEachTile(moment, (tile) => add(ageOfTile(tile, moment), tile.frauds));
    for (let offset = firstExact; offset < own; offset += RECORD_WORDS) {
      if (kindOf(words, offset) !== KIND_LABEL || timeMsOf(words, offset) > nowMs) continue;
      const labelledMs = labelledTimeMsOf(words, offset);
      if (labelledMs >= startMs) add(nowMs - labelledMs, verdictChangeOf(words, offset));
    }
    return byAge;
  }
}

/** Nearly every history: never added to. */
const NO_FRAUDS: Map<number, number> = new Map();
