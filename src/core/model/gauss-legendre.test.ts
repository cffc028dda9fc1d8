import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussLegendre } from './gauss-legendre.ts';

for (const count of [1, 2, 3, 5, 12, 32]) {
  test(`${count} points integrate every power up to ${2 * count - 1} exactly`, () => {
    const { points, weights } = gaussLegendre(count);
    for (let power = 0; power < 2 * count; power++) {
      const integral = points.reduce((sum, point, index) => sum + weights[index] * point ** power, 0);
      assert.ok(Math.abs(integral - 1 / (power + 1)) < 1e-14, `power ${power}: ${integral}`);
    }
  });
}
