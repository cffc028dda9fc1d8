import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantileOf, since } from './metric-histogram.ts';

const BUCKETS = new Map([
  [1, 50],
  [2, 90],
  [Number.POSITIVE_INFINITY, 100],
]);

test('a quantile lies straight between the edges of its bucket, and at the last edge beyond it', () => {
  assert.equal(quantileOf(0.25, BUCKETS), 0.5);
  assert.equal(quantileOf(0.7, BUCKETS), 1.5);
  assert.equal(quantileOf(0.99, BUCKETS), 2);
  assert.ok(Number.isNaN(quantileOf(0.5, new Map())));
});

test('what was observed before does not count', () => {
  const before = new Map([
    [1, 50],
    [2, 50],
    [Number.POSITIVE_INFINITY, 50],
  ]);
  assert.equal(quantileOf(0.4, since(before, BUCKETS)), 1.5);
});
