/** The stage `score`, and why a score is what it is. */
import type { Arm } from '../core/decision/decision.ts';
import { decideOutcome } from '../core/decision/policy.ts';
import { type Reason, strongestReasons } from '../core/decision/reasons.ts';
import { type ArmModel, type Control, inputRow } from './control.ts';
import { ScoringFailedError } from './pipeline-errors.ts';

export type Score = {
  readonly fraudProbability: number;
  /** The arm whose model gave the probability: the transaction's own unless that one failed. */
  readonly scoredBy: Arm;
};

/** The probability of fraud of each transaction, by the model of its arm. */
export async function score(
  vectors: readonly Float32Array[],
  arms: readonly Arm[],
  control: Control,
): Promise<Score[]> {
  const scores = new Array<Score>(vectors.length);
  for (const arm of ['A', 'B'] as const) {
    const rows = vectors.filter((_vector, index) => arms[index] === arm);
    if (rows.length === 0) continue;
    const { probabilities, scoredBy } = await scoreByEither(rows, arm, control);
    let row = 0;
    for (let index = 0; index < scores.length; index++) {
      if (arms[index] === arm) scores[index] = { fraudProbability: probabilities[row++], scoredBy };
    }
  }
  return scores;
}

const NO_REASONS: readonly string[] = [];

/** The codes of the strongest reasons of each score that does not lead to approval. */
export function findReasons(
  vectors: readonly Float32Array[],
  scores: readonly Score[],
  control: Control,
): (readonly string[])[] {
  const codes = new Array<readonly string[]>(vectors.length).fill(NO_REASONS);
  for (const arm of ['A', 'B'] as const) {
    const { thresholds } = control.document.arms[arm];
    const indices: number[] = [];
    for (let index = 0; index < scores.length; index++) {
      const { scoredBy, fraudProbability } = scores[index];
      if (scoredBy === arm && decideOutcome(fraudProbability, thresholds) !== 'approve') indices.push(index);
    }
    if (indices.length === 0) continue;
    const reasons = explainScores(
      indices.map((index) => vectors[index]),
      control.arms[arm],
    );
    indices.forEach((index, row) => {
      codes[index] = reasons[row].map(({ code }) => code);
    });
  }
  return codes;
}

/** Why the model scored each feature vector as it did: its strongest reasons. */
export function explainScores(vectors: readonly Float32Array[], arm: ArmModel): Reason[][] {
  const { model } = arm;
  const width = arm.inputs.length;
  if (!model.attribute) return vectors.map(() => []);
  const rows = inputRows(vectors, arm);
  const contributions = model.attribute(rows, vectors.length);
  return vectors.map((_vector, row) => {
    const [start, end] = [row * width, (row + 1) * width];
    const values = rows.subarray(start, end);
    return strongestReasons(model.features, values, model.usual, contributions.subarray(start, end));
  });
}

async function scoreByEither(rows: readonly Float32Array[], arm: Arm, control: Control) {
  try {
    return { probabilities: await scoreByArm(rows, control.arms[arm]), scoredBy: arm };
  } catch {
    const other = arm === 'A' ? 'B' : 'A';
    try {
      return { probabilities: await scoreByArm(rows, control.arms[other]), scoredBy: other } as const;
    } catch (cause) {
      throw new ScoringFailedError('neither arm’s model could score', { cause });
    }
  }
}

/** @throws what the model throws, or an error if it gives anything but a number for each row */
async function scoreByArm(rows: readonly Float32Array[], arm: ArmModel): Promise<Float32Array> {
  const probabilities = await arm.model.score(inputRows(rows, arm), rows.length);
  for (let row = 0; row < rows.length; row++) {
    if (!Number.isFinite(probabilities[row])) {
      throw new Error(`model ${arm.model.version} gave ${probabilities[row]} for a probability`);
    }
  }
  return probabilities;
}

/** What the arm's model takes of each feature vector, one after the other. */
function inputRows(vectors: readonly Float32Array[], arm: ArmModel): Float32Array {
  const width = arm.inputs.length;
  const rows = new Float32Array(vectors.length * width);
  for (let row = 0; row < vectors.length; row++) inputRow(arm, vectors[row], rows, row * width);
  return rows;
}
