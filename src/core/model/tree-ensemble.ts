/**
 * A binary tree ensemble classifier (`TreeEnsembleClassifier` of ai.onnx.ml) in flat arrays, as find-leaves.ts walks it.
 *
 *   nodes    [ input | threshold |  left  |   -    ] ...              four 32-bit words a node
 *            [ zero  | infinity  | itself | weight ]                   a leaf
 *
 * Children stand side by side: the right one follows the left. Every comparison is `input <= threshold`, true goes
 * left. Other comparisons and missing values are brought to this form when the file is read: a row has each feature
 * twice, as it is and negated, so that NaN, for which every comparison is false, can be sent to either side. A leaf's
 * comparison is always true and leads to itself, so that every row can take the same number of steps.
 */
import { MalformedModelError, UnsupportedModelError } from './model-errors.ts';
import { FLOAT_ELEMENTS, type OnnxGraph, type OnnxNode, readOnnxGraph } from './onnx-graph.ts';

export type TreeEnsemble = {
  readonly featureCount: number;
  /** Four words a node, as above; `floats` is the same memory as floats. */
  readonly nodes: Int32Array;
  readonly floats: Float32Array;
  readonly treeCount: number;
  /** Where each tree begins in `nodes`; filled up with first trees to a multiple of `TREES_AT_ONCE`. */
  readonly roots: Int32Array;
  /** Of the deepest tree of each `TREES_AT_ONCE`. */
  readonly depths: Int32Array;
  /** Training rows that reached each node, by node index; all equal where the file does not say. */
  readonly covers: Float32Array;
  /** Added to the sum of the leaves, float32. */
  readonly base: number;
  readonly isLogistic: boolean;
};

export const NODE_WORDS = 4;
/** Far more than any catalogue has; what a broken file says would not fit in memory. */
const MAX_FEATURES = 65_536;
/** Trees that a row is sent through side by side. */
export const TREES_AT_ONCE = 4;

export function isLeaf(nodes: Int32Array, at: number): boolean {
  return nodes[at + 2] === at;
}

/** Numbers that a row is spread to: each feature, each feature negated, and the zero that leaves compare with. */
export function inputCount(featureCount: number): number {
  return 2 * featureCount + 1;
}

/**
 * Reads an ONNX file. @throws MalformedModelError for a file that contradicts itself; UnsupportedModelError for a model
 * that is not a binary tree ensemble which can be scored exactly
 */
export function readTreeEnsemble(bytes: Uint8Array): TreeEnsemble {
  const graph = readOnnxGraph(bytes);
  const classifier = onlyClassifier(graph);
  const featureCount = inputWidth(graph, classifier);
  const isLogistic = readPostTransform(classifier) === 'LOGISTIC';
  assertTwoClasses(classifier);
  const tables = readTables(classifier, featureCount);
  return { featureCount, isLogistic, base: readBase(classifier), ...layOut(tables, featureCount) };
}

/** Operators that exporters put around the ensemble and that change no probability. */
const HARMLESS = new Set(['Identity', 'Cast']);

function onlyClassifier(graph: OnnxGraph): OnnxNode {
  const [classifier, ...others] = graph.nodes.filter(({ operator }) => operator === 'TreeEnsembleClassifier');
  if (!classifier || others.length > 0) {
    const operators = graph.nodes.map(({ operator }) => operator).join(', ');
    throw new UnsupportedModelError(
      `the graph has not one TreeEnsembleClassifier, but ${operators || 'no operator'}`,
    );
  }
  for (const node of graph.nodes) {
    if (node === classifier || HARMLESS.has(node.operator) || isTimesOne(node, graph)) continue;
    throw new UnsupportedModelError(`operator ${node.operator} beside the TreeEnsembleClassifier`);
  }
  return classifier;
}

/** onnxmltools ends a LightGBM classifier with a multiplication by one. */
function isTimesOne({ operator, inputs }: OnnxNode, graph: OnnxGraph): boolean {
  if (operator !== 'Mul') return false;
  const factor = graph.initializers.find(({ name }) => inputs.includes(name));
  return factor?.floats.length === 1 && factor.floats[0] === 1;
}

