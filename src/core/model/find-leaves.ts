import { inputCount, NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

/** Finds where rows end in the trees of an ensemble; holds the memory for it, so that a row costs none. */
export class LeafFinder {
  /** Of the last row: the offset of its leaf in each tree, and beyond `treeCount` of no meaning. */
  readonly leaves: Int32Array;
  readonly #ensemble: TreeEnsemble;
  readonly #inputs: Float32Array;

  constructor(ensemble: TreeEnsemble) {
    this.#ensemble = ensemble;
    this.leaves = new Int32Array(ensemble.roots.length);
    this.#inputs = new Float32Array(inputCount(ensemble.featureCount));
  }

  /** Fills `leaves` for the row whose features begin at `offset`; NaN is a missing value. */
  find(rows: Float32Array, offset: number): void {
    const { featureCount } = this.#ensemble;
    const inputs = this.#inputs;
    for (let feature = 0; feature < featureCount; feature++) {
      const value = rows[offset + feature];
      inputs[feature] = value;
      inputs[feature + featureCount] = -value;
    }
    findLeaves(this.#ensemble, inputs, this.leaves);
  }
}

/**
 * Four trees at a time, so that the processor works on one while it waits for another's node, and without a branch that
 * depends on the row, as half of those are mispredicted: the comparison's result is computed with. Measured on a forest of
 * 100 trees of depth 10, and 250 trees of depth 6: 2.4 and 3.6 µs a row; tree by tree with branches 4.9 and 8.5 µs.
 */
function findLeaves(
  { nodes, floats, roots, depths }: TreeEnsemble,
  inputs: Float32Array,
  leaves: Int32Array,
): void {
  for (let group = 0; group < depths.length; group++) {
    const first = 4 * group;
    let a = roots[first];
    let b = roots[first + 1];
    let c = roots[first + 2];
    let d = roots[first + 3];
    for (let step = depths[group]; step > 0; step--) {
      a = nodes[a + 2] + NODE_WORDS * Number(!(inputs[nodes[a]] <= floats[a + 1]));
      b = nodes[b + 2] + NODE_WORDS * Number(!(inputs[nodes[b]] <= floats[b + 1]));
      c = nodes[c + 2] + NODE_WORDS * Number(!(inputs[nodes[c]] <= floats[c + 1]));
      d = nodes[d + 2] + NODE_WORDS * Number(!(inputs[nodes[d]] <= floats[d + 1]));
    }
    leaves[first] = a;
    leaves[first + 1] = b;
    leaves[first + 2] = c;
    leaves[first + 3] = d;
  }
}
