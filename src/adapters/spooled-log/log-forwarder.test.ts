import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { eventsOf, sampleDecision } from '../../pipeline/event-log.contract.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { openSegmentLog, type SegmentLog } from '../segment-log/segment-log.ts';
import { LogForwarder } from './log-forwarder.ts';

const WITHIN_MS = 5_000;

test('what becomes durable in one log arrives in the other, in order', async (t) => {
  const { source, target, cursor } = await twoLogs(t);
  await using _forwarder = await LogForwarder.open({ source, target, directory: cursor });
  for (let index = 0; index < 300; index++) {
    const { durable } = source.append([sampleDecision(index)]);
    if (index % 50 === 0) await durable;
  }
  await arrived(target, 300);
  const expected = Array.from({ length: 300 }, (_value, index) => sampleDecision(index));
  assert.deepEqual(
    (await eventsOf(target)).map(({ event }) => event),
    expected,
  );
});

test('the next forwarder goes on where the one before has stopped', async (t) => {
  const { source, target, cursor } = await twoLogs(t);
  for (const part of [0, 1, 2]) {
    await using _forwarder = await LogForwarder.open({ source, target, directory: cursor });
    await source.append([sampleDecision(2 * part), sampleDecision(2 * part + 1)]).durable;
    await arrived(target, 2 * (part + 1));
  }
  assert.equal((await eventsOf(target)).length, 6);
});

test('a log that refuses is asked again, and nothing is passed over', async (t) => {
  const { source, target, cursor } = await twoLogs(t);
  let refusals = 3;
  const moody = {
    append: (events: Parameters<SegmentLog['append']>[0]) => {
      if (refusals-- > 0) throw new LogUnavailableError('not now');
      return target.append(events);
    },
  };
  await using _forwarder = await LogForwarder.open({ source, target: moody, directory: cursor });
  await source.append([sampleDecision(1), sampleDecision(2)]).durable;
  await arrived(target, 2);
  assert.ok(refusals < 0);
});

async function arrived(log: SegmentLog, count: number): Promise<void> {
  for (const untilMs = Date.now() + WITHIN_MS; Date.now() < untilMs; await delay(10))
    if ((await eventsOf(log)).length >= count) return;
  assert.fail(`${(await eventsOf(log)).length} of ${count} events arrived`);
}

async function twoLogs(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'log-forwarder-'));
  for (const name of ['source', 'target', 'cursor']) await mkdir(join(directory, name));
  const source = await openSegmentLog(join(directory, 'source'));
  const target = await openSegmentLog(join(directory, 'target'));
  t.after(async () => {
    await source[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  return { source, target, cursor: join(directory, 'cursor') };
}
