/** Where and with which weight a function is asked for, so that their sum is its integral over [0, 1]. */
export type Rule = { readonly points: Float64Array; readonly weights: Float64Array };

/**
 * The rule of Gauss and Legendre with `count` points: exact for polynomials of degree 2 count - 1. The points are the
 * roots of the Legendre polynomial, found by Newton's method from Tricomi's estimates (Abramowitz and Stegun, 25.4.29).
 */
export function gaussLegendre(count: number): Rule {
  const points = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let index = 0; index < count; index++) {
    let x = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let step = 0; step < STEPS; step++) {
      const { value, derivative } = legendre(count, x);
      slope = derivative;
      x -= value / derivative;
    }
    points[index] = (1 + x) / 2;
    weights[index] = 1 / ((1 - x * x) * slope * slope);
  }
  return { points, weights };
}

/** Each doubles the digits; the estimates have more than two. */
const STEPS = 8;

/** By the recurrence (n + 1) P(n+1) = (2n + 1) x P(n) - n P(n-1). */
function legendre(degree: number, x: number): { readonly value: number; readonly derivative: number } {
  let [before, value] = [1, x];
  for (let n = 1; n < degree; n++)
    [before, value] = [value, ((2 * n + 1) * x * value - n * before) / (n + 1)];
  return { value, derivative: (degree * (x * value - before)) / (x * x - 1) };
}
