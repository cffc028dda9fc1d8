import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryEnsemble, arbitraryRow, FEATURE_COUNT } from '../../core/model/arbitrary-ensemble.ts';
import { ensembleOnnx, graphOnnx, node, valueInfo } from '../../core/model/onnx-bytes.fixture.ts';
import { scoreEnsemble } from '../../core/model/score-ensemble.ts';
import { readTreeEnsemble } from '../../core/model/tree-ensemble.ts';
import { OnnxRuntimeModelError, OnnxRuntimeScorer } from './onnxruntime-scorer.ts';

const LOGISTIC = new URL('../../../test/fixtures/models-other/logistic/', import.meta.url);

describe('a model that is no tree ensemble', () => {
  const onnx = readFileSync(new URL('model.onnx', LOGISTIC));
  const { inputs, probabilities } = JSON.parse(readFileSync(new URL('parity.json', LOGISTIC), 'utf8'));
  const rows = Float32Array.from(inputs.flat() as (number | null)[], (value) => value ?? Number.NaN);

  test('is scored as Python’s ONNX Runtime scores it, whatever rows a row is scored with', async () => {
    const scorer = await OnnxRuntimeScorer.load(onnx);
    assert.equal(scorer.featureCount, 6);
    assert.ok(rows.some(Number.isNaN), 'values are missing');
    const expected = Float32Array.from(probabilities as number[]);
    assert.deepEqual(await scorer.scoreEach(rows, inputs.length), expected);
    for (const count of [1, 2, 3, 7, 16]) {
      for (let first = 0; first + count <= expected.length; first += count) {
        const some = await scorer.scoreEach(rows.subarray(first * 6, (first + count) * 6), count);
        assert.deepEqual(some, expected.slice(first, first + count), `rows ${first} to ${first + count}`);
      }
    }
  });

  test('scores several batches at a time', async () => {
    const scorer = await OnnxRuntimeScorer.load(onnx);
    const expected = Float32Array.from(probabilities as number[]);
    const batches = await Promise.all(Array.from({ length: 8 }, () => scorer.scoreEach(rows, inputs.length)));
    for (const batch of batches) assert.deepEqual(batch, expected);
  });
});

test('random tree ensembles are scored as TypeScript scores them, bit for bit', async () => {
  const some = fc.array(arbitraryRow, { minLength: 1, maxLength: 20 });
  const property = fc.asyncProperty(arbitraryEnsemble, some, async (said, rows) => {
    const onnx = ensembleOnnx(said, FEATURE_COUNT);
    const flat = Float32Array.from(rows.flatMap((row) => [...row]));
    const scorer = await OnnxRuntimeScorer.load(onnx);
    const expected = await scorer.score(flat, rows.length);
    assert.deepEqual(scoreEnsemble(readTreeEnsemble(onnx), flat, rows.length), expected);
  });
  await fc.assert(property, { numRuns: 300 });
});

describe('what is no classifier of float32 rows is refused when it is loaded:', () => {
  const of = (elementType: number, ...shape: (number | undefined)[]) => [elementType, shape] as const;
  const rowsOf = (width: number) => of(1, undefined, width);
  const oneInput = /^the model has not one input of float32 rows$/;
  const refused: readonly (readonly [what: string, onnx: Uint8Array, says: RegExp])[] = [
    ['noise', Buffer.from('this is no ONNX file'), /protobuf parsing failed/],
    ['nothing', new Uint8Array(), /./],
    ['half a file', readFileSync(new URL('model.onnx', LOGISTIC)).subarray(0, 300), /./],
    ['an operator that nobody knows', identity(rowsOf(2), { operator: 'Guess' }), /Guess/],
    ['whole numbers', identity(of(7, undefined, 2)), oneInput],
    ['doubles', identity(of(11, undefined, 2)), oneInput],
    ['an open width', identity(of(1, undefined, undefined)), oneInput],
    ['one dimension', identity(of(1, 2)), oneInput],
    ['two inputs', identity(rowsOf(2), { isWithMore: true }), oneInput],
    ['three classes', identity(rowsOf(3)), /^no output has the probabilities of two classes$/],
    ['so many rows and no others', identity(of(1, 5, 2)), /invalid dimensions for input: features/],
  ];
  for (const [what, onnx, says] of refused) {
    test(what, () => assert.rejects(OnnxRuntimeScorer.load(onnx), isRefusal(says)));
  }
});

/** A model whose probabilities are its features. */
function identity(
  type: readonly [elementType: number, shape: readonly (number | undefined)[]],
  { operator = 'Identity', isWithMore = false } = {},
): Uint8Array {
  const inputs = isWithMore ? ['features', 'more'] : ['features'];
  return graphOnnx([node(operator, ['features'], ['probabilities'])], {
    inputs: inputs.map((name) => valueInfo(name, ...type)),
    outputs: [valueInfo('probabilities', ...type)],
  });
}

function isRefusal(says: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof OnnxRuntimeModelError && error.code === 'onnxruntime-model', String(error));
    assert.match(error.message, says);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}
