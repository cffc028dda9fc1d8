import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { EnsembleAttribution } from './attribute-ensemble.ts';
import { MalformedModelError, UnsupportedModelError } from './model-errors.ts';
import {
  type Attributes,
  classifierNode,
  ensembleOnnx,
  field,
  floatTensor,
  graphOnnx,
  message,
  modelOnnx,
  node,
  STUMP,
  valueInfo,
} from './onnx-bytes.fixture.ts';
import { readFields, toBytes } from './protobuf.ts';
import { scoreEnsemble } from './score-ensemble.ts';
import { isLeaf, NODE_WORDS, readTreeEnsemble } from './tree-ensemble.ts';

const CUTS_A_FILE = 10_000;

const root = fileURLToPath(new URL('../../..', import.meta.url));
const files = globSync(['models/*/model.onnx', 'test/fixtures/models/*/model.onnx'], { cwd: root }).sort();
const models = files.map((file) => ({ name: dirname(file), onnx: readFileSync(join(root, file)) }));
const smallModels = models.filter(({ onnx }) => onnx.length < 100_000);

describe('the layout', () => {
  test('is four words a node, children side by side, leaves that lead to themselves', () => {
    const { nodes, floats, ...rest } = readTreeEnsemble(ensembleOnnx());
    assert.deepEqual([nodes[0], floats[1], nodes[2]], [0, 10, NODE_WORDS]);
    assert.deepEqual([nodes[4], floats[5], nodes[6], floats[7]], [4, Number.POSITIVE_INFINITY, 4, 0.25]);
    assert.deepEqual([nodes[8], floats[9], nodes[10], floats[11]], [4, Number.POSITIVE_INFINITY, 8, 0.75]);
    const trees = { treeCount: 1, roots: Int32Array.of(0, 0, 0, 0), depths: Int32Array.of(1) };
    const covers = Float32Array.of(1, 1, 1);
    assert.deepEqual(rest, { featureCount: 2, isLogistic: false, base: 0, ...trees, covers });
  });

  test('sends a missing value to the true side by the negated feature, its sides swapped', () => {
    const { nodes, floats, featureCount } = readTreeEnsemble(
      ensembleOnnx({ nodes_missing_value_tracks_true: [1, 0, 0] }),
    );
    assert.equal(nodes[0], 0 + featureCount);
    assert.equal(floats[1], -10 - 2 ** -20, 'the float before -10');
    assert.deepEqual([floats[7], floats[11]], [0.75, 0.25]);
  });

  for (const { name, onnx } of models) {
    test(`of ${name} has every node of the file once, behind its parent`, () => {
      const { nodes, roots, treeCount, covers, featureCount } = readTreeEnsemble(onnx);
      const reached = new Uint8Array(covers.length);
      for (const at of roots.subarray(0, treeCount)) reached[at / NODE_WORDS]++;
      for (let at = 0; at < nodes.length; at += NODE_WORDS) {
        if (isLeaf(nodes, at)) continue;
        assert.ok(nodes[at] < 2 * featureCount && nodes[at + 2] > at);
        reached[nodes[at + 2] / NODE_WORDS]++;
        reached[nodes[at + 2] / NODE_WORDS + 1]++;
      }
      assert.ok(reached.every((times) => times === 1));
      assert.equal(nodes.length, covers.length * NODE_WORDS);
    });
  }
});

describe('comparisons', () => {
  const rows = [Number.NaN, -Infinity, -1, -(2 ** -149), -0, 0, 2 ** -149, 1, Infinity];
  const thresholds = [-Infinity, -1, -(2 ** -149), -0, 0, 2 ** -149, 1, Infinity];
  for (const [mode, isTrue] of [
    ['BRANCH_LEQ', (value: number, threshold: number) => value <= threshold],
    ['BRANCH_LT', (value: number, threshold: number) => value < threshold],
  ] as const) {
    for (const tracks of [0, 1, 2]) {
      test(`${mode}, missing values ${tracks === 1 ? 'with those for which it holds' : 'with the others'} (${tracks})`, () => {
        for (const threshold of thresholds) {
          const ensemble = readTreeEnsemble(
            ensembleOnnx({
              nodes_modes: [mode, 'LEAF', 'LEAF'],
              nodes_values: Float32Array.of(threshold, 0, 0),
              nodes_missing_value_tracks_true: [tracks, 0, 0],
            }),
          );
          for (const value of rows) {
            const expected = (Number.isNaN(value) ? tracks === 1 : isTrue(value, threshold)) ? 0.25 : 0.75;
            const [score] = scoreEnsemble(ensemble, Float32Array.of(value, 0), 1);
            assert.equal(score, expected, `${value} against ${threshold}`);
          }
        }
      });
    }
  }
});

