import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { arbitraryEnsemble, arbitraryRow, FEATURE_COUNT } from './arbitrary-ensemble.ts';
import { NaiveEnsemble } from './naive-ensemble.ts';
import { ensembleOnnx } from './onnx-bytes.fixture.ts';
import { scoreEnsemble } from './score-ensemble.ts';
import { readTreeEnsemble } from './tree-ensemble.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const models = globSync(['models/*/model.onnx', 'test/fixtures/models/*/model.onnx'], { cwd: root }).sort();

describe('scores', () => {
  test('of random ensembles equal a walk along the file’s own nodes, bit for bit', () => {
    const property = fc.property(
      arbitraryEnsemble,
      fc.array(arbitraryRow, { minLength: 1 }),
      (said, rows) => {
        const onnx = ensembleOnnx(said, FEATURE_COUNT);
        const naive = new NaiveEnsemble(onnx);
        const sums = { ...readTreeEnsemble(onnx), isLogistic: false };
        const scores = scoreEnsemble(sums, flat(rows), rows.length);
        assert.deepEqual(
          scores,
          Float32Array.from(rows, (row) => naive.sum(row)),
        );
      },
    );
    fc.assert(property, { numRuns: 1000 });
  });

  for (const file of models) {
    test(`of ${dirname(file)} are those of its own nodes, with values missing and negated too`, () => {
      const onnx = readFileSync(join(root, file));
      const rows = parityRows(dirname(file)).flatMap((row) => [
        row,
        row.map((value) => -value),
        row.map((value, index) => (index % 2 === 0 ? value : Number.NaN)),
        row.map(() => Number.NaN),
      ]);
      const naive = new NaiveEnsemble(onnx);
      const ensemble = readTreeEnsemble(onnx);
      const sums = scoreEnsemble({ ...ensemble, isLogistic: false }, flat(rows), rows.length);
      assert.deepEqual(
        sums,
        Float32Array.from(rows, (row) => naive.sum(row)),
      );
      const probabilities = scoreEnsemble(ensemble, flat(rows), rows.length);
      probabilities.forEach((probability, row) => {
        const expected = ensemble.isLogistic ? 1 / (1 + Math.exp(-sums[row])) : sums[row];
        assert.ok(Math.abs(probability - expected) <= 2 ** -23, `${probability} is not ${expected}`);
      });
    });
  }

  test('do not depend on the rows beside them', () => {
    const onnx = readFileSync(join(root, 'models/v2/model.onnx'));
    const ensemble = readTreeEnsemble(onnx);
    const rows = parityRows('models/v2');
    const together = scoreEnsemble(ensemble, flat(rows), rows.length);
    const alone = rows.map((row) => scoreEnsemble(ensemble, row, 1)[0]);
    assert.deepEqual([...together], alone);
    assert.equal(scoreEnsemble(ensemble, new Float32Array(), 0).length, 0);
  });

  test('by the logistic function go from 0 to 1, are symmetrical, and never fall', () => {
    const logistic = (sum: number) => {
      const leaf = { class_weights: Float32Array.of(sum, sum), post_transform: 'LOGISTIC' };
      return scoreEnsemble(readTreeEnsemble(ensembleOnnx(leaf)), new Float32Array(2), 1)[0];
    };
    assert.equal(logistic(0), 0.5);
    assert.equal(logistic(-0), 0.5);
    assert.equal(logistic(3.4e38), 1);
    assert.equal(logistic(-3.4e38), 0);
    const property = fc.property(fc.float({ min: -40, max: 40, noNaN: true }), (sum) => {
      assert.equal(logistic(-sum), Math.fround(1 - logistic(sum)));
      assert.ok(logistic(sum) <= logistic(Math.fround(sum + 0.01)));
      assert.ok(Math.abs(logistic(sum) - 1 / (1 + Math.exp(-sum))) <= 2 ** -23);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('add leaves in float32, in the order of the trees, and the base last', () => {
    const sums = (weights: number[], base: number) => {
      const trees = weights.map((_weight, index) => 9 - index);
      const zeros = weights.map(() => 0);
      const leaves = {
        ...{ nodes_treeids: trees, nodes_nodeids: zeros, nodes_featureids: zeros },
        ...{ nodes_truenodeids: zeros, nodes_falsenodeids: zeros, nodes_modes: weights.map(() => 'LEAF') },
        ...{ class_treeids: trees, class_nodeids: zeros, class_ids: zeros },
        nodes_values: Float32Array.from(zeros),
        class_weights: Float32Array.from(weights),
        base_values: Float32Array.of(base),
      };
      return scoreEnsemble(readTreeEnsemble(ensembleOnnx(leaves)), new Float32Array(2), 1)[0];
    };
    // What ONNX Runtime 1.30 gives for these very files.
    assert.equal(sums([1e8, -1e8, 1], 0), 1);
    assert.equal(sums([1, -1e8, 1e8], 0), 0);
    assert.equal(sums([1, -1e8, 1e8], 0.001), Math.fround(0.001));
  });
});

/** The rows that the model's own trainer scored. */
function parityRows(folder: string): Float32Array[] {
  const { inputs } = JSON.parse(readFileSync(join(root, folder, 'parity.json'), 'utf8'));
  return inputs.map((row: (number | null)[]) => Float32Array.from(row, (value) => value ?? Number.NaN));
}

function flat(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows.flatMap((row) => [...row]));
}
