/**
 * An ONNX file as a graph: what goes in, what comes out, and the operators between. Field numbers are those of
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import { MalformedModelError } from './model-errors.ts';
import {
  type Fields,
  type FieldValue,
  readFields,
  toBytes,
  toFloats,
  toIntegers,
  toText,
} from './protobuf.ts';

export type OnnxGraph = {
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
};

export type OnnxValue = {
  readonly name: string;
  /** undefined: not a tensor. */
  readonly elementType: number | undefined;
  /** undefined where the file leaves a dimension open. */
  readonly shape: readonly (number | undefined)[];
};

export type OnnxNode = {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
};

/** An attribute has one kind; the members of the other kinds are empty. */
export type OnnxAttribute = {
  readonly name: string;
  readonly text: string | undefined;
  readonly integer: number | undefined;
  readonly floats: readonly number[];
  readonly integers: readonly number[];
  readonly texts: readonly string[];
};

export type OnnxTensor = {
  readonly name: string;
  readonly elementType: number;
  /** Empty unless `elementType` is `FLOAT_ELEMENTS`. */
  readonly floats: readonly number[];
};

/** `TensorProto.DataType.FLOAT`. */
export const FLOAT_ELEMENTS = 1;

/** Reads the graph of an ONNX model; throws `MalformedModelError` for what is not one. */
export function readOnnxGraph(bytes: Uint8Array): OnnxGraph {
  const model = readFields(bytes, 'model');
  const graph = single(model, 7);
  if (graph === undefined) throw new MalformedModelError('model: has no graph, so this is no ONNX file');
  const fields = readFields(toBytes(graph, 'graph'), 'graph');
  return {
    inputs: all(fields, 11).map(readValueInfo),
    outputs: all(fields, 12).map(readValueInfo),
    nodes: all(fields, 1).map(readNode),
    initializers: all(fields, 5).map(readTensor),
  };
}

function readNode(value: FieldValue): OnnxNode {
  const fields = readFields(toBytes(value, 'node'), 'node');
  const operator = text(fields, 4, 'node operator');
  const attributes = all(fields, 5).map((attribute) => readAttribute(attribute, operator));
  return {
    operator,
    inputs: all(fields, 1).map((input) => toText(input, `${operator} input`)),
    outputs: all(fields, 2).map((output) => toText(output, `${operator} output`)),
    attributes: new Map(attributes.map((attribute) => [attribute.name, attribute])),
  };
}

function readAttribute(value: FieldValue, operator: string): OnnxAttribute {
  const fields = readFields(toBytes(value, `${operator} attribute`), `${operator} attribute`);
  const name = text(fields, 1, `${operator} attribute name`);
  const path = `${operator}.${name}`;
  const textBytes = single(fields, 4);
  return {
    name,
    text: textBytes === undefined ? undefined : toText(textBytes, path),
    integer: toIntegers(all(fields, 3), path)[0],
    floats: toFloats(all(fields, 7), path),
    integers: toIntegers(all(fields, 8), path),
    texts: all(fields, 9).map((item) => toText(item, path)),
  };
}

function readTensor(value: FieldValue): OnnxTensor {
  const fields = readFields(toBytes(value, 'initializer'), 'initializer');
  const name = text(fields, 8, 'initializer name');
  const elementType = toIntegers(all(fields, 2), name)[0] ?? 0;
  const values = elementType === FLOAT_ELEMENTS ? [...all(fields, 4), ...all(fields, 9)] : [];
  return { name, elementType, floats: toFloats(values, name) };
}

function readValueInfo(value: FieldValue): OnnxValue {
  const fields = readFields(toBytes(value, 'input or output'), 'input or output');
  const name = text(fields, 1, 'input or output name');
  const tensor = message(message(fields, 2, name), 1, name);
  const shape = message(tensor, 2, name);
  return {
    name,
    elementType: toIntegers(all(tensor, 1), name)[0],
    shape: all(shape, 1).map((size) => toIntegers(all(readFields(toBytes(size, name), name), 1), name)[0]),
  };
}

function message(fields: Fields, number: number, name: string): Fields {
  const value = single(fields, number);
  return value === undefined ? new Map() : readFields(toBytes(value, name), name);
}

function text(fields: Fields, number: number, name: string): string {
  const value = single(fields, number);
  return value === undefined ? '' : toText(value, name);
}

/** Of a field that is not repeated, the last value counts. */
function single(fields: Fields, number: number): FieldValue | undefined {
  return fields.get(number)?.at(-1);
}

function all(fields: Fields, number: number): readonly FieldValue[] {
  return fields.get(number) ?? [];
}
