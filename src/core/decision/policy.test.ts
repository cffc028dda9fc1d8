import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { decideOutcome } from './policy.ts';

const THRESHOLDS = { fraud: 0.5, review: Math.fround(0.016), decline: Math.fround(0.044) };
const STRICTNESS = ['approve', 'review', 'decline'];

describe('an outcome', () => {
  const cases = [
    [0, 'approve'],
    [floatBeside(THRESHOLDS.review, -1), 'approve'],
    [THRESHOLDS.review, 'review'],
    [floatBeside(THRESHOLDS.review, 1), 'review'],
    [floatBeside(THRESHOLDS.decline, -1), 'review'],
    [THRESHOLDS.decline, 'decline'],
    [0.5, 'decline'],
    [1, 'decline'],
  ] as const;
  for (const [probability, outcome] of cases) {
    test(`of ${probability} is ${outcome}`, () =>
      assert.equal(decideOutcome(probability, THRESHOLDS), outcome));
  }

  test('is never review where review and decline begin together', () => {
    const together = { ...THRESHOLDS, review: 0.25, decline: 0.25 };
    assert.equal(decideOutcome(floatBeside(0.25, -1), together), 'approve');
    assert.equal(decideOutcome(0.25, together), 'decline');
  });

  test('does not ask where fraud begins', () => {
    for (const fraud of [0.001, 0.999]) assert.equal(decideOutcome(0.02, { ...THRESHOLDS, fraud }), 'review');
  });

  test('of a higher probability is never milder', () => {
    const share = fc.float({ min: Math.fround(0.001), max: 1, noNaN: true });
    const probability = fc.float({ min: 0, max: 1, noNaN: true });
    const property = fc.property(share, share, probability, probability, (one, other, low, high) => {
      const thresholds = { fraud: 0.5, review: Math.min(one, other), decline: Math.max(one, other) };
      const strictness = (value: number) => STRICTNESS.indexOf(decideOutcome(value, thresholds));
      assert.ok(strictness(Math.min(low, high)) <= strictness(Math.max(low, high)));
    });
    fc.assert(property, { numRuns: 1000 });
  });
});

/** The next float32 above or below. */
function floatBeside(value: number, step: 1 | -1): number {
  const float = Float32Array.of(value);
  new Int32Array(float.buffer)[0] += step;
  return float[0];
}
