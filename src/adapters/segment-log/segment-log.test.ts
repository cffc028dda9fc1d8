import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { eventsOf, sampleDecision, testPositionedEventLog } from '../../pipeline/event-log.contract.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { mountDisk } from '../small-disk.fixture.ts';
import { listSegmentStarts, segmentPath } from './segment-files.ts';
import { openSegmentLog } from './segment-log.ts';
import type { SegmentLogFatalError } from './segment-log-errors.ts';
import { openSegmentLogReader } from './segment-log-reader.ts';

testPositionedEventLog('the segment log', async (t) => {
  const directory = await temporaryDirectory(t);
  return () => openSegmentLog(directory);
});

testPositionedEventLog('the segment log with a segment for each flight', async (t) => {
  const directory = await temporaryDirectory(t);
  return () => openSegmentLog(directory, { segmentBytes: 1 });
});

describe('segments', () => {
  test('follow each other at exactly the position where the one before ends', async (t) => {
    const directory = await temporaryDirectory(t);
    await using log = await openSegmentLog(directory, { segmentBytes: 2_000 });
    for (let index = 0; index < 100; index++) await log.append([sampleDecision(index)]).durable;
    const starts = await listSegmentStarts(directory);
    const positions = (await eventsOf(log)).map(({ position }) => position);
    assert.ok(starts.length > 5);
    for (const start of starts) assert.ok(positions.includes(start));
    assert.equal(positions.length, 100);
  });
});

describe('a reader without a lock', () => {
  test('follows a writer through its segments and never calls a live log damaged', async (t) => {
    const directory = await temporaryDirectory(t);
    await using log = await openSegmentLog(directory, { segmentBytes: 50_000 });
    const reader = openSegmentLogReader(directory);
    assert.deepEqual(await eventsOf(reader), []);
    const writing = (async () => {
      for (let index = 0; index < 1_000; index++) {
        await log.append([sampleDecision(2 * index), sampleDecision(2 * index + 1)]).durable;
      }
    })();
    let position = 0;
    let count = 0;
    while (count < 2_000) {
      for (const { event, nextPosition } of await eventsOf(reader, position)) {
        assert.deepEqual(event, sampleDecision(count++));
        position = nextPosition;
      }
    }
    await writing;
    assert.deepEqual(await reader.readAt(0), sampleDecision(0));
    await assert.rejects(reader.readAt(log.end), RangeError);
  });
});

describe('a log that cannot take events', () => {
  test('refuses a call that does not fit behind the flight in the air, and nothing else', async (t) => {
    const directory = await temporaryDirectory(t);
    await using log = await openSegmentLog(directory, { flightBytesMax: 10_000 });
    const durable: Promise<void>[] = [];
    let taken = 0;
    const fill = () => {
      for (;;) {
        durable.push(log.append([sampleDecision(taken), sampleDecision(taken + 1)]).durable);
        taken += 2;
      }
    };
    assert.throws(fill, LogUnavailableError);
    await Promise.all(durable);
    durable.push(log.append([sampleDecision(taken++)]).durable);
    await Promise.all(durable);
    const expected = Array.from({ length: taken }, (_, index) => sampleDecision(index));
    assert.deepEqual(
      (await eventsOf(log)).map(({ event }) => event),
      expected,
    );
  });

  test('on a full disk rejects everything since the durable end, keeps the rest, and goes on', async (t) => {
    using disk = mountDisk(t, { bytes: 1024 * 1024 });
    if (disk) await fillsAndGoesOn(disk.path);
  });

  test('ends for good when it can neither write nor take back', async (t) => {
    const directory = await temporaryDirectory(t);
    // A device that refuses every write, as a full disk does, and cannot be cut either.
    await symlink('/dev/full', segmentPath(directory, 0));
    const fatal = Promise.withResolvers<SegmentLogFatalError>();
    await using log = await openSegmentLog(directory, { onFatal: fatal.resolve });
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    log.append([sampleDecision(1)]).durable.then(settle, settle);
    const error = await fatal.promise;
    assert.equal((error.cause as NodeJS.ErrnoException).code, 'EINVAL');
    assert.throws(() => log.append([sampleDecision(2)]), LogUnavailableError);
    await nextTurn();
    assert.equal(isSettled, false, 'nobody knows whether it is durable');
    assert.equal(log.durableEnd, 0);
  });

  test('ends the process then, unless it was told what else to do', async (t) => {
    const directory = await temporaryDirectory(t);
    await symlink('/dev/full', segmentPath(directory, 0));
    const script = `
      const { openSegmentLog } = await import('${new URL('segment-log.ts', import.meta.url)}');
      const log = await openSegmentLog('${directory}');
      log.append([{ kind: 'control', control: {} }]);
      setTimeout(() => {}, 60_000);`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
    });
    assert.notEqual(ended.status, 0);
    assert.match(ended.stderr, /SegmentLogFatalError|segment-log-fatal/);
  });
});

/** Callers keep different time, so that failures find events in the air and others gathering behind them. */
async function fillsAndGoesOn(directory: string): Promise<void> {
  const ballast = join(directory, 'ballast');
  await writeFile(ballast, Buffer.alloc(400_000));
  await using log = await openSegmentLog(directory, { segmentBytes: 100_000 });
  const acknowledged = new Map<number, unknown>();
  let refused = 0;
  let next = 0;
  const append = async () => {
    const event = sampleDecision(next++);
    const { positions, durable } = log.append([event]);
    await durable.then(
      () => acknowledged.set(positions[0], event),
      (error) => {
        assert.ok(error instanceof LogUnavailableError);
        assert.equal((error.cause as NodeJS.ErrnoException).code, 'ENOSPC');
        refused++;
      },
    );
  };
  const caller = async (until: () => boolean) => {
    while (!until()) {
      await Promise.all([append(), append()]);
      for (let turns = Math.random() * 3; turns > 1; turns--) await nextTurn();
    }
  };
  const callers = (until: () => boolean) => Promise.all(Array.from({ length: 20 }, () => caller(until)));
  const assertExact = async (log: Parameters<typeof eventsOf>[0]) =>
    assert.deepEqual(
      new Map((await eventsOf(log)).map(({ position, event }) => [position, event])),
      acknowledged,
    );

  await callers(() => refused > 2_000);
  assert.equal(log.end, log.durableEnd);
  await assertExact(openSegmentLogReader(directory));
  const before = acknowledged.size;
  assert.ok(before > 0);
  await rm(ballast);
  await callers(() => acknowledged.size > before + 200);

  await assertExact(log);
  await assertExact(openSegmentLogReader(directory));
}

async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'segment-log-'));
  t.after(() => rm(directory, { recursive: true }));
  return directory;
}