function inputWidth({ inputs }: OnnxGraph, classifier: OnnxNode): number {
  const input = inputs.find(({ name }) => name === classifier.inputs[0]);
  if (!input || inputs.length !== 1)
    throw new UnsupportedModelError(`the graph has ${inputs.length} inputs, not one`);
  if (input.elementType !== FLOAT_ELEMENTS)
    throw new UnsupportedModelError(`input ${input.name} is not of float32`);
  const width = input.shape[1];
  if (input.shape.length !== 2 || width === undefined || width < 1) {
    throw new UnsupportedModelError(`input ${input.name} is not of the shape [rows, features]`);
  }
  if (width > MAX_FEATURES)
    throw new UnsupportedModelError(`input ${input.name} has ${width} features, more than ${MAX_FEATURES}`);
  return width;
}

function readPostTransform(classifier: OnnxNode): string {
  const transform = classifier.attributes.get('post_transform')?.text ?? 'NONE';
  if (transform === 'NONE' || transform === 'LOGISTIC') return transform;
  throw new UnsupportedModelError(`post_transform ${transform}`);
}

function assertTwoClasses(classifier: OnnxNode): void {
  const labels = classifier.attributes.get('classlabels_int64s')?.integers ?? [];
  if (labels.length !== 2 || labels[0] !== 0 || labels[1] !== 1) {
    throw new UnsupportedModelError(`classes ${labels.join(', ') || 'that are not numbers'}, not 0 and 1`);
  }
  const ids = new Set(classifier.attributes.get('class_ids')?.integers);
  for (const id of ids)
    if (id !== 0 && id !== 1) throw new MalformedModelError(`class_ids has class ${id} of 2`);
  if (ids.size > 1)
    throw new UnsupportedModelError('weights for more than one class, which are summed apart');
}

function readBase(classifier: OnnxNode): number {
  const base = classifier.attributes.get('base_values')?.floats ?? [];
  if (base.length > 1) throw new UnsupportedModelError(`${base.length} base values, one a class`);
  if (base.length === 0) return 0;
  if (!Number.isFinite(base[0])) throw new MalformedModelError(`the base value is ${base[0]}`);
  // ONNX Runtime adds a single base value to class 0, and forgets it where the weights are those of class 1.
  if (classifier.attributes.get('class_ids')?.integers[0] !== 0)
    throw new UnsupportedModelError('a base value beside weights for class 1');
  return base[0];
}

/** The ensemble's attributes, which are parallel arrays, one place a node. */
type Tables = {
  readonly tree: readonly number[];
  readonly feature: readonly number[];
  readonly mode: readonly string[];
  readonly value: readonly number[];
  /** Indices of the children in these arrays. */
  readonly whenTrue: Int32Array;
  readonly whenFalse: Int32Array;
  readonly isMissingTrue: readonly number[];
  readonly cover: readonly number[];
  readonly weight: Float32Array;
};

function readTables(classifier: OnnxNode, featureCount: number): Tables {
  const integers = (name: string) => classifier.attributes.get(name)?.integers ?? [];
  const floats = (name: string) => classifier.attributes.get(name)?.floats ?? [];
  const tree = integers('nodes_treeids');
  const sized = <Values extends { readonly length: number }>(name: string, values: Values): Values => {
    if (values.length === tree.length) return values;
    throw new MalformedModelError(`${name} has ${values.length} values for ${tree.length} nodes`);
  };
  if (tree.length === 0) throw new MalformedModelError('nodes_treeids has no tree');
  const indexOf = nodeIndex(tree, sized('nodes_nodeids', integers('nodes_nodeids')));
  const mode = sized('nodes_modes', classifier.attributes.get('nodes_modes')?.texts ?? []);
  const feature = sized('nodes_featureids', integers('nodes_featureids'));
  feature.forEach((id, node) => {
    if (mode[node] !== 'LEAF' && !(id >= 0 && id < featureCount)) {
      throw new MalformedModelError(`tree ${tree[node]}: a node asks for feature ${id} of ${featureCount}`);
    }
  });
  const child = (name: string) =>
    Int32Array.from(sized(name, integers(name)), (id, node) =>
      mode[node] === 'LEAF' ? -1 : indexOf(tree[node], id),
    );
  const filled = (values: readonly number[]) =>
    values.length === 0 ? new Array<number>(tree.length).fill(0) : values;
  const cover = floats('nodes_hitrates');
  const broken = cover.find((rows) => !(rows >= 0 && rows < Number.POSITIVE_INFINITY));
  if (broken !== undefined) throw new MalformedModelError(`nodes_hitrates has ${broken} rows at a node`);
  const isMissingTrue = filled(integers('nodes_missing_value_tracks_true'));
  return {
    tree,
    feature,
    mode,
    value: sized('nodes_values', floats('nodes_values')),
    whenTrue: child('nodes_truenodeids'),
    whenFalse: child('nodes_falsenodeids'),
    isMissingTrue: sized('nodes_missing_value_tracks_true', isMissingTrue),
    cover: sized('nodes_hitrates', cover.length === 0 ? new Array<number>(tree.length).fill(1) : cover),
    weight: leafWeights(classifier, indexOf, mode),
  };
}