describe('operators that change no probability', () => {
  const graph = (...around: Uint8Array[]) =>
    graphOnnx([classifierNode(), ...around], {
      initializers: [floatTensor('one', [1]), floatTensor('two', [2])],
    });

  test('are passed over', () => {
    const bytes = graph(
      node('Identity', ['probabilities'], ['p']),
      node('Cast', ['label'], ['l']),
      node('Mul', ['p', 'one'], ['q']),
    );
    assert.deepEqual(readTreeEnsemble(bytes), readTreeEnsemble(ensembleOnnx()));
  });

  for (const [what, factor] of [
    ['two', 'two'],
    ['something that is computed', 'p'],
  ]) {
    test(`do not include a multiplication by ${what}`, () => {
      const bytes = graph(node('Mul', ['probabilities', factor], ['q']));
      assert.throws(
        () => readTreeEnsemble(bytes),
        isUnsupported(/^operator Mul beside the TreeEnsembleClassifier$/),
      );
    });
  }
});

type Refused = readonly (readonly [what: string, onnx: Attributes | Uint8Array, says: RegExp])[];

describe('a model that contradicts itself is malformed', () => {
  const nodesOf = ({
    modes,
    whenTrue,
    whenFalse,
  }: {
    modes: string[];
    whenTrue: number[];
    whenFalse: number[];
  }) => ({
    nodes_treeids: modes.map(() => 0),
    nodes_nodeids: [...modes.keys()],
    nodes_modes: modes,
    nodes_featureids: modes.map(() => 0),
    nodes_values: new Float32Array(modes.length),
    nodes_truenodeids: whenTrue,
    nodes_falsenodeids: whenFalse,
  });
  const [split, leaf] = ['BRANCH_LEQ', 'LEAF'];
  const threeLeaves = {
    class_treeids: [0, 0, 0],
    class_nodeids: [1, 2, 3],
    class_ids: [0, 0, 0],
    class_weights: Float32Array.of(1, 2, 3),
  };
  const refused: Refused = [
    ['too few nodes', { nodes_nodeids: [0, 1] }, /^nodes_nodeids has 2 values for 3 nodes$/],
    ['too few modes', { nodes_modes: ['BRANCH_LEQ'] }, /^nodes_modes has 1 values for 3 nodes$/],
    ['no features', { nodes_featureids: undefined }, /^nodes_featureids has 0 values for 3 nodes$/],
    ['too many thresholds', { nodes_values: new Float32Array(4) }, /^nodes_values has 4 values for 3 nodes$/],
    ['too few children', { nodes_truenodeids: [1] }, /^nodes_truenodeids has 1 values for 3 nodes$/],
    ['too few other children', { nodes_falsenodeids: [2, 0] }, /^nodes_falsenodeids has 2 values/],
    [
      'too few directions',
      { nodes_missing_value_tracks_true: [1] },
      /^nodes_missing_value_tracks_true has 1 values/,
    ],
    ['too few covers', { nodes_hitrates: Float32Array.of(1) }, /^nodes_hitrates has 1 values for 3 nodes$/],
    [
      'a negative cover',
      { nodes_hitrates: Float32Array.of(2, -1, 3) },
      /^nodes_hitrates has -1 rows at a node$/,
    ],
    ['a cover of NaN', { nodes_hitrates: Float32Array.of(2, 1, Number.NaN) }, /^nodes_hitrates has NaN rows/],
    ['a node twice', { nodes_nodeids: [0, 1, 1] }, /^tree 0: node 1 is there twice$/],
    ['a child that is not there', { nodes_truenodeids: [7, 0, 0] }, /^tree 0: node 7 is not there$/],
    ['a child in another tree', { nodes_treeids: [0, 0, 1] }, /^tree 0: node 2 is not there$/],
    ['a feature beyond the row', { nodes_featureids: [2, 0, 0] }, /^tree 0: a node asks for feature 2 of 2$/],
    ['a negative feature', { nodes_featureids: [-1, 0, 0] }, /^tree 0: a node asks for feature -1 of 2$/],
    [
      'a threshold of NaN',
      { nodes_values: Float32Array.of(Number.NaN, 0, 0) },
      /^tree 0: a threshold is not a number$/,
    ],
    ['weights without leaves', { class_treeids: [0] }, /^class_treeids, .* are not of one length$/],
    ['leaves without weights', { class_weights: Float32Array.of(1) }, /are not of one length$/],
    ['leaves without classes', { class_ids: [0] }, /are not of one length$/],
    [
      'a leaf without a weight',
      { class_treeids: [0], class_nodeids: [1], class_ids: [0], class_weights: Float32Array.of(1) },
      /^the leaf at place 2 has no finite weight$/,
    ],
    [
      'an infinite weight',
      { class_weights: Float32Array.of(Infinity, 1) },
      /^the leaf at place 1 has no finite weight$/,
    ],
    [
      'a weight of NaN',
      { class_weights: Float32Array.of(1, Number.NaN) },
      /^the leaf at place 2 has no finite weight$/,
    ],
    ['a weight at a split', { class_nodeids: [1, 0] }, /^tree 0: node 0 has a weight and is no leaf$/],
    ['a weight at no node', { class_nodeids: [1, 9] }, /^tree 0: node 9 is not there$/],
    ['a third class', { class_ids: [2, 2] }, /^class_ids has class 2 of 2$/],
    ['a base value of NaN', { base_values: Float32Array.of(Number.NaN) }, /^the base value is NaN$/],
    ['an infinite base value', { base_values: Float32Array.of(-Infinity) }, /^the base value is -Infinity$/],
    ['a node that is its own child', { nodes_truenodeids: [0, 0, 0] }, /^2 nodes belong to no tree$/],
    [
      'a circle',
      {
        nodes_modes: [split, split, leaf],
        nodes_truenodeids: [1, 0, 0],
        nodes_falsenodeids: [2, 2, 0],
        class_treeids: [0],
        class_nodeids: [2],
        class_ids: [0],
        class_weights: Float32Array.of(1),
      },
      /^tree 0: has no root, its nodes go in a circle$/,
    ],
    [
      'a circle beside the tree',
      {
        ...nodesOf({
          modes: [split, leaf, leaf, split, split],
          whenTrue: [1, 0, 0, 4, 3],
          whenFalse: [2, 0, 0, 4, 3],
        }),
      },
      /^2 nodes belong to no tree$/,
    ],
    [
      'two roots',
      {
        ...nodesOf({
          modes: [split, leaf, leaf, leaf, split],
          whenTrue: [1, 0, 0, 0, 3],
          whenFalse: [2, 0, 0, 0, 3],
        }),
        ...threeLeaves,
      },
      /^tree 0: has two roots$/,
    ],
    // As many nodes are reached as there are, but one of them twice and others never.
    [
      'one branch on both sides, and a circle',
      {
        ...nodesOf({
          modes: [split, split, leaf, leaf, split, split, split],
          whenTrue: [1, 2, 0, 0, 5, 6, 4],
          whenFalse: [1, 3, 0, 0, 5, 6, 4],
        }),
        class_nodeids: [2, 3],
      },
      /^tree 0: a node is reached twice$/,
    ],
    ['noise in place of a model', Buffer.from('not a model at all'), /^model: /],
    [
      'no nodes',
      Object.fromEntries(
        Object.keys(STUMP).map((name) => [name, name.startsWith('classlabels') ? [0, 1] : undefined]),
      ),
      /^nodes_treeids has no tree$/,
    ],
  ];
  for (const [what, said, says] of refused) {
    test(what, () => assert.throws(() => readTreeEnsemble(toOnnx(said)), isMalformed(says)));
  }
});

