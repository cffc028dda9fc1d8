/**
 * Scores a tree ensemble exactly as ONNX Runtime does on one thread: float32 leaves added in the order of the trees, then
 * the base, then the logistic function in float32.
 */
import { exp32 } from './exp32.ts';
import { findLeaves, spreadRows } from './find-leaves.ts';
import { TREES_AT_ONCE, type TreeEnsemble } from './tree-ensemble.ts';

const { fround } = Math;

/** Probabilities of fraud, float32, of `count` rows of features that lie one after the other; NaN is a missing value. */
export function scoreEnsemble(ensemble: TreeEnsemble, rows: Float32Array, count: number): Float32Array {
  const { floats, depths, treeCount, base, isLogistic } = ensemble;
  const inputs = spreadRows(ensemble, rows, count);
  const sums = new Float32Array(count);
  for (let group = 0; group < depths.length; group++) {
    const trees = Math.min(TREES_AT_ONCE, treeCount - TREES_AT_ONCE * group);
    findLeaves(ensemble, group, inputs, (row, a, b, c, d) => {
      let sum = fround(sums[row] + floats[a + 3]);
      if (trees > 1) sum = fround(sum + floats[b + 3]);
      if (trees > 2) sum = fround(sum + floats[c + 3]);
      if (trees > 3) sum = fround(sum + floats[d + 3]);
      sums[row] = sum;
    });
  }
  for (let row = 0; row < count; row++) {
    const sum = fround(sums[row] + base);
    sums[row] = isLogistic ? logistic(sum) : sum;
  }
  return sums;
}

/** As ONNX Runtime's ComputeLogistic. */
function logistic(value: number): number {
  const upper = fround(1 / fround(1 + exp32(-Math.abs(value))));
  return value < 0 ? fround(1 - upper) : upper;
}
