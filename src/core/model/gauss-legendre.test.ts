import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gaussLegendre } from './gauss-legendre.ts';

describe('the Gauss-Legendre rule', () => {
  test('integrates powers exactly up to the degree 2 * count - 1', () => {
    for (let count = 1; count <= 64; count++) {
      for (let degree = 0; degree < 2 * count; degree++) {
        const integral = sum(count, (at) => at ** degree);
        assert.ok(Math.abs(integral - 1 / (degree + 1)) < 1e-14, `${count} points, degree ${degree}`);
      }
    }
  });

  test('with 64 points integrates powers of up to 512 to ten digits', () => {
    for (let degree = 128; degree <= 512; degree++) {
      const integral = sum(64, (at) => at ** degree);
      assert.ok(Math.abs(integral * (degree + 1) - 1) < 1e-10, `degree ${degree}`);
    }
  });

  test('has the points and weights of the tables', () => {
    assert.deepEqual([...gaussLegendre(1).points, ...gaussLegendre(1).weights], [0.5, 1]);
    const { points, weights } = gaussLegendre(3);
    const published = [0.774596669241483, 0, -0.774596669241483].map((point) => (1 - point) / 2);
    const isNear = (one: number, other: number) => Math.abs(one - other) < 1e-15;
    assert.ok(published.every((point, index) => isNear(points[index], point)));
    assert.ok([5 / 18, 8 / 18, 5 / 18].every((weight, index) => isNear(weights[index], weight)));
  });
});

function sum(count: number, integrand: (at: number) => number): number {
  const { points, weights } = gaussLegendre(count);
  return points.reduce((total, at, index) => total + weights[index] * integrand(at), 0);
}
