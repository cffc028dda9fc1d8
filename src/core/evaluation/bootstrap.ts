/**
 * How sure a figure is. A user's payments resemble each other, so users are drawn, with replacement, and all payments of a
 * drawn user come along (the cluster bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 8
 * and 13: percentile intervals).
 */
import { createRandom } from '../random/random.ts';

export type Interval = { readonly low: number; readonly high: number };

/**
 * 95 % intervals of the figures that `measure` makes of how often each row counts.
 * @param users by row, whole numbers from 0 on
 * @param measure is given the weights of all rows, the same array each time; figures that are NaN are left out
 */
export function bootstrapUsers(
  users: Uint32Array,
  { replicates, seed }: { readonly replicates: number; readonly seed: number },
  measure: (weights: Uint16Array) => readonly number[],
): Interval[] {
  const userCount = users.reduce((most, user) => Math.max(most, user + 1), 0);
  const random = createRandom(seed, 0);
  const draws = new Uint16Array(userCount);
  const weights = new Uint16Array(users.length);
  const found: number[][] = [];
  for (let replicate = 0; replicate < replicates; replicate++) {
    draws.fill(0);
    for (let draw = 0; draw < userCount; draw++) draws[random.below(userCount)] += 1;
    for (let row = 0; row < users.length; row++) weights[row] = draws[users[row]];
    found.push([...measure(weights)]);
  }
  return (found[0] ?? []).map((_, figure) => percentiles(found.map((figures) => figures[figure])));
}

function percentiles(values: readonly number[]): Interval {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((one, other) => one - other);
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Between the two nearest values, as far as it lies between them (Hyndman and Fan, 1996, definition 7). */
function quantile(sorted: readonly number[], share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}
