import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MalformedModelError } from './model-errors.ts';
import {
  field,
  floatBytes,
  floatTensor,
  graphOnnx,
  message,
  modelOnnx,
  node,
  valueInfo,
} from './onnx-bytes.fixture.ts';
import { readOnnxGraph } from './onnx-graph.ts';

describe('an ONNX file', () => {
  test('is read as its graph', () => {
    const scale = node('Mul', ['features', 'one'], ['scaled']);
    const trees = node('TreeEnsembleClassifier', ['scaled'], ['label'], {
      post_transform: 'LOGISTIC',
      nodes_modes: ['LEAF', 'LEAF'],
      nodes_nodeids: [0, 2 ** 40],
      nodes_values: Float32Array.of(0.5, -Infinity),
      classlabels_int64s: [-1],
    });
    const graph = readOnnxGraph(
      graphOnnx([scale, trees], {
        inputs: [valueInfo('features', 1, [undefined, 13])],
        initializers: [floatTensor('one', [1]), floatTensor('two', [1, 2.5], 4)],
      }),
    );
    assert.deepEqual(
      graph.nodes.map(({ operator, inputs, outputs }) => [operator, inputs, outputs]),
      [
        ['Mul', ['features', 'one'], ['scaled']],
        ['TreeEnsembleClassifier', ['scaled'], ['label']],
      ],
    );
    assert.deepEqual(graph.inputs, [{ name: 'features', elementType: 1, shape: [undefined, 13] }]);
    assert.deepEqual(
      graph.outputs.map(({ name }) => name),
      ['label', 'probabilities'],
    );
    assert.deepEqual(graph.initializers, [
      { name: 'one', elementType: 1, floats: [1] },
      { name: 'two', elementType: 1, floats: [1, 2.5] },
    ]);
    const { attributes } = graph.nodes[1];
    assert.equal(attributes.get('post_transform')?.text, 'LOGISTIC');
    assert.deepEqual(attributes.get('nodes_modes')?.texts, ['LEAF', 'LEAF']);
    assert.deepEqual(attributes.get('nodes_nodeids')?.integers, [0, 2 ** 40]);
    assert.deepEqual(attributes.get('nodes_values')?.floats, [0.5, Number.NEGATIVE_INFINITY]);
    assert.deepEqual(attributes.get('classlabels_int64s')?.integers, [-1]);
  });

  test('that repeats a single field means the last of them', () => {
    const empty = field(7, message());
    const { nodes } = readOnnxGraph(message(empty, modelOnnx(message(field(1, node('Abs', [], []))))));
    assert.deepEqual(
      nodes.map(({ operator }) => operator),
      ['Abs'],
    );
    assert.equal(
      readOnnxGraph(message(modelOnnx(message(field(1, node('Abs', [], [])))), empty)).nodes.length,
      0,
    );
  });

  test('may leave out whatever a graph can do without', () => {
    assert.deepEqual(readOnnxGraph(modelOnnx(message())), {
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: [],
    });
    const bare = readOnnxGraph(modelOnnx(message(field(1, message()), field(11, field(1, 'x')))));
    assert.deepEqual(bare.inputs, [{ name: 'x', elementType: undefined, shape: [] }]);
    assert.equal(bare.nodes[0].operator, '');
  });

  test('has inputs that are no tensors, and tensors that are no floats', () => {
    const wholeNumbers = message(field(1, 1), field(2, 7), field(7, 5), field(8, 'size'));
    const { inputs, initializers } = readOnnxGraph(
      graphOnnx([], { inputs: [valueInfo('rows', undefined, [])], initializers: [wholeNumbers] }),
    );
    assert.deepEqual(inputs, [{ name: 'rows', elementType: undefined, shape: [] }]);
    assert.deepEqual(initializers, [{ name: 'size', elementType: 7, floats: [] }]);
  });

  const inGraph = (number: number, ...fields: Uint8Array[]) =>
    modelOnnx(message(field(number, message(...fields))));
  const inAttribute = (...fields: Uint8Array[]) =>
    inGraph(1, field(4, 'Mul'), field(5, message(field(1, 'axis'), ...fields)));
  const refusals: readonly (readonly [what: string, bytes: Uint8Array, says: RegExp])[] = [
    ['nothing', new Uint8Array(), /^model: has no graph, so this is no ONNX file$/],
    ['a text', Buffer.from('PK\u0003\u0004 not ONNX'), /^model: /],
    ['a number for a graph', field(7, 1), /^graph: a whole number where bytes belong$/],
    ['a number for a node', modelOnnx(field(1, 1)), /^node: a whole number where bytes belong$/],
    ['a number for an operator', inGraph(1, field(4, 1)), /^node operator: a whole number/],
    ['a number for an input', inGraph(1, field(4, 'Mul'), field(1, 1)), /^Mul input: a whole number/],
    ['a number for an output', inGraph(1, field(4, 'Mul'), field(2, 1)), /^Mul output: a whole number/],
    ['a number for an attribute', inGraph(1, field(4, 'Mul'), field(5, 1)), /^Mul attribute: a whole/],
    ['a number for a name', inGraph(1, field(4, 'Mul'), field(5, field(1, 1))), /^Mul attribute name: /],
    ['a number for a text', inAttribute(field(4, 1)), /^Mul\.axis: a whole number where bytes belong$/],
    ['a number for a list of texts', inAttribute(field(9, 1)), /^Mul\.axis: a whole number/],
    ['a number for floats', inAttribute(field(7, 1)), /^Mul\.axis: a whole number where a float belongs$/],
    ['floats of five bytes', inAttribute(field(7, new Uint8Array(5))), /^Mul\.axis: floats of 5 bytes$/],
    ['an integer out of range', inAttribute(field(8, 2n ** 60n)), /^Mul\.axis: 1152921504606846976 is out/],
    ['a number for an initializer', modelOnnx(field(5, 1)), /^initializer: a whole number/],
    ['a number for its name', inGraph(5, field(8, 1)), /^initializer name: a whole number/],
    ['a number for its floats', inGraph(5, field(8, 'w'), field(2, 1), field(4, 1)), /^w: a whole number/],
    [
      'half a float',
      inGraph(5, field(8, 'w'), field(2, 1), field(9, floatBytes(Float32Array.of(1)).subarray(2))),
      /^w: floats of 2 bytes$/,
    ],
    ['a number for an input of the graph', modelOnnx(field(11, 1)), /^input or output: a whole number/],
    ['a number for its type', inGraph(11, field(1, 'x'), field(2, 1)), /^x: a whole number/],
    [
      'a number for its dimension',
      inGraph(11, field(1, 'x'), field(2, field(1, field(2, field(1, 5))))),
      /^x: a whole number/,
    ],
  ];
  for (const [what, bytes, says] of refusals) {
    test(`with ${what} is refused`, () => {
      assert.throws(
        () => readOnnxGraph(bytes),
        (error) => error instanceof MalformedModelError && says.test(error.message),
      );
    });
  }
});
