import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, median } from './comparison.ts';
import type { LoadReport } from './report.ts';

function report(answeredPerSecond: number, failed = 0): LoadReport {
  const latencyMs = { p50: 1, p90: 2, p99: 3, p999: 4, max: 5 };
  const counts = { sent: 1, answered: 1, failed, failures: {}, dropped: 0 };
  const conditions = { loop: 'closed', connections: 64, seconds: 1 } as const;
  return { ...conditions, ...counts, answeredPerSecond, latencyMs, generatorCpuUs: 20, serverCpuUs: 50 };
}

test('the median is the middle value, or the mean of the middle two', () => {
  assert.equal(median([5]), 5);
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([9, 1, 5, 6]), 5.5);
  assert.throws(() => median([]));
});

test('ratios are formed within alternations, before the median', () => {
  const comparison = compare([
    { service: report(50), bare: report(100) },
    { service: report(600, 2), bare: report(1_000) },
    { service: report(7, 1), bare: report(10) },
  ]);
  assert.equal(comparison.service.answeredPerSecond, 50);
  assert.equal(comparison.bare.answeredPerSecond, 100);
  assert.equal(comparison.ratios.answeredPerSecond, 0.6);
  assert.equal(comparison.service.failed, 3);
});
