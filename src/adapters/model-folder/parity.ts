import type { Model } from '../../pipeline/model.ts';

/** Inputs with the probabilities that the trainer's ONNX Runtime gave for them. */
export type Parity = {
  readonly rows: Float32Array;
  readonly count: number;
  readonly probabilities: Float32Array;
};

/** The vectors are not what they must be, or did not come out. */
class ParityError extends Error {
  readonly code = 'model-parity';
}

/** @throws ParityError naming the vector that is broken */
export function parseParity(text: string, featureCount: number): Parity {
  const { inputs, probabilities } = Object(JSON.parse(text)) as Record<string, unknown>;
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
  const broken = probabilities.findIndex((value) => !(typeof value === 'number' && value >= 0 && value <= 1));
  if (broken >= 0) throw new ParityError(`probabilities[${broken}] must be a number from 0 to 1`);
  return { rows, count: inputs.length, probabilities: Float32Array.from(probabilities as number[]) };
}

/** @throws ParityError naming the first vector that does not come out bit for bit */
export async function assertParity(
  { rows, count, probabilities }: Parity,
  score: Model['score'],
): Promise<void> {
  const scored = await score(rows, count);
  const differing = probabilities.findIndex((expected, index) => !Object.is(expected, scored[index]));
  if (differing < 0) return;
  throw new ParityError(
    `vector ${differing} comes out as ${scored[differing]}, not as ${probabilities[differing]}`,
  );
}

function isValue(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isFinite(value));
}
