import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcessCpuMs, readMainThreadCpuMs, readProcessCpuMs } from './process-cpu.ts';

test('the name of a process may hold blanks and parentheses', () => {
  const stat = '42 (a b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 11 0 100 1000 200';
  assert.equal(parseProcessCpuMs(stat), 1_750);
});

test('CPU of this process agrees with what Node reports', () => {
  const { user, system } = process.cpuUsage();
  assert.ok(Math.abs(readProcessCpuMs(process.pid) - (user + system) / 1_000) < 100);
});

test('the main thread has used something, and no more than the process', () => {
  const mainThreadMs = readMainThreadCpuMs(process.pid);
  assert.ok(mainThreadMs > 0 && mainThreadMs <= readProcessCpuMs(process.pid));
});
