/**
 * How well a ranking finds fraud. With thresholds lowered from the greatest score on, group of equal scores by group:
 *
 *   recall                found frauds / frauds
 *   false positive rate   alerted legitimate / legitimate
 *   precision             found frauds / alerted
 *
 *   AUC                   area under recall over the false positive rate: the chance that a fraud ranks before a legitimate
 *                         payment, equal scores counting half (Mann and Whitney, 1947; Hanley and McNeil, 1982)
 *   average precision     sum over thresholds of precision times the gain of recall: the area under the steps, without
 *                         interpolation (Davis and Goadrich, 2006, say why not)
 */
import type { Ranking } from './ranking.ts';

export type Quality = {
  readonly auc: number;
  readonly averagePrecision: number;
  /** For each of the rates asked for, the greatest recall whose false positive rate is at most that. */
  readonly recallAt: readonly number[];
};

/**
 * @param falsePositiveRates ascending
 * @param weights how often each row counts, as in a bootstrap replicate; once where there are none
 * @returns NaN members where one class has no weight
 */
export function measureQuality(
  { order, groupEnds, isFraud }: Ranking,
  falsePositiveRates: readonly number[],
  weights?: Uint16Array,
): Quality {
  const [frauds, legitimate] = totals(isFraud, weights);
  const recallAt = falsePositiveRates.map(() => 0);
  let [found, alerted, area, precisionSum, start] = [0, 0, 0, 0, 0];
  for (const end of groupEnds) {
    let [newFound, newAlerted] = [0, 0];
    for (let place = start; place < end; place++) {
      const row = order[place];
      const weight = weights ? weights[row] : 1;
      if (isFraud[row]) newFound += weight;
      else newAlerted += weight;
    }
    area += newAlerted * (found + newFound / 2);
    found += newFound;
    alerted += newAlerted;
    if (newFound > 0) precisionSum += (newFound * found) / (found + alerted);
    for (let index = 0; index < recallAt.length; index++) {
      if (alerted <= falsePositiveRates[index] * legitimate) recallAt[index] = found / frauds;
    }
    start = end;
  }
  return { auc: area / frauds / legitimate, averagePrecision: precisionSum / frauds, recallAt };
}

/** One point of the curves: what alerting from this score on leads to. */
export type CurvePoint = {
  readonly score: number;
  readonly recall: number;
  readonly precision: number;
  readonly falsePositiveRate: number;
};

/** The curves' points, thinned to where recall or the false positive rate has moved by a thousandth. */
export function curveOf({ order, groupEnds, scores, isFraud }: Ranking): CurvePoint[] {
  const [frauds, legitimate] = totals(isFraud);
  const points: CurvePoint[] = [];
  let [found, alerted, start] = [0, 0, 0];
  groupEnds.forEach((end, group) => {
    for (let place = start; place < end; place++) {
      if (isFraud[order[place]]) found += 1;
      else alerted += 1;
    }
    start = end;
    const point = {
      score: scores[group],
      recall: found / frauds,
      precision: found / (found + alerted),
      falsePositiveRate: alerted / legitimate,
    };
    const last = points.at(-1);
    const isLast = group === groupEnds.length - 1;
    if (!last || isLast || hasMoved(last, point)) points.push(point);
  });
  return points;
}

const STEP = 0.001;
/** Where false positives are few each of them shows, on a logarithmic scale. */
const FEW = 0.02;

function hasMoved(last: CurvePoint, point: CurvePoint): boolean {
  const step = point.falsePositiveRate < FEW ? STEP / 20 : STEP;
  return point.recall - last.recall >= STEP || point.falsePositiveRate - last.falsePositiveRate >= step;
}

function totals(isFraud: Uint8Array, weights?: Uint16Array): [number, number] {
  let [frauds, all] = [0, 0];
  for (let row = 0; row < isFraud.length; row++) {
    const weight = weights ? weights[row] : 1;
    all += weight;
    if (isFraud[row]) frauds += weight;
  }
  return [frauds, all - frauds];
}
