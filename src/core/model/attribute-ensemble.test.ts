import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { arbitraryEnsemble, arbitraryRow, FEATURE_COUNT, LARGEST_WEIGHT } from './arbitrary-ensemble.ts';
import { EnsembleAttribution } from './attribute-ensemble.ts';
import { NaiveEnsemble } from './naive-ensemble.ts';
import { type Attributes, ensembleOnnx } from './onnx-bytes.fixture.ts';
import { scoreEnsemble } from './score-ensemble.ts';
import { readTreeEnsemble } from './tree-ensemble.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const models = globSync(['models/*/model.onnx', 'test/fixtures/models/*/model.onnx'], { cwd: root }).sort();

/** Beyond so many features the definition takes too long. */
const NAIVE_FEATURES = 6;

describe('contributions', () => {
  for (const file of models) {
    test(`of ${dirname(file)} and what is expected add up to the score, and are what the definition says`, () => {
      const onnx = readFileSync(join(root, file));
      const naive = new NaiveEnsemble(onnx);
      const ensemble = readTreeEnsemble(onnx);
      const attribution = new EnsembleAttribution(ensemble);
      for (const row of rowsLike(dirname(file))) {
        const contributions = attribution.attribute(row, 1);
        assertAddsUp(naive, row, attribution.expected, contributions);
        const sum = total(contributions) + attribution.expected;
        const [probability] = scoreEnsemble(ensemble, row, 1);
        const explained = ensemble.isLogistic ? 1 / (1 + Math.exp(-sum)) : sum;
        assert.ok(Math.abs(explained - probability) < 1e-5, `${explained} is not ${probability}`);
      }
      if (ensemble.featureCount > NAIVE_FEATURES) return;
      for (const row of rowsLike(dirname(file), 4)) {
        const { contributions, expected } = naive.attribute(row);
        assertClose(attribution.attribute(row, 1), contributions);
        assertClose([attribution.expected], [expected]);
      }
    });
  }

  for (const file of models.filter((path) => existsSync(join(root, dirname(path), 'attributions.json')))) {
    test(`of ${dirname(file)} are those of the shap package`, () => {
      const { inputs } = JSON.parse(readFileSync(join(root, dirname(file), 'parity.json'), 'utf8'));
      const { expected, contributions } = JSON.parse(
        readFileSync(join(root, dirname(file), 'attributions.json'), 'utf8'),
      );
      const attribution = new EnsembleAttribution(readTreeEnsemble(readFileSync(join(root, file))));
      assert.ok(Math.abs(attribution.expected - expected) < 1e-6);
      contributions.forEach((wanted: readonly number[], index: number) => {
        const found = attribution.attribute(toRow(inputs[index]), 1);
        wanted.forEach((value, feature) => {
          assert.ok(
            Math.abs(found[feature] - value) < 1e-6,
            `row ${index}: ${found[feature]} is not ${value}`,
          );
        });
      });
    });
  }

  test('of random ensembles do so too, whatever is missing', () => {
    const property = fc.property(arbitraryEnsemble, arbitraryRow, (said, row) => {
      const onnx = ensembleOnnx(said, FEATURE_COUNT);
      const naive = new NaiveEnsemble(onnx);
      const attribution = new EnsembleAttribution(readTreeEnsemble(onnx));
      const contributions = attribution.attribute(row, 1);
      assertAddsUp(naive, row, attribution.expected, contributions, LARGEST_WEIGHT);
      assertClose(contributions, naive.attribute(row).contributions, LARGEST_WEIGHT);
    });
    fc.assert(property, { numRuns: 500 });
  });

  const stumps: readonly (readonly [what: string, said: Attributes, expected: number, moved: number])[] = [
    ['by the rows on either side', { nodes_hitrates: Float32Array.of(4, 3, 1) }, 0.375, 0.375],
    ['by halves where the file does not say', {}, 0.5, 0.25],
    ['by halves where no row came', { nodes_hitrates: Float32Array.of(0, 0, 0) }, 0.5, 0.25],
    ['nowhere where every row went that way', { nodes_hitrates: Float32Array.of(4, 0, 4) }, 0.75, 0],
  ];
  for (const [what, said, expected, moved] of stumps) {
    test(`of a single split move the score ${what}`, () => {
      const attribution = new EnsembleAttribution(readTreeEnsemble(ensembleOnnx(said)));
      assert.equal(attribution.expected, expected);
      assert.deepEqual(attribution.attribute(Float32Array.of(11, 5), 1), Float64Array.of(moved, 0));
    });
  }

  test('go to the feature itself where the scorer asks for it negated', () => {
    const said = { nodes_featureids: [1, 0, 0], nodes_missing_value_tracks_true: [1, 0, 0] };
    const attribution = new EnsembleAttribution(readTreeEnsemble(ensembleOnnx(said)));
    assert.deepEqual(attribution.attribute(Float32Array.of(0, Number.NaN), 1), Float64Array.of(0, -0.25));
    assert.deepEqual(attribution.attribute(Float32Array.of(0, 10), 1), Float64Array.of(0, -0.25));
    assert.deepEqual(attribution.attribute(Float32Array.of(0, 11), 1), Float64Array.of(0, 0.25));
  });
});

function assertAddsUp(
  naive: NaiveEnsemble,
  row: Float32Array,
  expected: number,
  contributions: Float64Array,
  largest = 1,
): void {
  const leaves = naive.leaves(row).reduce((sum, weight) => sum + weight, naive.base);
  assertClose([expected + total(contributions)], [leaves], largest);
}

/** Up to what doubles lose when sums, of weights up to 1e8, are taken in another order. */
function assertClose(found: ArrayLike<number>, wanted: ArrayLike<number>, largest = 1): void {
  assert.equal(found.length, wanted.length);
  for (let index = 0; index < found.length; index++) {
    const difference = Math.abs(found[index] - wanted[index]);
    assert.ok(difference <= largest * 1e-12, `${found[index]} is not ${wanted[index]}`);
  }
}

function total(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Rows that the trainer scored; the same negated, and with values missing. */
function rowsLike(folder: string, count = 40): Float32Array[] {
  const { inputs } = JSON.parse(readFileSync(join(root, folder, 'parity.json'), 'utf8'));
  const rows: Float32Array[] = inputs.slice(0, count).map(toRow);
  return rows.flatMap((row, index) => [
    row,
    row.map((value) => -value),
    row.map((value, feature) => ((feature + index) % 3 === 0 ? Number.NaN : value)),
    row.map(() => Number.NaN),
  ]);
}

function toRow(values: readonly (number | null)[]): Float32Array {
  return Float32Array.from(values, (value) => value ?? Number.NaN);
}