describe('a model that only another scorer can score is unsupported', () => {
  const input = (width: number | undefined, elementType: number | undefined) =>
    graphOnnx([classifierNode()], { inputs: [valueInfo('features', elementType, [undefined, width])] });
  const refused: Refused = [
    [
      'no ensemble',
      graphOnnx([node('LinearClassifier', ['features'], ['label'])]),
      /^the graph has not one TreeEnsembleClassifier, but LinearClassifier$/,
    ],
    ['no operator', graphOnnx([]), /^the graph has not one TreeEnsembleClassifier, but no operator$/],
    [
      'two ensembles',
      graphOnnx([classifierNode(), classifierNode()]),
      /but TreeEnsembleClassifier, TreeEnsembleClassifier$/,
    ],
    [
      'a scaler before it',
      graphOnnx([node('Scaler', ['x'], ['features']), classifierNode()]),
      /^operator Scaler beside/,
    ],
    ['an input of doubles', input(2, 11), /^input features is not of float32$/],
    ['an input that is no tensor', input(2, undefined), /^input features is not of float32$/],
    ['an open width', input(undefined, 1), /^input features is not of the shape \[rows, features\]$/],
    ['no width', input(0, 1), /^input features is not of the shape/],
    [
      'a width beyond reason',
      input(2 ** 40, 1),
      /^input features has 1099511627776 features, more than 65536$/,
    ],
    [
      'one dimension',
      graphOnnx([classifierNode()], { inputs: [valueInfo('features', 1, [2])] }),
      /is not of the shape/,
    ],
    [
      'two inputs',
      graphOnnx([classifierNode()], {
        inputs: [valueInfo('features', 1, [undefined, 2]), valueInfo('more', 1, [undefined, 2])],
      }),
      /^the graph has 2 inputs, not one$/,
    ],
    [
      'an input that something else takes',
      graphOnnx([classifierNode()], { inputs: [valueInfo('x', 1, [undefined, 2])] }),
      /^the graph has 1 inputs, not one/,
    ],
    ['a softmax', { post_transform: 'SOFTMAX' }, /^post_transform SOFTMAX$/],
    ['three classes', { classlabels_int64s: [0, 1, 2] }, /^classes 0, 1, 2, not 0 and 1$/],
    ['classes in another order', { classlabels_int64s: [1, 0] }, /^classes 1, 0, not 0 and 1$/],
    [
      'classes with names',
      { classlabels_int64s: undefined, classlabels_strings: ['no', 'yes'] },
      /^classes that are not numbers, not 0 and 1$/,
    ],
    [
      'weights for both classes',
      { class_ids: [0, 1] },
      /^weights for more than one class, which are summed apart$/,
    ],
    ['a base value for each class', { base_values: Float32Array.of(1, 2) }, /^2 base values, one a class$/],
    [
      'a base value that would be forgotten',
      { base_values: Float32Array.of(1), class_ids: [1, 1] },
      /^a base value beside weights for class 1$/,
    ],
    [
      'two weights of a leaf',
      {
        class_treeids: [0, 0, 0],
        class_nodeids: [1, 2, 2],
        class_ids: [0, 0, 0],
        class_weights: Float32Array.of(1, 2, 3),
      },
      /^tree 0: leaf 2 has more than one weight$/,
    ],
    [
      'another comparison',
      { nodes_modes: ['BRANCH_GT', 'LEAF', 'LEAF'] },
      /^tree 0: nodes of mode BRANCH_GT$/,
    ],
    [
      'a root behind its children',
      {
        nodes_nodeids: [1, 0, 2],
        nodes_modes: ['LEAF', 'BRANCH_LEQ', 'LEAF'],
        nodes_truenodeids: [0, 1, 0],
        nodes_falsenodeids: [0, 2, 0],
      },
      /^tree 0: its nodes are not together, its root first$/,
    ],
  ];
  for (const [what, said, says] of refused) {
    test(what, () => assert.throws(() => readTreeEnsemble(toOnnx(said)), isUnsupported(says)));
  }
});

