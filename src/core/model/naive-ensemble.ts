/**
 * The obvious reading of a tree ensemble, against which the fast one is tested: nodes stay where the file has them, every
 * comparison is made as the file says it, and a feature's contribution is what the definition says.
 */
import { type OnnxAttribute, readOnnxGraph } from './onnx-graph.ts';

type NaiveNode = {
  readonly mode: string;
  readonly feature: number;
  readonly value: number;
  readonly isMissingTrue: boolean;
  readonly cover: number;
  readonly whenTrue: string;
  readonly whenFalse: string;
  weight: number;
};

export class NaiveEnsemble {
  readonly base: number;
  readonly #nodes = new Map<string, NaiveNode>();
  /** In the order of the file. */
  readonly #roots: readonly NaiveNode[];

  constructor(onnx: Uint8Array) {
    const classifier = readOnnxGraph(onnx).nodes.find(
      ({ operator }) => operator === 'TreeEnsembleClassifier',
    )!;
    const attribute = (name: string): Partial<OnnxAttribute> => classifier.attributes.get(name) ?? {};
    const integers = (name: string) => attribute(name).integers ?? [];
    const floats = (name: string) => attribute(name).floats ?? [];
    const isChild = new Set<string>();
    integers('nodes_treeids').forEach((tree, index) => {
      const mode = attribute('nodes_modes').texts![index];
      const [whenTrue, whenFalse] = ['nodes_truenodeids', 'nodes_falsenodeids'].map(
        (name) => `${tree}/${integers(name)[index]}`,
      );
      if (mode !== 'LEAF') isChild.add(whenTrue).add(whenFalse);
      this.#nodes.set(`${tree}/${integers('nodes_nodeids')[index]}`, {
        ...{ mode, whenTrue, whenFalse, weight: Number.NaN },
        feature: integers('nodes_featureids')[index],
        value: floats('nodes_values')[index],
        isMissingTrue: integers('nodes_missing_value_tracks_true')[index] === 1,
        cover: floats('nodes_hitrates')[index] ?? 1,
      });
    });
    integers('class_treeids').forEach((tree, index) => {
      const leaf = this.#nodes.get(`${tree}/${integers('class_nodeids')[index]}`)!;
      leaf.weight = floats('class_weights')[index];
    });
    this.#roots = [...this.#nodes].filter(([key]) => !isChild.has(key)).map(([, node]) => node);
    this.base = floats('base_values')[0] ?? 0;
  }

  /** The weight of the leaf that a row ends at, of each tree. */
  leaves(row: Float32Array): number[] {
    return this.#roots.map((root) => this.#path(root, row).at(-1)!.weight);
  }

  /** The sum before the logistic function: float32 after each addition. */
  sum(row: Float32Array): number {
    return Math.fround(this.leaves(row).reduce((sum, weight) => Math.fround(sum + weight), 0) + this.base);
  }

  /**
   * Shapley values by feature, by their definition: the gain of knowing the feature, over all sets of features that may
   * be known before. 2^features walks through all trees.
   */
  attribute(row: Float32Array): { readonly contributions: Float64Array; readonly expected: number } {
    const sets = Array.from({ length: 2 ** row.length }, (_, known) => this.#expectedScore(row, known));
    const contributions = Float64Array.from(row, (_, feature) =>
      sets.reduce((sum, score, known) => {
        if (known & (1 << feature)) return sum;
        return sum + shapleyWeight(bitsOf(known), row.length) * (sets[known | (1 << feature)] - score);
      }, 0),
    );
    return { contributions, expected: sets[0] };
  }

  /** What the score is expected to be where only the features in the bits of `known` are. */
  #expectedScore(row: Float32Array, known: number): number {
    const expected = (node: NaiveNode): number => {
      if (node.mode === 'LEAF') return node.weight;
      const [whenTrue, whenFalse] = [node.whenTrue, node.whenFalse].map((child) => this.#nodes.get(child)!);
      if (known & (1 << node.feature))
        return expected(isTrue(node, row[node.feature]) ? whenTrue : whenFalse);
      const [rowsTrue, rowsFalse] = [whenTrue.cover, whenFalse.cover];
      const share = rowsTrue + rowsFalse > 0 ? rowsTrue / (rowsTrue + rowsFalse) : 0.5;
      return share * expected(whenTrue) + (1 - share) * expected(whenFalse);
    };
    return this.#roots.reduce((sum, root) => sum + expected(root), this.base);
  }

  #path(root: NaiveNode, row: Float32Array): NaiveNode[] {
    const path = [root];
    for (let node = root; node.mode !== 'LEAF'; path.push(node)) {
      node = this.#nodes.get(isTrue(node, row[node.feature]) ? node.whenTrue : node.whenFalse)!;
    }
    return path;
  }
}

/** The share of orders in which just `before` of the features come before one of them. */
function shapleyWeight(before: number, features: number): number {
  return 1 / (features * binomial(features - 1, before));
}

function binomial(all: number, chosen: number): number {
  return chosen === 0 ? 1 : (all / chosen) * binomial(all - 1, chosen - 1);
}

function bitsOf(set: number): number {
  return set === 0 ? 0 : (set & 1) + bitsOf(set >>> 1);
}

function isTrue({ mode, value, isMissingTrue }: NaiveNode, input: number): boolean {
  if (Number.isNaN(input)) return isMissingTrue;
  return mode === 'BRANCH_LT' ? input < value : input <= value;
}
