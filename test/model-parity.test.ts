/** Every shipped model and every fixture, scored in TypeScript and by ONNX Runtime: no bit may differ. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { OnnxRuntimeScorer } from '../src/adapters/onnxruntime/onnxruntime-scorer.ts';
import { scoreEnsemble } from '../src/core/model/score-ensemble.ts';
import { isLeaf, NODE_WORDS, readTreeEnsemble, type TreeEnsemble } from '../src/core/model/tree-ensemble.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const ROWS = 1_000_000;
const BATCH = 10_000;

describe('TypeScript and ONNX Runtime', () => {
  for (const file of globSync(['models/*/model.onnx', 'test/fixtures/models/*/model.onnx'], {
    cwd: root,
  }).sort()) {
    it(`score ${ROWS} rows of ${dirname(file)} alike, bit for bit`, async () => {
      const onnx = readFileSync(join(root, file));
      const ensemble = readTreeEnsemble(onnx);
      const reference = await OnnxRuntimeScorer.load(onnx);
      const random = createRandom(20_261_124);
      for (let done = 0; done < ROWS; done += BATCH) {
        const rows = randomRows(ensemble, random);
        const expected = await reference.score(rows, BATCH);
        const actual = scoreEnsemble(ensemble, rows, BATCH);
        const differing = expected.findIndex((probability, row) => !Object.is(probability, actual[row]));
        assert.equal(
          differing,
          -1,
          `row ${done + differing}: ${expected[differing]} is not ${actual[differing]}`,
        );
      }
    });
  }
});

/** Values are taken at, just beside and between the ensemble's own thresholds, with missing and extreme ones. */
function randomRows({ featureCount, nodes, floats }: TreeEnsemble, random: () => number): Float32Array {
  const splits = [...nodes.keys()].filter((at) => at % NODE_WORDS === 0 && !isLeaf(nodes, at));
  const byFeature = Array.from({ length: featureCount }, () => [0]);
  for (const at of splits) {
    const isNegated = nodes[at] >= featureCount;
    byFeature[nodes[at] % featureCount].push(isNegated ? -floats[at + 1] : floats[at + 1]);
  }
  return Float32Array.from({ length: BATCH * featureCount }, (_value, index) => {
    const known = byFeature[index % featureCount];
    const threshold = known[Math.floor(random() * known.length)];
    const kind = random();
    if (kind < 0.05) return Number.NaN;
    if (kind < 0.06) return random() < 0.5 ? 3.4e38 : -3.4e38;
    if (kind < 0.4) return threshold;
    if (kind < 0.6) return threshold * (1 + (random() - 0.5) * 2 ** -22);
    return threshold + (random() - 0.5) * (Math.abs(threshold) + 1);
  });
}

/** Park and Miller's minimal standard generator: rows are the same at every run. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
