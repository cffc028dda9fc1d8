/**
 * What attribute-ensemble.ts knows of a tree before it sees a row.
 *
 * A node's *share* is the part of the training rows at its parent that went on to it. Where a path splits by a feature more
 * than once, the shares of that feature multiply; the product before a split is what the split *holds*.
 */
import { gaussLegendre, type Quadrature } from './gauss-legendre.ts';
import { isLeaf, NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

/**
 * Places count a tree's nodes from its root, which is 0; children stand side by side, behind their parent. `inner` splits have
 * a split below, parents come first; `last` splits have two leaves.
 */
export type AttributionTree = {
  readonly pointCount: number;
  /** By point, of the integral over q. */
  readonly weights: Float64Array;
  /** By point: 1 - q; then as many ones, for splits by features that the row has failed before. */
  readonly complements: Float64Array;
  /** As many ones as there are points; then, by split that holds less, 1 / (q + (1 - q) * held). */
  readonly inverses: Float64Array;
  readonly nodeCount: number;
  /** Of all places a leaf's weight, and 0. */
  readonly leafWeights: Float64Array;
  /** Leaves that stand beside a split. */
  readonly loneLeaves: Int32Array;
  readonly inner: Splits;
  readonly last: Splits;
};

export type Splits = {
  readonly count: number;
  /**
   * Eight words a split, the threshold a float32; `floats` is the same memory as floats:
   *
   *   [ place | left child | feature | input | threshold | earlier | inverse | - ]
   *
   * Input and threshold are the comparison's as in tree-ensemble.ts. `earlier` is where on the path the last split by the same
   * feature led to, `nodeCount` where there was none; `inverse` is where the split's numbers stand in `inverses`.
   */
  readonly words: Int32Array;
  readonly floats: Float32Array;
  /** Four a split: shares of the left and the right side, each times what the split holds; and the same not multiplied. */
  readonly shares: Float64Array;
};

export const SPLIT_WORDS = 8;

/** Exact for 128 features on one path; for 512 to ten digits. */
const MAX_POINTS = 64;

/** In the order of the trees. */
export function attributionTrees(ensemble: TreeEnsemble): AttributionTree[] {
  const { roots, treeCount, covers } = ensemble;
  return Array.from({ length: treeCount }, (_value, tree) => {
    const root = roots[tree] / NODE_WORDS;
    const end = tree + 1 < treeCount ? roots[tree + 1] / NODE_WORDS : covers.length;
    return attributionTree(ensemble, root, end);
  });
}

/** The part of the training rows at a split that went left; a half where none came. */
export function leftShare(covers: Float32Array, left: number): number {
  const cover = covers[left] + covers[left + 1];
  return cover > 0 ? covers[left] / cover : 0.5;
}

type Split = {
  readonly place: number;
  readonly left: number;
  readonly feature: number;
  readonly input: number;
  readonly threshold: number;
  readonly share: number;
};
type SplitOnPath = Split & { readonly earlier: number; readonly held: number; readonly inverseAt: number };

function attributionTree(ensemble: TreeEnsemble, root: number, end: number): AttributionTree {
  const { nodes, floats } = ensemble;
  const all = Array.from({ length: end - root }, (_value, place) => place);
  const isSplit = (place: number) => !isLeaf(nodes, (root + place) * NODE_WORDS);
  const splits = all.filter(isSplit).map((place) => splitAt(ensemble, root, place));
  const isLast = ({ left }: Split) => !isSplit(left) && !isSplit(left + 1);
  const { paths, longest } = followPaths(splits, all.length);
  const quadrature = gaussLegendre(Math.min(MAX_POINTS, Math.ceil(longest / 2)));
  const { inverses, placed } = placeInverses(paths, quadrature);
  const inner = placed.filter((split) => !isLast(split));
  return {
    ...{ pointCount: quadrature.points.length, weights: quadrature.weights, inverses },
    complements: Float64Array.from([
      ...quadrature.points.map((q) => 1 - q),
      ...quadrature.points.map(() => 1),
    ]),
    nodeCount: all.length,
    leafWeights: Float64Array.from(all, (place) =>
      isSplit(place) ? 0 : floats[(root + place) * NODE_WORDS + 3],
    ),
    loneLeaves: Int32Array.from(
      inner.flatMap(({ left }) => [left, left + 1]).filter((place) => !isSplit(place)),
    ),
    inner: laidOut(inner),
    last: laidOut(placed.filter(isLast)),
  };
}

function splitAt({ nodes, floats, covers, featureCount }: TreeEnsemble, root: number, place: number): Split {
  const at = (root + place) * NODE_WORDS;
  const left = nodes[at + 2] / NODE_WORDS;
  const [input, feature] = [nodes[at], nodes[at] % featureCount];
  return {
    place,
    left: left - root,
    feature,
    input,
    threshold: floats[at + 1],
    share: leftShare(covers, left),
  };
}

/** What each split finds on the path to it; `longest` is the largest number of features on a path. */
function followPaths(splits: readonly Split[], nodeCount: number) {
  type Last = { readonly child: number; readonly held: number };
  const paths = new Map<number, ReadonlyMap<number, Last>>([[0, new Map()]]);
  let longest = 0;
  const found = splits.map((split) => {
    const { place, left, feature, share } = split;
    const path = paths.get(place)!;
    paths.delete(place);
    const { child: earlier, held } = path.get(feature) ?? { child: nodeCount, held: 1 };
    paths.set(left, new Map(path).set(feature, { child: left, held: held * share }));
    paths.set(left + 1, new Map(path).set(feature, { child: left + 1, held: held * (1 - share) }));
    longest = Math.max(longest, paths.get(left)!.size);
    return { ...split, earlier, held };
  });
  return { paths: found, longest };
}

function placeInverses(paths: readonly Omit<SplitOnPath, 'inverseAt'>[], { points }: Quadrature) {
  const inverses = Array.from(points, () => 1);
  const placed = paths.map((split): SplitOnPath => {
    if (split.held === 1) return { ...split, inverseAt: 0 };
    const inverseAt = inverses.length;
    for (const q of points) inverses.push(1 / (q + (1 - q) * split.held));
    return { ...split, inverseAt };
  });
  return { inverses: Float64Array.from(inverses), placed };
}

function laidOut(splits: readonly SplitOnPath[]): Splits {
  const words = new Int32Array(splits.length * SPLIT_WORDS);
  const floats = new Float32Array(words.buffer);
  splits.forEach(({ place, left, feature, input, threshold, earlier, inverseAt }, split) => {
    words.set([place, left, feature, input, 0, earlier, inverseAt], split * SPLIT_WORDS);
    floats[split * SPLIT_WORDS + 4] = threshold;
  });
  const shares = splits.flatMap(({ share, held }) => [held * share, held * (1 - share), share, 1 - share]);
  return { count: splits.length, words, floats, shares: Float64Array.from(shares) };
}
