/**
 * What is usual for an entity: the amounts of its earlier transactions in the days before this one. Only what counts
 * exactly (fold.ts) is looked at; it is gathered when a feature first asks, once a transaction.
 */
import { UNITS_PER_MAJOR } from '../transaction/transaction.ts';
import { EXACT_RECORDS } from './fold.ts';
import type { Moment } from './moment.ts';
import { amountUnitsOf, KIND_LABEL, kindOf, RECORD_WORDS, timeMsOf } from './record.ts';

/** Days in which something is a habit. */
export const HABIT_MS = 30 * 86_400_000;

export class Habit {
  readonly #units = new Float64Array(EXACT_RECORDS);
  readonly #agesMs = new Float64Array(EXACT_RECORDS);
  readonly #sorted = new Float64Array(EXACT_RECORDS);
  #count = 0;
  #moment!: Moment;
  #isGathered = false;

  observe(moment: Moment): void {
    this.#moment = moment;
    this.#isGathered = false;
  }

  /** Median amount in units: of an even number, the mean of the two in the middle. NaN if there was nothing before. */
  get medianUnits(): number {
    this.#gather();
    const middle = Math.floor(this.#count / 2);
    const sorted = this.#sorted;
    if (this.#count === 0) return Number.NaN;
    return this.#count % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }

  /** Greatest amount in units; NaN if there was nothing before. */
  get maxUnits(): number {
    this.#gather();
    return this.#count === 0 ? Number.NaN : this.#sorted[this.#count - 1];
  }

  /** Population standard deviation of the amounts, in major units; NaN if there were fewer than two. */
  get standardDeviation(): number {
    this.#gather();
    const count = this.#count;
    if (count < 2) return Number.NaN;
    let sum = 0;
    for (let index = 0; index < count; index++) sum += this.#units[index];
    const mean = sum / count / UNITS_PER_MAJOR;
    let squares = 0;
    for (let index = 0; index < count; index++) squares += (this.#units[index] / UNITS_PER_MAJOR - mean) ** 2;
    return Math.sqrt(squares / count);
  }

  /** How many of the transactions that are less than `lengthMs` ago were of more than `units`. */
  countAbove(units: number, lengthMs: number): number {
    this.#gather();
    let found = 0;
    for (let index = 0; index < this.#count; index++) {
      if (this.#units[index] > units && this.#agesMs[index] < lengthMs) found += 1;
    }
    return found;
  }

  #gather(): void {
    if (this.#isGathered) return;
    this.#isGathered = true;
    const { words, firstExact, own, nowMs, startMs } = this.#moment;
    let count = 0;
    for (let offset = firstExact; offset < own; offset += RECORD_WORDS) {
      if (kindOf(words, offset) === KIND_LABEL) continue;
      const timeMs = timeMsOf(words, offset);
      const ageMs = nowMs - timeMs;
      if (ageMs < 0 || ageMs >= HABIT_MS || timeMs < startMs) continue;
      this.#units[count] = amountUnitsOf(words, offset);
      this.#agesMs[count] = ageMs;
      count += 1;
    }
    this.#count = count;
    this.#sorted.set(this.#units.subarray(0, count));
    this.#sorted.subarray(0, count).sort();
  }
}
