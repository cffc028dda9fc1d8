/**
 * Writes ONNX files for the tests: messages by the protocol buffers specification, field numbers by onnx.proto. What comes
 * out is what ONNX Runtime loads, if the test does not break it on purpose.
 */

/** Floats are packed; whole numbers, which are signed 64-bit, and texts stand alone one after the other. */
export type AttributeValue = string | readonly number[] | readonly string[] | Float32Array;
export type Attributes = Readonly<Record<string, AttributeValue | undefined>>;

/** One tree of one split on feature 0: 0.25 up to a value of 10, 0.75 above. */
export const STUMP = {
  nodes_treeids: [0, 0, 0],
  nodes_nodeids: [0, 1, 2],
  nodes_modes: ['BRANCH_LEQ', 'LEAF', 'LEAF'],
  nodes_featureids: [0, 0, 0],
  nodes_values: Float32Array.of(10, 0, 0),
  nodes_truenodeids: [1, 0, 0],
  nodes_falsenodeids: [2, 0, 0],
  class_treeids: [0, 0],
  class_nodeids: [1, 2],
  class_ids: [0, 0],
  class_weights: Float32Array.of(0.25, 0.75),
  classlabels_int64s: [0, 1],
  post_transform: 'NONE',
} as const satisfies Attributes;

/** A model of one classifier: the stump's attributes, other values for some, and none for those that are undefined. */
export function ensembleOnnx(said: Attributes = {}, featureCount = 2): Uint8Array {
  return graphOnnx([classifierNode(said)], { inputs: [valueInfo('features', 1, [undefined, featureCount])] });
}

export function classifierNode(said: Attributes = {}): Uint8Array {
  const attributes = { ...STUMP, ...said };
  return node('TreeEnsembleClassifier', ['features'], ['label', 'probabilities'], attributes);
}

type Around = {
  readonly inputs?: readonly Uint8Array[];
  readonly outputs?: readonly Uint8Array[];
  readonly initializers?: readonly Uint8Array[];
};

const FEATURES = valueInfo('features', 1, [undefined, 2]);
const OUTPUTS = [valueInfo('label', 7, [undefined]), valueInfo('probabilities', 1, [undefined, 2])];

/** A whole file around a graph's nodes, whose input is two features unless said otherwise. */
export function graphOnnx(nodes: readonly Uint8Array[], around: Around = {}): Uint8Array {
  const { inputs = [FEATURES], outputs = OUTPUTS, initializers = [] } = around;
  const graph = message(
    ...nodes.map((one) => field(1, one)),
    field(2, 'a graph of the tests'),
    ...initializers.map((one) => field(5, one)),
    ...inputs.map((one) => field(11, one)),
    ...outputs.map((one) => field(12, one)),
  );
  return modelOnnx(graph);
}

/** A model of a graph's own bytes, whatever they are. */
export function modelOnnx(graph: Uint8Array): Uint8Array {
  const operatorSets = [
    ['', 15],
    ['ai.onnx.ml', 1],
  ] as const;
  const imports = operatorSets.map(([domain, version]) =>
    field(8, message(field(1, domain), field(2, version))),
  );
  return message(field(1, 8), field(7, graph), ...imports);
}

export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
): Uint8Array {
  return message(
    ...inputs.map((name) => field(1, name)),
    ...outputs.map((name) => field(2, name)),
    field(4, operator),
    ...Object.entries(attributes).map(([name, value]) =>
      value === undefined ? new Uint8Array() : field(5, attribute(name, value)),
    ),
    ...(operator.startsWith('Tree') ? [field(7, 'ai.onnx.ml')] : []),
  );
}

function attribute(name: string, value: AttributeValue): Uint8Array {
  const [kind, ...fields] =
    typeof value === 'string'
      ? [3, field(4, value)]
      : value instanceof Float32Array
        ? [6, field(7, floatBytes(value))]
        : typeof value[0] === 'string'
          ? [8, ...value.map((text) => field(9, text))]
          : [7, ...value.map((integer) => field(8, integer))];
  return message(field(1, name), ...fields, field(20, kind));
}

/** @param elementType 1 is float, 7 int64; undefined says that it is no tensor @param shape undefined is an open dimension */
export function valueInfo(
  name: string,
  elementType: number | undefined,
  shape: readonly (number | undefined)[],
): Uint8Array {
  if (elementType === undefined)
    return message(field(1, name), field(2, message(field(4, new Uint8Array()))));
  const dimensions = shape.map((size) => field(1, size === undefined ? field(2, 'rows') : field(1, size)));
  const tensor = message(field(1, elementType), field(2, message(...dimensions)));
  return message(field(1, name), field(2, message(field(1, tensor))));
}

/** A tensor of floats, its values in `raw_data` as exporters write them, or in `float_data`. */
export function floatTensor(name: string, values: readonly number[], place: 4 | 9 = 9): Uint8Array {
  const data = field(place, floatBytes(Float32Array.from(values)));
  return message(field(1, values.length), field(2, 1), data, field(8, name));
}

export function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field of a message: whole numbers as varints, everything else with its length. */
export function field(number: number, value: number | bigint | string | Uint8Array): Uint8Array {
  if (typeof value === 'number' || typeof value === 'bigint')
    return message(varint(number * 8), varint(value));
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return message(varint(number * 8 + 2), varint(bytes.length), bytes);
}

/** Seven bits a byte, the lowest first; a negative number as its 64 bits. */
export function varint(value: number | bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Uint8Array.from([...bytes, Number(rest)]);
}

export function floatBytes(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
