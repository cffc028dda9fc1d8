import { Calibration, type CalibrationKnots } from '../../core/model/calibration.ts';
import type { Model } from '../../pipeline/model.ts';

/** Inputs with the probabilities that the trainer's ONNX Runtime gave for them. */
export type Parity = {
  readonly rows: Float32Array;
  readonly count: number;
  readonly probabilities: Float32Array;
  /** The trainer's calibrated probabilities; undefined where the vectors have none. */
  readonly calibrated: Float32Array | undefined;
};

/** The vectors are not what they must be, or did not come out. */
class ParityError extends Error {
  readonly code = 'model-parity';
}

/** @throws ParityError naming the vector that is broken */
export function parseParity(text: string, featureCount: number): Parity {
  const { inputs, probabilities, calibrated } = Object(JSON.parse(text)) as Record<string, unknown>;
  if (!Array.isArray(inputs) || !Array.isArray(probabilities) || inputs.length !== probabilities.length) {
    throw new ParityError('inputs and probabilities must be lists of one length');
  }
  if (inputs.length === 0) throw new ParityError('has no vectors, so the model cannot be checked');
  const rows = new Float32Array(inputs.length * featureCount);
  inputs.forEach((row, index) => {
    const isRow = Array.isArray(row) && row.length === featureCount && row.every(isValue);
    if (!isRow) throw new ParityError(`inputs[${index}] must have ${featureCount} numbers or nulls`);
    rows.set(
      row.map((value) => value ?? Number.NaN),
      index * featureCount,
    );
  });
  return {
    rows,
    count: inputs.length,
    probabilities: toProbabilities(probabilities, 'probabilities'),
    calibrated: calibrated === undefined ? undefined : toProbabilities(calibrated, 'calibrated'),
  };
}

function toProbabilities(values: unknown, name: string): Float32Array {
  if (!Array.isArray(values)) throw new ParityError(`${name} must be a list`);
  const broken = values.findIndex((value) => !(typeof value === 'number' && value >= 0 && value <= 1));
  if (broken >= 0) throw new ParityError(`${name}[${broken}] must be a number from 0 to 1`);
  return Float32Array.from(values);
}

/** @throws ParityError naming the first vector that does not come out bit for bit */
export async function assertParity(
  { rows, count, probabilities, calibrated }: Parity,
  score: Model['score'],
  knots: CalibrationKnots | undefined,
): Promise<void> {
  const scored = await score(rows, count);
  assertSame(scored, probabilities, 'vector');
  if (!knots) return;
  if (!calibrated)
    throw new ParityError('has no calibrated probabilities, so the calibration cannot be checked');
  assertSame(new Calibration(knots).apply(scored), calibrated, 'calibrated vector');
}

function assertSame(found: Float32Array, expected: Float32Array, what: string): void {
  const differing = expected.findIndex((value, index) => !Object.is(value, found[index]));
  if (differing < 0) return;
  throw new ParityError(
    `${what} ${differing} comes out as ${found[differing]}, not as ${expected[differing]}`,
  );
}

function isValue(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}
