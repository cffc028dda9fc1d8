/** Payments in the order in which a model would have them looked at: the greatest score first, equal scores together. */

/** Scores or labels that nothing can be measured on. The message says what is wrong. */
export class EvaluationError extends Error {
  readonly code = 'evaluation';
}

export type Ranking = {
  /** Rows, the greatest score first. */
  readonly order: Uint32Array;
  /** For each group of equal scores, in the same order, where the next one begins in `order`. */
  readonly groupEnds: Uint32Array;
  /** The score of each group. */
  readonly scores: Float64Array;
  /** By row: 1 for fraud. */
  readonly isFraud: Uint8Array;
};

/** @throws EvaluationError if there are no rows, a score is not a number, or all rows are of one class */
export function rank(scores: Float64Array, isFraud: Uint8Array): Ranking {
  assertMeasurable(scores, isFraud);
  const order = new Uint32Array(scores.length).map((_, row) => row);
  order.sort((one, other) => scores[other] - scores[one]);
  const ends: number[] = [];
  for (let place = 1; place <= order.length; place++) {
    if (place === order.length || scores[order[place]] !== scores[order[place - 1]]) ends.push(place);
  }
  const groupEnds = Uint32Array.from(ends);
  const groupScores = Float64Array.from(ends, (end) => scores[order[end - 1]]);
  return { order, groupEnds, scores: groupScores, isFraud };
}

function assertMeasurable(scores: Float64Array, isFraud: Uint8Array): void {
  if (scores.length === 0) throw new EvaluationError('there are no payments to measure on');
  if (scores.length !== isFraud.length)
    throw new EvaluationError(`there are ${scores.length} scores and ${isFraud.length} labels`);
  const broken = scores.findIndex((score) => Number.isNaN(score));
  if (broken >= 0) throw new EvaluationError(`the score of row ${broken} is not a number`);
  const frauds = isFraud.reduce((sum, label) => sum + label, 0);
  if (frauds === 0) throw new EvaluationError(`none of the ${scores.length} payments is fraud`);
  if (frauds === scores.length) throw new EvaluationError(`all of the ${scores.length} payments are fraud`);
}
