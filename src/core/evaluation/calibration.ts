/** Whether probabilities mean what they say: of the payments given about 30 %, are about 30 % fraud? */
import type { Ranking } from './ranking.ts';

export type CalibrationBin = {
  readonly count: number;
  readonly meanScore: number;
  /** Share of fraud, with its 95 % interval (Wilson, 1927). */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
};

/** Two-sided 95 % of a normal distribution. */
const Z = 1.959963984540054;

/** Bins of about equally many frauds, from the greatest scores down; equal scores are in one bin. */
export function calibrationOf(
  { order, groupEnds, scores, isFraud }: Ranking,
  binCount: number,
): CalibrationBin[] {
  const frauds = isFraud.reduce((sum, label) => sum + label, 0);
  const bins: CalibrationBin[] = [];
  let [count, found, scoreSum, start, foundBefore] = [0, 0, 0, 0, 0];
  groupEnds.forEach((end, group) => {
    for (let place = start; place < end; place++) found += isFraud[order[place]];
    count += end - start;
    scoreSum += scores[group] * (end - start);
    start = end;
    const isFull = foundBefore + found >= ((bins.length + 1) * frauds) / binCount;
    if (!isFull && group < groupEnds.length - 1) return;
    bins.push({ count, meanScore: scoreSum / count, ...wilson(found, count) });
    foundBefore += found;
    [count, found, scoreSum] = [0, 0, 0];
  });
  return bins;
}

/** Mean over payments of the distance between score and truth, squared (Brier, 1950). */
export function brierScore(scores: Float64Array, isFraud: Uint8Array): number {
  return scores.reduce((sum, score, row) => sum + (score - isFraud[row]) ** 2, 0) / scores.length;
}

/** Mean over payments of the distance between a bin's mean score and its share of fraud (Naeini et al., 2015). */
export function calibrationError(bins: readonly CalibrationBin[]): number {
  const all = bins.reduce((sum, { count }) => sum + count, 0);
  return bins.reduce(
    (sum, { count, meanScore, rate }) => sum + (count / all) * Math.abs(meanScore - rate),
    0,
  );
}

function wilson(found: number, count: number): { rate: number; low: number; high: number } {
  const rate = found / count;
  const squared = Z * Z;
  const centre = (rate + squared / (2 * count)) / (1 + squared / count);
  const spread =
    (Z * Math.sqrt((rate * (1 - rate)) / count + squared / (4 * count * count))) / (1 + squared / count);
  return { rate, low: Math.max(0, centre - spread), high: Math.min(1, centre + spread) };
}
