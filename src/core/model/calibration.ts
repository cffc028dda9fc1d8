/**
 * From what a model says to the probability that it is worth: straight lines between knots, rising throughout, so that no
 * payment overtakes another. Chosen over a logistic curve because + - * / give the same bits in every language.
 *
 *   probability  1 |                  _,-'
 *                  |          __,--*''
 *                0 |____,---*'
 *                   0                  1  score
 */
export type CalibrationKnots = {
  /** From 0 to 1, ascending. */
  readonly scores: readonly number[];
  /** From 0 to 1, ascending, one for each score. */
  readonly probabilities: readonly number[];
};

export class Calibration {
  readonly #scores: Float64Array;
  readonly #probabilities: Float64Array;
  readonly #slopes: Float64Array;

  constructor({ scores, probabilities }: CalibrationKnots) {
    this.#scores = Float64Array.from(scores);
    this.#probabilities = Float64Array.from(probabilities);
    this.#slopes = Float64Array.from({ length: scores.length - 1 }, (_, index) => {
      const rise = probabilities[index + 1] - probabilities[index];
      return rise / (scores[index + 1] - scores[index]);
    });
  }

  /** Replaces scores from 0 to 1 by probabilities, both float32. @returns the same array */
  apply(scores: Float32Array): Float32Array {
    for (let row = 0; row < scores.length; row++) scores[row] = this.#probabilityOf(scores[row]);
    return scores;
  }

  #probabilityOf(score: number): number {
    let [low, high] = [0, this.#slopes.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#scores[middle] <= score) low = middle;
      else high = middle - 1;
    }
    return this.#probabilities[low] + (score - this.#scores[low]) * this.#slopes[low];
  }
}
