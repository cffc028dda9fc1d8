/**
 * How far each feature moved the score of one row: its Shapley value in the game whose players are the features, exactly,
 * as TreeSHAP defines it (Lundberg et al., "From local explanations to global understanding with explainable AI for trees",
 * 2020; `feature_perturbation="tree_path_dependent"` of the package `shap`). A set of features is worth the mean of the leaves
 * when splits by these features go as the row goes, and all others as the training rows went.
 *
 *   raw score = expected + sum of the contributions
 *
 * A leaf of weight w gives a set of features w times a factor for each feature on its path: for those in the set `held`, 1 where
 * the row passes all splits by that feature, otherwise 0; for the others `share`, the part of the training rows that passes
 * them. So the leaf's part of the Shapley value of feature i is (Owen, "Multilinear extensions of games", 1972)
 *
 *   w * integral from 0 to 1 of (held_i - share_i) * product over the others of (q * held + (1 - q) * share)  dq
 *
 * whose degree is less than the number of features on the path, so that Gauss and Legendre's rule with half as many points is
 * exact. For each point the leaves of a tree share their paths (as in Yu et al., "Linear TreeShap", 2022): one pass down
 * multiplies the factors, one pass up adds the leaves. With b and c for the sums below the side that the row takes and the
 * other, a for the product of all factors on the path but the feature's own, o for its own so far (1 where the path has none),
 * and s for the other side's share times those of the feature's splits before, a split gives its feature
 *
 *   sum over the points of a * s * (b - c) / o      and to the split above  b - (1 - q) * s * (b - c) / o
 *
 * where o is at least q, so that nothing is divided by what may be 0. Where the row failed a split before by the same feature,
 * the split gives nothing, and both sides count by their shares.
 */