describe('a real file', () => {
  test('cut anywhere within its graph is malformed', () => {
    for (const { name, onnx } of models) {
      const graph = toBytes(readFields(onnx, 'model').get(7)![0], 'graph');
      const end = graph.byteOffset - onnx.byteOffset + graph.length;
      const step = Math.ceil(end / CUTS_A_FILE);
      for (let length = 0; length < end; length += step)
        assert.throws(
          () => readTreeEnsemble(onnx.subarray(0, length)),
          isMalformed(/^model: /),
          `${name} to ${length}`,
        );
      for (let length = end; length <= onnx.length; length++) assertRefusedOrWhole(onnx.subarray(0, length));
    }
  });

  test('whose graph, node or attribute is cut is refused, or whole', () => {
    const property = fc.property(
      smallModel(),
      fc.constantFrom(...LEVELS),
      share(),
      share(),
      (onnx, level, which, cut) => assertRefusedOrWhole(withPartCut(onnx, level, which, cut)),
    );
    fc.assert(property, { numRuns: 600 });
  });

  test('with a byte changed is refused, or whole', () => {
    const property = fc.property(
      smallModel(),
      share(),
      fc.integer({ min: 1, max: 255 }),
      (onnx, where, change) => {
        const bytes = Uint8Array.from(onnx);
        bytes[Math.floor(where * bytes.length)] ^= change;
        assertRefusedOrWhole(bytes);
      },
    );
    fc.assert(property, { numRuns: 1500 });
  });

  test('with a bit changed outside of its long lists is refused, or whole', () => {
    const stump = ensembleOnnx({ ...STUMP, base_values: Float32Array.of(0.5), post_transform: 'LOGISTIC' });
    for (let bit = 0; bit < stump.length * 8; bit++) {
      const bytes = Uint8Array.from(stump);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      assertRefusedOrWhole(bytes);
    }
  });

  test('with parts left out, repeated or put elsewhere is refused, or whole', () => {
    const stump = ensembleOnnx({ ...STUMP, nodes_hitrates: Float32Array.of(9, 4, 5) });
    const place = fc.nat(stump.length);
    const property = fc.property(place, place, place, (from, to, at) =>
      assertRefusedOrWhole(
        message(
          stump.subarray(0, at),
          stump.subarray(Math.min(from, to), Math.max(from, to)),
          stump.subarray(at),
        ),
      ),
    );
    fc.assert(property, { numRuns: 3000 });
  });
});

