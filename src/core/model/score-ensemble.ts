/**
 * Scores a tree ensemble exactly as ONNX Runtime does on one thread: float32 leaves added in the order of the trees, then
 * the base, then the logistic function in float32.
 */
import { exp32 } from './exp32.ts';
import { LeafFinder } from './find-leaves.ts';
import type { TreeEnsemble } from './tree-ensemble.ts';

const { fround } = Math;

/** Probabilities of fraud, float32, of `count` rows of features that lie one after the other; NaN is a missing value. */
export function scoreEnsemble(ensemble: TreeEnsemble, rows: Float32Array, count: number): Float32Array {
  const { featureCount, isLogistic } = ensemble;
  const finder = new LeafFinder(ensemble);
  const probabilities = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    finder.find(rows, index * featureCount);
    const sum = sumLeaves(ensemble, finder.leaves);
    probabilities[index] = isLogistic ? logistic(sum) : sum;
  }
  return probabilities;
}

function sumLeaves({ floats, treeCount, base }: TreeEnsemble, leaves: Int32Array): number {
  let sum = 0;
  for (let tree = 0; tree < treeCount; tree++) sum = fround(sum + floats[leaves[tree] + 3]);
  return fround(sum + base);
}

/** As ONNX Runtime's ComputeLogistic. */
function logistic(value: number): number {
  const upper = fround(1 / fround(1 + exp32(-Math.abs(value))));
  return value < 0 ? fround(1 - upper) : upper;
}
