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

/**
 * The codes of the strongest reasons of each score that does not lead to approval; undefined where they were not looked
 * for. They cost a hundred times what scoring does (attribute-ensemble.ts): where most payments are declined, there is not
 * the time to find all.
 * @param hasTime asked before each but the first
 */
export function findReasons(
  vectors: readonly Float32Array[],
  scores: readonly Score[],
  control: Control,
  hasTime: () => boolean = () => true,
): (readonly string[] | undefined)[] {
  let isFirst = true;
  return scores.map(({ scoredBy, fraudProbability }, index) => {
    const { thresholds } = control.document.arms[scoredBy];
    if (decideOutcome(fraudProbability, thresholds) === 'approve') return NO_REASONS;
    if (!isFirst && !hasTime()) return undefined;
    isFirst = false;
    const [reasons] = explainScores([vectors[index]], control.arms[scoredBy]);
    return reasons.map(({ code }) => code);
  });
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