/** From a tree's id and a node's id in it to the node's place in the arrays. */
function nodeIndex(tree: readonly number[], node: readonly number[]): (tree: number, node: number) => number {
  const places = new Map<string, number>();
  node.forEach((id, index) => {
    const key = `${tree[index]}/${id}`;
    if (places.has(key)) throw new MalformedModelError(`tree ${tree[index]}: node ${id} is there twice`);
    places.set(key, index);
  });
  return (treeId, nodeId) => {
    const index = places.get(`${treeId}/${nodeId}`);
    if (index === undefined) throw new MalformedModelError(`tree ${treeId}: node ${nodeId} is not there`);
    return index;
  };
}

function leafWeights(
  classifier: OnnxNode,
  indexOf: (tree: number, node: number) => number,
  mode: readonly string[],
) {
  const trees = classifier.attributes.get('class_treeids')?.integers ?? [];
  const nodes = classifier.attributes.get('class_nodeids')?.integers ?? [];
  const classes = classifier.attributes.get('class_ids')?.integers ?? [];
  const weights = classifier.attributes.get('class_weights')?.floats ?? [];
  if ([nodes, classes, weights].some(({ length }) => length !== trees.length)) {
    throw new MalformedModelError(
      'class_treeids, class_nodeids, class_ids and class_weights are not of one length',
    );
  }
  const byNode = new Float32Array(mode.length).fill(Number.NaN);
  trees.forEach((tree, index) => {
    const node = indexOf(tree, nodes[index]);
    if (mode[node] !== 'LEAF')
      throw new MalformedModelError(`tree ${tree}: node ${nodes[index]} has a weight and is no leaf`);
    if (!Number.isNaN(byNode[node]))
      throw new UnsupportedModelError(`tree ${tree}: leaf ${nodes[index]} has more than one weight`);
    byNode[node] = weights[index];
  });
  const bare = mode.findIndex((name, node) => name === 'LEAF' && !Number.isFinite(byNode[node]));
  if (bare >= 0) throw new MalformedModelError(`the leaf at place ${bare} has no finite weight`);
  return byNode;
}

type Layout = Pick<TreeEnsemble, 'nodes' | 'floats' | 'treeCount' | 'roots' | 'depths' | 'covers'>;

/** Lays each tree out level by level, children side by side. */
function layOut(tables: Tables, featureCount: number): Layout {
  const { tree, mode } = tables;
  const nodes = new Int32Array(mode.length * NODE_WORDS);
  const floats = new Float32Array(nodes.buffer);
  const covers = new Float32Array(mode.length);
  const roots: number[] = [];
  const isPlaced = new Uint8Array(mode.length);
  let next = 0;
  const rootNodes = rootsOf(tables);
  for (const root of rootNodes) {
    const first = next;
    roots.push(next * NODE_WORDS);
    const queue = [root];
    next++;
    for (let read = 0; read < queue.length; read++) {
      const node = queue[read];
      if (isPlaced[node] === 1) throw new MalformedModelError(`tree ${tree[node]}: a node is reached twice`);
      isPlaced[node] = 1;
      const place = (first + read) * NODE_WORDS;
      covers[first + read] = tables.cover[node];
      if (mode[node] === 'LEAF') {
        nodes.set([2 * featureCount, 0, place], place);
        floats[place + 1] = Number.POSITIVE_INFINITY;
        floats[place + 3] = tables.weight[node];
        continue;
      }
      const split = toSplit(tables, node, featureCount);
      nodes.set([split.input, 0, next * NODE_WORDS], place);
      floats[place + 1] = split.threshold;
      queue.push(split.left, split.right);
      next += 2;
    }
  }
  if (next !== mode.length) throw new MalformedModelError(`${mode.length - next} nodes belong to no tree`);
  assertRootsFirst(tree, rootNodes);
  return { nodes, floats, covers, treeCount: roots.length, ...sideBySide(nodes, roots) };
}

