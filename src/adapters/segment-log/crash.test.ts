import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventsOf, sampleDecision } from '../../pipeline/event-log.contract.ts';
import type { LogEvent } from '../../pipeline/event-log.ts';
import { openSegmentLog } from './segment-log.ts';

const KILLS = 20;
const LIFE_MS_MAX = 150;
const WRITER = join(import.meta.dirname, 'crash-writer.fixture.ts');

test('every event that was acknowledged before a kill -9 is in the log', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'segment-log-crash-'));
  t.after(() => rm(directory, { recursive: true }));
  const acknowledged = new Map<number, LogEvent>();
  for (let kill = 0; kill < KILLS; kill++) {
    const lifeMs = Math.random() * LIFE_MS_MAX;
    const first = kill * 1_000_000;
    for (const [position, event] of await runAndKill(directory, { first, lifeMs }))
      acknowledged.set(position, event);
    await using log = await openSegmentLog(directory);
    const found = new Map((await eventsOf(log)).map(({ position, event }) => [position, event]));
    for (const [position, event] of acknowledged) {
      assert.deepEqual(
        found.get(position),
        event,
        `position ${position}, writer ${kill} killed after ${lifeMs} ms`,
      );
    }
    t.diagnostic(
      `killed after ${lifeMs.toFixed(1)} ms: ${acknowledged.size} acknowledged, ${found.size} in the log`,
    );
  }
  assert.ok(acknowledged.size > KILLS);
});

/** Lets a writer live for `lifeMs` after its first acknowledgement; returns what it acknowledged. */
async function runAndKill(
  directory: string,
  { first, lifeMs }: { first: number; lifeMs: number },
): Promise<[number, LogEvent][]> {
  const writer = spawn(process.execPath, [WRITER, directory, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(writer, 'close');
  let output = '';
  writer.stdout.setEncoding('latin1').on('data', (text) => {
    output += text;
  });
  await once(writer.stdout, 'data');
  await delay(lifeMs);
  assert.ok(writer.kill('SIGKILL'));
  await closed;
  const lines = output.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [index, position] = line.split(' ').map(Number);
    return [position, sampleDecision(index)];
  });
}