/** Either one of the two errors, or an ensemble that scores and attributes rows, and comes to an end. */
function assertRefusedOrWhole(onnx: Uint8Array): void {
  try {
    const ensemble = readTreeEnsemble(onnx);
    const attribution = new EnsembleAttribution(ensemble);
    for (const value of [0, 1e6, -1e6, Number.NaN]) {
      const row = new Float32Array(ensemble.featureCount).fill(value);
      assert.equal(scoreEnsemble(ensemble, row, 1).length, 1);
      assert.ok(attribution.attribute(row, 1).every(Number.isFinite), 'contributions are numbers');
    }
  } catch (error) {
    if (!(error instanceof MalformedModelError || error instanceof UnsupportedModelError)) throw error;
    assert.ok(error.message.length > 0);
  }
}

const LEVELS = ['graph', 'node', 'attribute'] as const;

/** The same file with a shorter part, and lengths around it that fit. */
function withPartCut(
  onnx: Uint8Array,
  level: (typeof LEVELS)[number],
  which: number,
  cut: number,
): Uint8Array {
  const shorter = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(cut * bytes.length));
  const graph = toBytes(readFields(onnx, 'model').get(7)![0], 'graph');
  if (level === 'graph') return modelOnnx(shorter(graph));
  return modelOnnx(
    replaceOne(graph, 1, which, (one) =>
      level === 'node' ? shorter(one) : replaceOne(one, 5, which, shorter),
    ),
  );
}

/** The message with one of its fields of a number replaced. */
function replaceOne(
  bytes: Uint8Array,
  number: number,
  which: number,
  replace: (one: Uint8Array) => Uint8Array,
): Uint8Array {
  const parts = [...readFields(bytes, 'part')].flatMap(([name, values]) =>
    values.map((value, index) => {
      const isChosen = name === number && index === Math.floor(which * values.length);
      return field(name, isChosen ? replace(toBytes(value, 'part')) : value);
    }),
  );
  return message(...parts);
}

function smallModel(): fc.Arbitrary<Uint8Array> {
  return fc.constantFrom(...smallModels.map(({ onnx }) => onnx));
}

function share(): fc.Arbitrary<number> {
  return fc.double({ min: 0, max: 0.999_999, noNaN: true });
}

function toOnnx(said: Attributes | Uint8Array): Uint8Array {
  return said instanceof Uint8Array ? said : ensembleOnnx(said);
}

function isMalformed(says: RegExp) {
  return isError(MalformedModelError, 'model_malformed', says);
}

function isUnsupported(says: RegExp) {
  return isError(UnsupportedModelError, 'model_unsupported', says);
}

function isError(
  kind: typeof MalformedModelError | typeof UnsupportedModelError,
  code: string,
  says: RegExp,
) {
  return (error: unknown) => {
    assert.ok(error instanceof kind, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, says);
    return true;
  };
}
