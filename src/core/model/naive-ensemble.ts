/**
 * The obvious reading of a tree ensemble, against which the fast one is tested: nodes stay where the file has them, every
 * comparison is made as the file says it, and means are those of the leaves below.
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
  readonly #means = new Map<NaiveNode, number>();
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

  /** By feature, and the sum of the roots' means; in doubles. */
  attribute(row: Float32Array): { readonly contributions: Float64Array; readonly expected: number } {
    const contributions = new Float64Array(row.length);
    let expected = this.base;
    for (const root of this.#roots) {
      const path = this.#path(root, row);
      expected += this.#mean(root);
      for (let step = 1; step < path.length; step++)
        contributions[path[step - 1].feature] += this.#mean(path[step]) - this.#mean(path[step - 1]);
    }
    return { contributions, expected };
  }

  #path(root: NaiveNode, row: Float32Array): NaiveNode[] {
    const path = [root];
    for (let node = root; node.mode !== 'LEAF'; path.push(node)) {
      node = this.#nodes.get(isTrue(node, row[node.feature]) ? node.whenTrue : node.whenFalse)!;
    }
    return path;
  }

  /** Of the weights of all leaves below, by the rows that reached them; remembered, as it is asked for at every row. */
  #mean(node: NaiveNode): number {
    const known = this.#means.get(node) ?? this.#meanOfLeaves(node);
    this.#means.set(node, known);
    return known;
  }

  #meanOfLeaves(node: NaiveNode): number {
    const leaves = this.#leavesBelow(node);
    const rows = leaves.reduce((sum, { cover }) => sum + cover, 0);
    return leaves.reduce((sum, { weight, cover }) => sum + weight * cover, 0) / rows;
  }

  #leavesBelow(node: NaiveNode): NaiveNode[] {
    if (node.mode === 'LEAF') return [node];
    return [node.whenTrue, node.whenFalse].flatMap((child) => this.#leavesBelow(this.#nodes.get(child)!));
  }
}

function isTrue({ mode, value, isMissingTrue }: NaiveNode, input: number): boolean {
  if (Number.isNaN(input)) return isMissingTrue;
  return mode === 'BRANCH_LT' ? input < value : input <= value;
}
