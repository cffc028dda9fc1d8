/** Random small tree ensembles, as attributes of an ONNX node: nodes in any order behind their root, thresholds at the edges. */
import fc from 'fast-check';
import type { Attributes } from './onnx-bytes.fixture.ts';

export const FEATURE_COUNT = 3;
export const LARGEST_WEIGHT = 1e8;
const MAX_DEPTH = 4;
/** 2^-149 is the least float32 above zero. */
const EDGES = [
  0,
  -0,
  2 ** -149,
  -(2 ** -149),
  1,
  -1,
  3.4028234663852886e38,
  -3.4028234663852886e38,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];
const edge = fc.oneof(fc.constantFrom(...EDGES), fc.float({ noNaN: true }));

/** Rows whose values are those that thresholds have, those beside them, and none. */
export const arbitraryRow: fc.Arbitrary<Float32Array> = fc
  .array(fc.oneof(edge, fc.constant(Number.NaN)), { minLength: FEATURE_COUNT, maxLength: FEATURE_COUNT })
  .map((values) => Float32Array.from(values));

type Tree = Leaf | Split;
type Leaf = { readonly weight: number; readonly cover: number };
type Split = {
  readonly mode: 'BRANCH_LEQ' | 'BRANCH_LT';
  readonly feature: number;
  readonly value: number;
  readonly isMissingTrue: boolean;
  readonly whenTrue: Tree;
  readonly whenFalse: Tree;
};
type Row = {
  readonly tree: number;
  readonly id: number;
  readonly mode: string;
  readonly feature: number;
  readonly value: number;
  readonly isMissingTrue: boolean;
  readonly cover: number;
  readonly whenTrue: number;
  readonly whenFalse: number;
  readonly weight: number;
};

const leaf: fc.Arbitrary<Leaf> = fc.record({
  weight: fc.oneof(
    fc.constantFrom(LARGEST_WEIGHT, -LARGEST_WEIGHT, 0.1),
    fc.float({ min: -1, max: 1, noNaN: true }),
  ),
  cover: fc.integer({ min: 0, max: 1000 }),
});

const treeOfDepth: fc.Memo<Tree> = fc.memo<Tree>((depth) =>
  depth <= 1
    ? leaf
    : fc.oneof(
        leaf,
        fc.record<Split>({
          mode: fc.constantFrom('BRANCH_LEQ', 'BRANCH_LT'),
          feature: fc.nat(FEATURE_COUNT - 1),
          value: edge,
          isMissingTrue: fc.boolean(),
          whenTrue: treeOfDepth(depth - 1),
          whenFalse: treeOfDepth(depth - 1),
        }),
      ),
);

/** Attributes of a `TreeEnsembleClassifier` of one to four trees. */
export const arbitraryEnsemble: fc.Arbitrary<Attributes> = fc
  .record({
    trees: fc.array(treeOfDepth(MAX_DEPTH), { minLength: 1, maxLength: 4 }),
    treeIds: fc.uniqueArray(fc.nat(1000), { minLength: 4, maxLength: 4 }),
    areIdsReversed: fc.boolean(),
    places: fc.infiniteStream(fc.nat(1_000_000)),
    isLogistic: fc.boolean(),
    base: fc.option(fc.float({ min: -1, max: 1, noNaN: true }), { nil: undefined }),
  })
  .map(({ trees, treeIds, areIdsReversed, places, isLogistic, base }) => {
    const rows = trees.flatMap((tree, index) => {
      const [root, ...others] = rowsOf(tree, treeIds[index], areIdsReversed).reverse();
      const placed = others.map((row) => ({ row, place: places.next().value }));
      return [root, ...placed.toSorted((one, other) => one.place - other.place).map(({ row }) => row)];
    });
    return { ...toAttributes(rows, base), post_transform: isLogistic ? 'LOGISTIC' : 'NONE' };
  });

/** The root comes last. */
function rowsOf(root: Tree, tree: number, areIdsReversed: boolean): Row[] {
  const rows: Row[] = [];
  let made = areIdsReversed ? countNodes(root) : -1;
  const add = (node: Tree): { id: number; cover: number } => {
    made += areIdsReversed ? -1 : 1;
    const id = made;
    const leafPart = { mode: 'LEAF', feature: 0, value: 0, isMissingTrue: false, whenTrue: 0, whenFalse: 0 };
    if ('weight' in node) {
      rows.push({ tree, id, ...leafPart, ...node });
      return { id, cover: node.cover };
    }
    const [whenTrue, whenFalse] = [add(node.whenTrue), add(node.whenFalse)];
    const cover = whenTrue.cover + whenFalse.cover;
    rows.push({ ...node, tree, id, cover, whenTrue: whenTrue.id, whenFalse: whenFalse.id, weight: 0 });
    return { id, cover };
  };
  add(root);
  return rows;
}

function countNodes(node: Tree): number {
  return 'weight' in node ? 1 : 1 + countNodes(node.whenTrue) + countNodes(node.whenFalse);
}

function toAttributes(rows: readonly Row[], base: number | undefined): Attributes {
  const leaves = rows.filter(({ mode }) => mode === 'LEAF');
  return {
    nodes_treeids: rows.map(({ tree }) => tree),
    nodes_nodeids: rows.map(({ id }) => id),
    nodes_modes: rows.map(({ mode }) => mode),
    nodes_featureids: rows.map(({ feature }) => feature),
    nodes_values: Float32Array.from(rows, ({ value }) => value),
    nodes_truenodeids: rows.map(({ whenTrue }) => whenTrue),
    nodes_falsenodeids: rows.map(({ whenFalse }) => whenFalse),
    nodes_missing_value_tracks_true: rows.map(({ isMissingTrue }) => Number(isMissingTrue)),
    nodes_hitrates: Float32Array.from(rows, ({ cover }) => cover),
    class_treeids: leaves.map(({ tree }) => tree),
    class_nodeids: leaves.map(({ id }) => id),
    class_ids: leaves.map(() => 0),
    class_weights: Float32Array.from(leaves, ({ weight }) => weight),
    base_values: base === undefined ? undefined : Float32Array.of(base),
  };
}
