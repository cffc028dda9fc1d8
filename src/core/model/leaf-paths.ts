import { inputCount, isLeaf, NODE_WORDS, type TreeEnsemble } from './tree-ensemble.ts';

/** A leaf, and what the way to it asks of a row. */
export type LeafPath = { readonly weight: number; readonly conditions: readonly Condition[] };

/** What the splits on one feature ask together. */
export type Condition = {
  readonly feature: number;
  /** Of the training rows at these splits, the share that goes this way. */
  readonly z: number;
  /** All must hold; two where the file compares the feature in both directions. */
  readonly comparisons: readonly Comparison[];
};

/** Met if the upper input is at most `upper` and the lower one is not at most `lower`; NaN is at most nothing. */
export type Comparison = {
  readonly upperInput: number;
  readonly upper: number;
  readonly lowerInput: number;
  readonly lower: number;
};

/** All leaves of all trees. */
export function leafPaths(ensemble: TreeEnsemble): LeafPath[] {
  const covers = coversOfLeaves(ensemble);
  const paths: LeafPath[] = [];
  const roots = ensemble.roots.subarray(0, ensemble.treeCount);
  for (const root of roots) addPaths(ensemble, covers, root, [], paths);
  return paths;
}

function addPaths(
  ensemble: TreeEnsemble,
  covers: Float64Array,
  at: number,
  conditions: readonly Condition[],
  paths: LeafPath[],
): void {
  const { nodes, floats } = ensemble;
  if (isLeaf(nodes, at)) {
    paths.push({ weight: floats[at + 3], conditions });
    return;
  }
  const left = nodes[at + 2];
  for (const child of [left, left + NODE_WORDS]) {
    const z = shareOf(covers, left, child);
    addPaths(ensemble, covers, child, joined(conditions, stepTo(ensemble, at, child === left, z)), paths);
  }
}

function stepTo(
  { nodes, floats, featureCount }: TreeEnsemble,
  at: number,
  isLeft: boolean,
  z: number,
): Condition {
  const input = nodes[at];
  const threshold = floats[at + 1];
  const zero = inputCount(featureCount) - 1; // at most infinity, whatever the row
  const comparison = isLeft
    ? { upperInput: input, upper: threshold, lowerInput: input, lower: Number.NaN }
    : { upperInput: zero, upper: Number.POSITIVE_INFINITY, lowerInput: input, lower: threshold };
  return { feature: input % featureCount, z, comparisons: [comparison] };
}

function joined(conditions: readonly Condition[], step: Condition): readonly Condition[] {
  const index = conditions.findIndex(({ feature }) => feature === step.feature);
  if (index < 0) return [...conditions, step];
  const before = conditions[index];
  const comparisons = joinedComparisons(before.comparisons, step.comparisons[0]);
  return conditions.with(index, { ...before, z: before.z * step.z, comparisons });
}

/** With the one that looks at the same input, if there is one: the lesser upper and the greater lower bound remain. */
function joinedComparisons(comparisons: readonly Comparison[], added: Comparison): readonly Comparison[] {
  const index = comparisons.findIndex(({ lowerInput }) => lowerInput === added.lowerInput);
  if (index < 0) return [...comparisons, added];
  const before = comparisons[index];
  const isBoundAbove = [before, added].some(({ upperInput }) => upperInput === added.lowerInput);
  const lowers = [before.lower, added.lower].filter((lower) => !Number.isNaN(lower));
  return comparisons.with(index, {
    upperInput: isBoundAbove ? added.lowerInput : before.upperInput,
    upper: Math.min(before.upper, added.upper),
    lowerInput: added.lowerInput,
    lower: lowers.length === 0 ? Number.NaN : Math.max(...lowers),
  });
}

/** Of a split's rows, those that go to `child`; half of them where no row came. */
function shareOf(covers: Float64Array, left: number, child: number): number {
  const leftCover = covers[left / NODE_WORDS];
  const all = leftCover + covers[left / NODE_WORDS + 1];
  return all > 0 ? covers[child / NODE_WORDS] / all : 0.5;
}

/** By node, the covers of the leaves below; children always lie behind their node, so one pass from the end suffices. */
function coversOfLeaves({ nodes, covers }: TreeEnsemble): Float64Array {
  const sums = Float64Array.from(covers);
  for (let node = sums.length - 1; node >= 0; node--) {
    const at = node * NODE_WORDS;
    if (isLeaf(nodes, at)) continue;
    const left = nodes[at + 2] / NODE_WORDS;
    sums[node] = sums[left] + sums[left + 1];
  }
  return sums;
}
