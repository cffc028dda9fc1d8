import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { eventsOf, sampleDecision, sampleLabel } from '../../pipeline/event-log.contract.ts';
import type { LogEvent, LoggedEvent } from '../../pipeline/event-log.ts';
import { listSegmentStarts, segmentPath } from './segment-files.ts';
import { openSegmentLog } from './segment-log.ts';
import { SegmentLogCorruptError } from './segment-log-errors.ts';
import { openSegmentLogReader } from './segment-log-reader.ts';

const FLIGHTS = 4;
const EVENTS_A_FLIGHT = 2;

describe('a log that ended anyhow', () => {
  test('cut at any byte of its last frames, keeps the whole events before', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const whole = await readFile(path);
    const frameBefore = events[events.length - EVENTS_A_FLIGHT - 1].position;
    for (let length = frameBefore; length <= whole.length; length++) {
      await writeFile(path, whole.subarray(0, length));
      await assertHolds(directory, eventsWithin(events, length), length);
    }
  });

  test('with zeros from any byte of its last flight on, as prepared space leaves it', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const whole = await readFile(path);
    for (let length = lastFlight(events); length <= whole.length; length++) {
      const bytes = Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length + 1_000)]);
      await writeFile(path, bytes);
      // A byte that was zero anyway is not missed.
      const lost = whole.subarray(length).findIndex((byte) => byte !== 0);
      await assertHolds(directory, eventsWithin(events, lost < 0 ? whole.length : length + lost), length);
    }
  });

  test('with any parts of its last flight missing, keeps a beginning of it and all before', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const whole = await readFile(path);
    const from = lastFlight(events);
    const byte = fc.integer({ min: from, max: whole.length });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(byte, byte), { minLength: 1, maxLength: 3 }), async (holes) => {
        const bytes = Buffer.from(whole);
        for (const [one, other] of holes) bytes.fill(0, Math.min(one, other), Math.max(one, other));
        await writeFile(path, bytes);
        const firstLost = bytes.findIndex((value, index) => value !== whole[index]);
        await assertHolds(directory, eventsWithin(events, firstLost < 0 ? whole.length : firstLost), from);
      }),
      { numRuns: 100 },
    );
  });

  test('goes on where it was cut, and reports how much and where', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const last = events[events.length - 1];
    const tornBytes = 20; // ends in the middle of the label, with a byte that is not zero
    await truncate(path, last.position + tornBytes);
    {
      await using log = await openSegmentLog(directory);
      assert.deepEqual(log.recovery, { path, end: last.position, tornBytes });
      const appended = log.append([sampleDecision(99)]);
      await appended.durable;
      assert.deepEqual(appended.positions, [last.position]);
    }
    await using log = await openSegmentLog(directory);
    const kept = [...events.slice(0, -1).map(({ event }) => event), sampleDecision(99)];
    assert.deepEqual(
      (await eventsOf(log)).map(({ event }) => event),
      kept,
    );
    assert.equal(log.recovery.tornBytes, 0);
  });

  test('never sees again what was cut off, even if the next events end exactly where that began', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const torn = await readFile(path);
    torn[lastFlight(events) + 20] ^= 1;
    await writeFile(path, torn);
    await using log = await openSegmentLog(directory);
    const again = events[events.length - EVENTS_A_FLIGHT].event;
    await log.append([again]).durable;
    const expected = events.slice(0, 1 - EVENTS_A_FLIGHT);
    assert.deepEqual(await eventsOf(log), expected);
    assert.deepEqual(await eventsOf(openSegmentLogReader(directory)), expected);
  });
});

describe('a damaged log', () => {
  test('with any byte before its last flight changed is refused and left as it is', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    const whole = await readFile(path);
    for (let offset = 0; offset < lastFlight(events); offset++) {
      const bytes = Buffer.from(whole);
      bytes[offset] ^= 1 << (offset % 8);
      await writeFile(path, bytes);
      const { position } = events.findLast((event) => event.position <= offset)!;
      const names = {
        name: 'Error',
        code: 'segment-log-corrupt',
        message: RegExp(`${path} .*byte ${position} `),
      };
      await assert.rejects(openSegmentLog(directory), names);
      await assert.rejects(eventsOf(openSegmentLogReader(directory)), names);
      assert.deepEqual(await readFile(path), bytes);
    }
  });

  test('with a segment cut short or gone is refused', async (t) => {
    const { directory } = await writtenLog(t, { segmentBytes: 1 });
    const starts = await listSegmentStarts(directory);
    assert.ok(starts.length > 2);
    const middle = segmentPath(directory, starts[1]);
    const whole = await readFile(middle);
    await truncate(middle, whole.length - 1);
    await assert.rejects(openSegmentLog(directory), SegmentLogCorruptError);
    await rm(middle);
    await assert.rejects(openSegmentLog(directory), SegmentLogCorruptError);
    await writeFile(middle, whole);
    await using log = await openSegmentLog(directory);
    assert.equal((await eventsOf(log)).length, FLIGHTS * EVENTS_A_FLIGHT);
  });

  test('damaged after it was opened is refused by whoever reads there', async (t) => {
    const { directory, events, path } = await writtenLog(t);
    await using log = await openSegmentLog(directory);
    const bytes = await readFile(path);
    bytes[events[4].position + 20] ^= 1;
    await writeFile(path, bytes);
    await assert.rejects(eventsOf(log), SegmentLogCorruptError);
    await assert.rejects(log.readAt(events[4].position), SegmentLogCorruptError);
    assert.deepEqual(await log.readAt(events[5].position), events[5].event);
    await assert.rejects(log.readAt(events[5].position + 1), SegmentLogCorruptError);
  });
});

type WrittenLog = { directory: string; path: string; events: LoggedEvent[] };

/** A closed log of a few flights; `path` is its first segment's. */
async function writtenLog(t: TestContext, { segmentBytes = 1_000_000 } = {}): Promise<WrittenLog> {
  const directory = await mkdtemp(join(tmpdir(), 'segment-log-'));
  t.after(() => rm(directory, { recursive: true }));
  await using log = await openSegmentLog(directory, { segmentBytes });
  for (let flight = 0; flight < FLIGHTS; flight++) {
    const indexes = Array.from({ length: EVENTS_A_FLIGHT }, (_, index) => flight * EVENTS_A_FLIGHT + index);
    await log.append(indexes.map(sampleEvent)).durable;
  }
  return { directory, path: segmentPath(directory, 0), events: await eventsOf(log) };
}

/** Every other one a label, so that the log is short and every byte of it can be tried. */
function sampleEvent(index: number): LogEvent {
  return index % 2 === 0 ? sampleDecision(index) : sampleLabel(index);
}

function lastFlight(events: readonly LoggedEvent[]): number {
  return events[events.length - EVENTS_A_FLIGHT].position;
}

function eventsWithin(events: readonly LoggedEvent[], length: number): LoggedEvent[] {
  return events.filter(({ nextPosition }) => nextPosition <= length);
}

/** For a reader without a lock, which changes nothing, and for the next writer, which cuts off what is torn. */
async function assertHolds(directory: string, events: LoggedEvent[], where: number): Promise<void> {
  assert.deepEqual(await eventsOf(openSegmentLogReader(directory)), events, `read only, byte ${where}`);
  await using log = await openSegmentLog(directory);
  assert.deepEqual(await eventsOf(log), events, `byte ${where}`);
  assert.equal(log.end, events.at(-1)?.nextPosition ?? 0);
}
