/**
 * Scores a tree ensemble exactly as ONNX Runtime does on one thread: float32 leaves added in the order of the trees, then
 * the base, then the logistic function in float32.
 */
import { exp32 } from './exp32.ts';
import { NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

const { fround } = Math;

/** Probabilities of fraud, float32, of `count` rows of features that lie one after the other; NaN is a missing value. */
export function scoreEnsemble(ensemble: TreeEnsemble, rows: Float32Array, count: number): Float32Array {
  const { featureCount, isLogistic } = ensemble;
  const probabilities = new Float32Array(count);
  const row = new Float32Array(2 * featureCount);
  for (let index = 0; index < count; index++) {
    for (let feature = 0; feature < featureCount; feature++) {
      const value = rows[index * featureCount + feature];
      row[feature] = value;
      row[feature + featureCount] = -value;
    }
    const sum = sumLeaves(ensemble, row);
    probabilities[index] = isLogistic ? logistic(sum) : sum;
  }
  return probabilities;
}

/** @param row each feature, then each feature negated */
function sumLeaves({ nodes, thresholds, roots, base }: TreeEnsemble, row: Float32Array): number {
  let sum = 0;
  for (let tree = 0; tree < roots.length; tree++) {
    let at = roots[tree];
    let input = nodes[at];
    while (input >= 0) {
      at = row[input] <= thresholds[at + 1] ? nodes[at + 2] : nodes[at + 2] + NODE_WORDS;
      input = nodes[at];
    }
    sum = fround(sum + thresholds[at + 1]);
  }
  return fround(sum + base);
}

/** As ONNX Runtime's ComputeLogistic. */
function logistic(value: number): number {
  const upper = fround(1 / fround(1 + exp32(-Math.abs(value))));
  return value < 0 ? fround(1 - upper) : upper;
}
