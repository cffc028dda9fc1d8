/**
 * What reasons cost: microseconds of exact Shapley values for one decision, by model folder, beside scoring it.
 *
 *   node bench/attribution.ts [folder...]
 */
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { EnsembleAttribution } from '../src/core/model/attribute-ensemble.ts';
import { scoreEnsemble } from '../src/core/model/score-ensemble.ts';
import { readTreeEnsemble } from '../src/core/model/tree-ensemble.ts';

const RUNS = 7;
const ROUNDS = 4;
const folders = process.argv.length > 2 ? process.argv.slice(2) : ['models/v1', 'models/v2'];

for (const folder of folders) {
  const ensemble = readTreeEnsemble(readFileSync(join(folder, 'model.onnx')));
  const startedMs = performance.now();
  const attribution = new EnsembleAttribution(ensemble);
  const loadMs = performance.now() - startedMs;
  const rows = rowsOf(folder);
  const attribute = median(() => {
    for (const row of rows) attribution.attribute(row, 1);
  }, rows.length);
  const score = median(() => {
    for (const row of rows) scoreEnsemble(ensemble, row, 1);
  }, rows.length);
  console.log(
    `${folder}  ${attribute.toFixed(0)} µs a decision, ${score.toFixed(1)} µs to score it; ${loadMs.toFixed(0)} ms to load`,
  );
}
console.log(
  `medians of ${RUNS} runs, one row at a time; Node ${process.version}, ${cpus().length} × ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}`,
);

function rowsOf(folder: string): Float32Array[] {
  const { inputs } = JSON.parse(readFileSync(join(folder, 'parity.json'), 'utf8'));
  return inputs.map((row: (number | null)[]) => Float32Array.from(row, (value) => value ?? Number.NaN));
}

function median(work: () => void, rows: number): number {
  const microseconds = Array.from({ length: RUNS + 1 }, () => {
    const startedMs = performance.now();
    for (let round = 0; round < ROUNDS; round++) work();
    return (1000 * (performance.now() - startedMs)) / ROUNDS / rows;
  });
  return microseconds.slice(1).sort((one, other) => one - other)[Math.floor(RUNS / 2)];
}
