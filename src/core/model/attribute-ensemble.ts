/**
 * How far each feature moved the score of one row, along the path that the row takes through each tree (Saabas, "Interpreting
 * random forests", 2014): at every split, the mean of the side taken less the mean of the node goes to the split's feature.
 * A node's mean is that of its leaves' weights, by the training rows that reached them.
 *
 *   sum of the leaves = sum of the roots' means + sum of the contributions
 */
import { NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

export class EnsembleAttribution {
  readonly #ensemble: TreeEnsemble;
  /** By node. */
  readonly #means: Float64Array;

  constructor(ensemble: TreeEnsemble) {
    this.#ensemble = ensemble;
    this.#means = nodeMeans(ensemble);
  }

  /** What the score is before anything is known of the row: base and roots' means, before the logistic function. */
  get expected(): number {
    let sum = this.#ensemble.base;
    for (const root of this.#ensemble.roots) sum += this.#means[root / NODE_WORDS];
    return sum;
  }

  /** Contributions by feature, in the unit of the leaves' weights. @param features NaN where a value is missing */
  attribute(features: Float32Array): Float64Array {
    const { nodes, thresholds, roots, featureCount } = this.#ensemble;
    const contributions = new Float64Array(featureCount);
    for (const root of roots) {
      let at = root;
      for (let input = nodes[at]; input >= 0; input = nodes[at]) {
        const isNegated = input >= featureCount;
        const feature = isNegated ? input - featureCount : input;
        const value = isNegated ? -features[feature] : features[feature];
        const side = value <= thresholds[at + 1] ? nodes[at + 2] : nodes[at + 2] + NODE_WORDS;
        contributions[feature] += this.#means[side / NODE_WORDS] - this.#means[at / NODE_WORDS];
        at = side;
      }
    }
    return contributions;
  }
}

/** Children always lie behind their node, so one pass from the end meets them first. */
function nodeMeans({ nodes, thresholds, covers }: TreeEnsemble): Float64Array {
  const means = new Float64Array(covers.length);
  for (let node = covers.length - 1; node >= 0; node--) {
    const at = node * NODE_WORDS;
    if (nodes[at] < 0) {
      means[node] = thresholds[at + 1];
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