import { type AttributionTree, attributionTrees, leftShare, SPLIT_WORDS } from './attribution-tree.ts';
import { spreadRows } from './find-leaves.ts';
import { inputCount, isLeaf, NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

export class EnsembleAttribution {
  /** What the score is before anything is known of the row: base and roots' means, before the logistic function. */
  readonly expected: number;
  readonly #ensemble: TreeEnsemble;
  readonly #trees: readonly AttributionTree[];
  readonly #scratch: Scratch;

  constructor(ensemble: TreeEnsemble) {
    this.expected = expectedScore(ensemble);
    this.#ensemble = ensemble;
    this.#trees = attributionTrees(ensemble);
    this.#scratch = createScratch(this.#trees);
  }

  /**
   * Contributions by feature, in the unit of the leaves' weights, of `count` rows that lie one after the other, in the same
   * shape. @param rows NaN where a value is missing
   */
  attribute(rows: Float32Array, count: number): Float64Array {
    const { featureCount } = this.#ensemble;
    const inputs = spreadRows(this.#ensemble, rows, count);
    const width = inputCount(featureCount);
    const sums = new Float64Array(count * featureCount);
    for (const tree of this.#trees) {
      fillLeaves(tree, this.#scratch);
      for (let row = 0; row < count; row++) {
        const to = row * featureCount;
        goDown(tree, inputs, row * width, this.#scratch);
        turnBack(tree, inputs, row * width, this.#scratch, sums, to);
        goUp(tree, this.#scratch, sums, to);
      }
    }
    return sums;
  }
}

/** Children always lie behind their node, so one pass from the end meets them first. */
function expectedScore({ nodes, floats, covers, roots, treeCount, base }: TreeEnsemble): number {
  const means = new Float64Array(covers.length);
  for (let node = covers.length - 1; node >= 0; node--) {
    const at = node * NODE_WORDS;
    const left = nodes[at + 2] / NODE_WORDS;
    const share = leftShare(covers, left);
    means[node] = isLeaf(nodes, at) ? floats[at + 3] : share * means[left] + (1 - share) * means[left + 1];
  }
  return roots.subarray(0, treeCount).reduce((sum, root) => sum + means[root / NODE_WORDS], base);
}

/** One tree's and one row's, overwritten by the next. */
type Scratch = {
  /** By place and point: the product of the factors on the path, and of the point's weight. */
  readonly above: Float64Array;
  /** By place and point: the sum over the leaves below, each times the factors between. */
  readonly below: Float64Array;
  /** By place: 1 where the row passes all splits, on the path, by the feature of the last. */
  readonly isHeld: Uint8Array;
  /** By inner split: 1 where the row goes right, and 2 more where it failed a split before by the same feature. */
  readonly turns: Uint8Array;
};

function createScratch(trees: readonly AttributionTree[]): Scratch {
  const most = (size: (tree: AttributionTree) => number) =>
    trees.reduce((largest, tree) => Math.max(largest, size(tree)), 0);
  return {
    above: new Float64Array(most(({ nodeCount, pointCount }) => nodeCount * pointCount)),
    below: new Float64Array(most(({ nodeCount, pointCount }) => nodeCount * pointCount)),
    isHeld: new Uint8Array(most(({ nodeCount }) => nodeCount + 1)),
    turns: new Uint8Array(most(({ inner }) => inner.count)),
  };
}

function fillLeaves({ loneLeaves, leafWeights, pointCount }: AttributionTree, { below }: Scratch): void {
  for (let leaf = 0; leaf < loneLeaves.length; leaf++) {
    const from = loneLeaves[leaf] * pointCount;
    const weight = leafWeights[loneLeaves[leaf]];
    for (let point = 0; point < pointCount; point++) below[from + point] = weight;
  }
}

/**
 * Fills `above`, `isHeld` and `turns`. At an inner split, `above` is then without the factor of the split's own feature.
 *
 * As in find-leaves.ts no branch depends on the row: what is 0 or 1 is computed with, -1 and 0 are masks.
 */
function goDown(tree: AttributionTree, inputs: Float32Array, row: number, scratch: Scratch): void {
  const { pointCount, weights, complements, inverses, nodeCount } = tree;
  const { count, words, floats, shares } = tree.inner;
  const { above, isHeld, turns } = scratch;
  for (let point = 0; point < pointCount; point++) above[point] = weights[point];
  isHeld[nodeCount] = 1;
  for (let split = 0, at = 0; split < count; split++, at += SPLIT_WORDS) {
    const right = Number(!(inputs[row + words[at + 3]] <= floats[at + 4]));
    const held = isHeld[words[at + 5]];
    const turn = right | ((held ^ 1) << 1);
    turns[split] = turn;
    const hotPlace = words[at + 1] + right;
    const coldPlace = words[at + 1] + (right ^ 1);
    isHeld[hotPlace] = held;
    isHeld[coldPlace] = 0;
    const coldShare = shares[(split << 2) + (turn ^ 1)];
    const lost = 1 - shares[(split << 2) + turn];
    const from = Math.imul(words[at], pointCount);
    const hot = Math.imul(hotPlace, pointCount);
    const cold = Math.imul(coldPlace, pointCount);
    const inverse = words[at + 6] & -held;
    const complement = pointCount & (held - 1);
    for (let point = 0; point < pointCount; point++) {
      const others = above[from + point] * inverses[inverse + point];
      const without = others * complements[complement + point];
      above[from + point] = others;
      above[hot + point] = others - without * lost;
      above[cold + point] = without * coldShare;
    }
  }
}

/** At the last splits, with `above`: fills `below`, and adds to `sums` from `to`. */
function turnBack(
  tree: AttributionTree,
  inputs: Float32Array,
  row: number,
  { above, below, isHeld }: Scratch,
  sums: Float64Array,
  to: number,
): void {
  const { pointCount, complements, inverses, leafWeights } = tree;
  const { count, words, floats, shares } = tree.last;
  for (let split = 0, at = 0; split < count; split++, at += SPLIT_WORDS) {
    const right = Number(!(inputs[row + words[at + 3]] <= floats[at + 4]));
    const held = isHeld[words[at + 5]];
    const coldShare = shares[(split << 2) + ((right ^ 1) | ((held ^ 1) << 1))];
    const hot = leafWeights[words[at + 1] + right];
    const step = (hot - leafWeights[words[at + 1] + (right ^ 1)]) * coldShare;
    const from = Math.imul(words[at], pointCount);
    const inverse = words[at + 6] & -held;
    const complement = pointCount & (held - 1);
    let sum = 0;
    for (let point = 0; point < pointCount; point++) {
      const factor = inverses[inverse + point];
      sum += above[from + point] * factor * factor;
      below[from + point] = hot - complements[complement + point] * step * factor;
    }
    sums[to + words[at + 2]] += sum * step * held;
  }
}

/** Fills `below`, and adds to `sums` from `to`. */
function goUp(tree: AttributionTree, { above, below, turns }: Scratch, sums: Float64Array, to: number): void {
  const { pointCount, complements, inverses } = tree;
  const { count, words, shares } = tree.inner;
  for (let split = count - 1, at = split * SPLIT_WORDS; split >= 0; split--, at -= SPLIT_WORDS) {
    const turn = turns[split];
    const right = turn & 1;
    const held = (turn >> 1) ^ 1;
    const coldShare = shares[(split << 2) + (turn ^ 1)];
    const from = Math.imul(words[at], pointCount);
    const hot = Math.imul(words[at + 1] + right, pointCount);
    const cold = Math.imul(words[at + 1] + (right ^ 1), pointCount);
    const inverse = words[at + 6] & -held;
    const complement = pointCount & (held - 1);
    let sum = 0;
    for (let point = 0; point < pointCount; point++) {
      const step = (below[hot + point] - below[cold + point]) * inverses[inverse + point] * coldShare;
      sum += above[from + point] * step;
      below[from + point] = below[hot + point] - complements[complement + point] * step;
    }
    sums[to + words[at + 2]] += sum * held;
  }
}
