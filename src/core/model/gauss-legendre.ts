/** Points in (0, 1) and their weights. */
export type Quadrature = { readonly points: Float64Array; readonly weights: Float64Array };

/**
 * Gauss and Legendre's rule: the sum of `weights[k] * f(points[k])` is the integral of `f` from 0 to 1, exactly for a
 * polynomial of a degree below `2 * count`. The points are the roots of the Legendre polynomial, by Newton's method.
 *
 * Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 25.4.29 and 25.4.30.
 */
export function gaussLegendre(count: number): Quadrature {
  const points = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    const root = legendreRoot(count, Math.cos((Math.PI * (index + 0.75)) / (count + 0.5)));
    points[index] = (1 - root) / 2;
    weights[index] = 1 / ((1 - root * root) * legendre(count, root).slope ** 2);
  }
  return { points, weights };
}

/** Newton's method doubles the right digits at each step, and these guesses begin with several. */
const NEWTON_STEPS = 6;

function legendreRoot(degree: number, guess: number): number {
  let root = guess;
  for (let step = 0; step < NEWTON_STEPS; step++) {
    const { value, slope } = legendre(degree, root);
    root -= value / slope;
  }
  return root;
}

function legendre(degree: number, at: number): { value: number; slope: number } {
  let [before, value] = [1, at];
  for (let order = 2; order <= degree; order++)
    [before, value] = [value, ((2 * order - 1) * at * value - (order - 1) * before) / order];
  return { value, slope: (degree * (at * value - before)) / (at * at - 1) };
}
