/**
 * How far each feature moved the score of one row, along the path that the row takes through each tree (Saabas, "Interpreting
 * random forests", 2014): at every split, the mean of the side taken less the mean of the node goes to the split's feature.
 * A node's mean is that of its leaves' weights, by the training rows that reached them.
 *
 *   sum of the leaves = sum of the roots' means + sum of the contributions
 *
 * A leaf tells the whole path to it, so each leaf's contributions are added up when the model is loaded:
 *
 *   starts    by node: where its contributions begin; they end where those of the next node do
 *   features  which feature, features that stand on the path more than once joined
 *   amounts   how far
 */
import { findLeaves, spreadRows } from './find-leaves.ts';
import { isLeaf, NODE_WORDS, TREES_AT_ONCE, type TreeEnsemble } from './tree-ensemble.ts';

export class EnsembleAttribution {
  /** What the score is before anything is known of the row: base and roots' means, before the logistic function. */
  readonly expected: number;
  readonly #ensemble: TreeEnsemble;
  readonly #paths: Paths;

  constructor(ensemble: TreeEnsemble) {
    const means = nodeMeans(ensemble);
    const roots = ensemble.roots.subarray(0, ensemble.treeCount);
    this.expected = roots.reduce((sum, root) => sum + means[root / NODE_WORDS], ensemble.base);
    this.#ensemble = ensemble;
    this.#paths = leafPaths(ensemble, means);
  }

  /**
   * Contributions by feature, in the unit of the leaves' weights, of `count` rows that lie one after the other, in the same
   * shape. @param rows NaN where a value is missing
   */
  attribute(rows: Float32Array, count: number): Float64Array {
    const { depths, featureCount, treeCount } = this.#ensemble;
    const inputs = spreadRows(this.#ensemble, rows, count);
    const sums = new Float64Array(count * featureCount);
    for (let group = 0; group < depths.length; group++) {
      const trees = Math.min(TREES_AT_ONCE, treeCount - TREES_AT_ONCE * group);
      findLeaves(this.#ensemble, group, inputs, (row, a, b, c, d) => {
        const at = row * featureCount;
        this.#addPath(a, sums, at);
        if (trees > 1) this.#addPath(b, sums, at);
        if (trees > 2) this.#addPath(c, sums, at);
        if (trees > 3) this.#addPath(d, sums, at);
      });
    }
    return sums;
  }

  #addPath(leaf: number, sums: Float64Array, at: number): void {
    const { starts, features, amounts } = this.#paths;
    const node = leaf / NODE_WORDS;
    const end = starts[node + 1];
    for (let index = starts[node]; index < end; index++) sums[at + features[index]] += amounts[index];
  }
}

type Paths = {
  readonly starts: Int32Array;
  readonly features: Int32Array;
  readonly amounts: Float64Array;
};

/** Children always lie behind their node, so one pass from the end meets them first. */
function nodeMeans({ nodes, floats, covers }: TreeEnsemble): Float64Array {
  const means = new Float64Array(covers.length);
  for (let node = covers.length - 1; node >= 0; node--) {
    const at = node * NODE_WORDS;
    if (isLeaf(nodes, at)) {
      means[node] = floats[at + 3];
      continue;
    }
    const left = nodes[at + 2] / NODE_WORDS;
    const [leftCover, rightCover] = [covers[left], covers[left + 1]];
    const cover = leftCover + rightCover;
    const leftShare = cover > 0 ? leftCover / cover : 0.5;
    means[node] = leftShare * means[left] + (1 - leftShare) * means[left + 1];
  }
  return means;
}

function leafPaths({ nodes, featureCount }: TreeEnsemble, means: Float64Array): Paths {
  const starts = new Int32Array(means.length + 1);
  const features: number[] = [];
  const amounts: number[] = [];
  const paths: ReadonlyMap<number, number>[] = [];
  for (let node = 0; node < means.length; node++) {
    const at = node * NODE_WORDS;
    const path = paths[node] ?? new Map();
    delete paths[node];
    starts[node] = amounts.length;
    if (isLeaf(nodes, at)) {
      features.push(...path.keys());
      amounts.push(...path.values());
      continue;
    }
    const feature = nodes[at] % featureCount;
    const left = nodes[at + 2] / NODE_WORDS;
    for (const child of [left, left + 1])
      paths[child] = new Map(path).set(feature, (path.get(feature) ?? 0) + means[child] - means[node]);
  }
  starts[means.length] = amounts.length;
  return { starts, features: Int32Array.from(features), amounts: Float64Array.from(amounts) };
}