function sideBySide(nodes: Int32Array, roots: readonly number[]): Pick<Layout, 'roots' | 'depths'> {
  const groups = Math.ceil(roots.length / TREES_AT_ONCE);
  const filled = Int32Array.from(
    { length: groups * TREES_AT_ONCE },
    (_value, tree) => roots[tree] ?? roots[0],
  );
  const depths = Int32Array.from({ length: groups }, (_value, group) => {
    const trees = filled.subarray(group * TREES_AT_ONCE, (group + 1) * TREES_AT_ONCE);
    return trees.reduce((deepest, root) => Math.max(deepest, depthOf(nodes, root)), 0);
  });
  return { roots: filled, depths };
}

/** Steps from a node to its farthest leaf. No recursion: a tree may be as deep as it has nodes. */
function depthOf(nodes: Int32Array, root: number): number {
  let depth = 0;
  let level = [root];
  for (;;) {
    level = level.flatMap((at) => (isLeaf(nodes, at) ? [] : [nodes[at + 2], nodes[at + 2] + NODE_WORDS]));
    if (level.length === 0) return depth;
    depth++;
  }
}

/** In the file's order of trees, the nodes that are no node's child: one a tree. */
function rootsOf({ tree, whenTrue, whenFalse }: Tables): number[] {
  const isChild = new Uint8Array(tree.length);
  for (const child of [...whenTrue, ...whenFalse]) if (child >= 0) isChild[child] = 1;
  const rootOf = new Map<number, number>();
  tree.forEach((id, node) => {
    if (isChild[node] === 1) return;
    if (rootOf.has(id)) throw new MalformedModelError(`tree ${id}: has two roots`);
    rootOf.set(id, node);
  });
  const missing = tree.find((id) => !rootOf.has(id));
  if (missing !== undefined)
    throw new MalformedModelError(`tree ${missing}: has no root, its nodes go in a circle`);
  return [...new Set(tree)].map((id) => rootOf.get(id)!);
}

/** ONNX Runtime takes the first of a tree's nodes for its root, and nodes that stand apart from it for one more tree. */
function assertRootsFirst(tree: readonly number[], roots: readonly number[]): void {
  const firsts = [...tree.keys()].filter((node) => tree[node] !== tree[node - 1]);
  const isRoot = new Set(roots);
  const stray = firsts.find((node) => !isRoot.has(node));
  if (stray === undefined) return;
  throw new UnsupportedModelError(`tree ${tree[stray]}: its nodes are not together, its root first`);
}

type Split = {
  readonly input: number;
  readonly threshold: number;
  readonly left: number;
  readonly right: number;
};

/** The node's comparison as `input <= threshold`, its sides swapped and its input negated where that says the same. */
function toSplit(tables: Tables, node: number, featureCount: number): Split {
  const threshold = leqThreshold(tables.mode[node], tables.value[node], tables.tree[node]);
  const [left, right] = [tables.whenTrue[node], tables.whenFalse[node]];
  const input = tables.feature[node];
  if (tables.isMissingTrue[node] !== 1) return { input, threshold, left, right }; // to ONNX Runtime 2 is not true
  // x <= t is not(-x < -t), and -x < -t is -x <= the float before -t: false for NaN, which so goes to the true side.
  // Where t is NaN, no x is <= t but every -x is <= infinity.
  const before = Number.isNaN(threshold) ? Number.POSITIVE_INFINITY : floatBefore(-threshold);
  return { input: input + featureCount, threshold: before, left: right, right: left };
}

function leqThreshold(mode: string, value: number, tree: number): number {
  if (Number.isNaN(value)) throw new MalformedModelError(`tree ${tree}: a threshold is not a number`);
  if (mode === 'BRANCH_LEQ') return value;
  if (mode === 'BRANCH_LT') return floatBefore(value);
  throw new UnsupportedModelError(`tree ${tree}: nodes of mode ${mode}`);
}

const oneFloat = new Float32Array(1);
const itsBits = new Int32Array(oneFloat.buffer);

/** The greatest float32 that is less than `value`. */
function floatBefore(value: number): number {
  oneFloat[0] = value;
  if (value === Number.NEGATIVE_INFINITY) return Number.NaN; // nothing is less, and nothing compares with NaN
  if (value === 0) oneFloat[0] = -(2 ** -149);
  else itsBits[0] += value > 0 ? -1 : 1;
  return oneFloat[0];
}
