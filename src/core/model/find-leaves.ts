import { inputCount, NODE_WORDS, TREES_AT_ONCE, type TreeEnsemble } from './tree-ensemble.ts';

/** Told where a row ends in the four trees of a group: offsets of leaves in `nodes`. */
export type OnLeaves = (row: number, a: number, b: number, c: number, d: number) => void;

/** Rows as the trees compare them, each `inputCount` long; NaN is a missing value. */
export function spreadRows({ featureCount }: TreeEnsemble, rows: Float32Array, count: number): Float32Array {
  const width = inputCount(featureCount);
  const inputs = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    for (let feature = 0; feature < featureCount; feature++) {
      const value = rows[row * featureCount + feature];
      inputs[row * width + feature] = value;
      inputs[row * width + featureCount + feature] = -value;
    }
  }
  return inputs;
}

/**
 * Sends all rows through one group of trees, so that the group's nodes stay in the nearest cache; four trees at a time, so
 * that the processor works on one while it waits for another's node; and without a branch that depends on the row, as half
 * of those are mispredicted: the comparison's result is computed with. Measured in batches of 24 on a forest of 100 trees of
 * depth 10, and on 250 trees of depth 6: 2.5 and 3.8 µs a row; row by row 3.1 and 4.8; tree by tree with branches 4.9 and 8.5.
 */
export function findLeaves(
  { nodes, floats, roots, depths, featureCount }: TreeEnsemble,
  group: number,
  inputs: Float32Array,
  onLeaves: OnLeaves,
): void {
  const first = TREES_AT_ONCE * group;
  const width = inputCount(featureCount);
  const depth = depths[group];
  for (let row = 0, at = 0; at < inputs.length; row++, at += width) {
    let a = roots[first];
    let b = roots[first + 1];
    let c = roots[first + 2];
    let d = roots[first + 3];
    for (let step = depth; step > 0; step--) {
      a = nodes[a + 2] + NODE_WORDS * Number(!(inputs[at + nodes[a]] <= floats[a + 1]));
      b = nodes[b + 2] + NODE_WORDS * Number(!(inputs[at + nodes[b]] <= floats[b + 1]));
      c = nodes[c + 2] + NODE_WORDS * Number(!(inputs[at + nodes[c]] <= floats[c + 1]));
      d = nodes[d + 2] + NODE_WORDS * Number(!(inputs[at + nodes[d]] <= floats[d + 1]));
    }
    onLeaves(row, a, b, c, d);
  }
}
