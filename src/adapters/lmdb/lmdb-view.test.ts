import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import fc from 'fast-check';
import { open as openLmdb } from 'lmdb';
import type { Decision } from '../../core/decision/decision.ts';
import { arbitrarySteps, streamOf } from '../../core/features/arbitrary-stream.ts';
import { paymentOf } from '../../core/features/payment-of.ts';
import type { KnownLabel } from '../../core/transaction/label.ts';
import { testDecisionIndex } from '../../pipeline/decision-index.contract.ts';
import { eventsOf, sampleControl } from '../../pipeline/event-log.contract.ts';
import type { LogEvent, PositionedEventLog } from '../../pipeline/event-log.ts';
import { testFeatureStore } from '../../pipeline/feature-store.contract.ts';
import { catchUp } from '../../pipeline/view.ts';
import { openSegmentLog } from '../segment-log/segment-log.ts';
import { openSegmentLogReader } from '../segment-log/segment-log-reader.ts';
import { mountDisk } from '../small-disk.fixture.ts';
import {
  arbitraryLogEvents,
  contentsOf,
  decisionOf,
  playBatch,
  TINY,
  toBatches,
  toLogEvents,
} from './lmdb-view.fixture.ts';
import { LmdbView, type LmdbViewOptions } from './lmdb-view.ts';
import { ViewDiskFullError, ViewFormatError } from './view-environment.ts';

const CRASHES = 16;
const CRASH_WRITER = join(import.meta.dirname, 'crash-writer.fixture.ts');

for (const [name, options] of [
  ['LMDB', {}],
  ['LMDB in tiny sweeps', TINY],
] as const) {
  testFeatureStore(name, async (t) => {
    const place = await temporaryPlace(t);
    return () => openPlace(place, options);
  });
  testDecisionIndex(name, async (t) => {
    const place = await temporaryPlace(t);
    return () => openPlace(place, options);
  });
}

describe('the views on disk', () => {
  test('are the same as made again from the log, whenever memory is lost', async () => {
    const settings = fc.record({
      steps: arbitrarySteps,
      batchSize: fc.integer({ min: 1, max: 40 }),
      /** Memory is lost after every so many batches, and waited for LMDB after every so many. */
      lossEvery: fc.integer({ min: 1, max: 30 }),
      restEvery: fc.integer({ min: 1, max: 9 }),
      options: fc.record({
        sweepHistories: fc.integer({ min: 1, max: 4 }),
        sliceHistories: fc.integer({ min: 1, max: 3 }),
        writeEntries: fc.integer({ min: 1, max: 50 }),
        generationHistories: fc.integer({ min: 1, max: 3 }),
      }),
    });
    const property = fc.asyncProperty(
      settings,
      async ({ steps, batchSize, lossEvery, restEvery, options }) => {
        await using place = await makePlace();
        await using opened = await openPlace(place, options);
        const { view, eventLog } = opened;
        const events = toLogEvents(streamOf(steps));
        for (const [index, batch] of toBatches(events, batchSize).entries()) {
          const [durable] = await playBatch(view, eventLog, batch);
          if (index % restEvery === 0) await delay(1);
          if (index % lossEvery !== 0) continue;
          await durable;
          await view.reset();
          await catchUp(view, eventLog);
        }
        await eventLog.append([]).durable;
        await nextTurn();
        assert.deepEqual(await contentsOf(view, events), await contentsOfRebuilt(eventLog, events));
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  test('are the same as made again from the log after every kill -9', async (t) => {
    let killed = 0;
    for (let crash = 0; crash < CRASHES; crash++) {
      const place = await temporaryPlace(t);
      const seed = Math.floor(Math.random() * 2 ** 31);
      const life = Math.floor(Math.random() * 60);
      const args = ['--disable-warning=ExperimentalWarning', CRASH_WRITER, place.directory, String(seed)];
      // Twice: the second life begins with what the first one left.
      for (const batches of [life, 60 - life]) {
        const { signal, stderr } = spawnSync(process.execPath, [...args, String(batches)], {
          encoding: 'utf8',
        });
        assert.equal(stderr, '', `seed ${seed}, life ${life}`);
        if (signal === 'SIGKILL') killed++;
        await assertWhole(place, `seed ${seed}, killed after ${batches} of ${life} and ${60 - life}`);
      }
    }
    t.diagnostic(`${killed} processes killed`);
    assert.ok(killed > 0);
  });

  test('never show what is not durable', async (t) => {
    const place = await temporaryPlace(t);
    await using opened = await openPlace(place, TINY);
    const { view, eventLog } = opened;
    const landing = Promise.withResolvers<void>();
    const payments = Array.from({ length: 20 }, (_, index) => paymentOf({ userId: `u${index}` }));
    for (const payment of payments) {
      await view.featureStore.record([payment]);
      const decision = decisionOf(payment);
      const { positions, durable } = eventLog.append([{ kind: 'decision', decision }]);
      view.decisionIndex.tookDecisions([decision], positions);
      await durable;
      view.follow(eventLog.end, landing.promise);
    }
    await delay(50);
    assert.deepEqual(storedKeys(place), []);
    landing.resolve();
    await delay(50);
    assert.ok(storedKeys(place).length > 10);
  });

  test('hold nothing of a flight that was lost, even when they are closed', async (t) => {
    const place = await temporaryPlace(t);
    {
      await using opened = await openPlace(place, TINY);
      const { view, eventLog } = opened;
      const before = view.position;
      await view.featureStore.record([paymentOf({}), paymentOf({})]);
      const lost = Promise.reject(new Error('lost'));
      view.follow(1_000_000, lost);
      await nextTurn();
      assert.throws(() => view.follow(1_000_000, Promise.resolve()), /lost/);
      await view.reset();
      await catchUp(view, eventLog);
      await view.flush();
      assert.equal(view.position, before, 'nothing has happened');
      await view.featureStore.record([paymentOf({})]);
      view.follow(1_000_000, Promise.reject(new Error('lost')));
      await nextTurn();
    }
    assert.deepEqual(storedKeys(place), []);
  });

  test('of another format are emptied, and refused where they cannot be', async (t) => {
    const place = await temporaryPlace(t);
    const events = arbitraryLogEvents(1);
    {
      await using opened = await openPlace(place, TINY);
      await playAll(opened, events);
    }
    const raw = openLmdb({ path: place.views, maxDbs: 8 });
    await raw.openDB({ name: 'facts', encoding: 'json' }).put('format', 'of another time');
    await raw.close();
    assert.throws(() => LmdbView.openReadOnly(place.views, openSegmentLogReader(place.log)), ViewFormatError);
    await using opened = await openPlace(place, TINY);
    assert.equal(opened.view.position, 0);
    assert.equal(opened.view.controlHistory.latest, undefined);
    await catchUp(opened.view, opened.eventLog);
    assert.deepEqual(await contentsOf(opened.view, events), await contentsOfRebuilt(opened.eventLog, events));
  });

  test('emptied, are made again from the log', async (t) => {
    await using opened = await openPlace(await temporaryPlace(t), TINY);
    const { view, eventLog } = opened;
    const events = arbitraryLogEvents(2);
    await playAll(opened, events);
    await view.empty();
    assert.equal(view.position, 0);
    assert.equal(await catchUp(view, eventLog), events.length);
    await view.flush();
    assert.equal(view.position, eventLog.end);
    await view.reset();
    assert.deepEqual(await contentsOf(view, events), await contentsOfRebuilt(eventLog, events));
  });

  test('can be read beside the process that writes them', async (t) => {
    const place = await temporaryPlace(t);
    await using opened = await openPlace(place, TINY);
    const { view, eventLog } = opened;
    const events = arbitraryLogEvents(3);
    for (const batch of toBatches(events, 11)) {
      await (await playBatch(view, eventLog, batch))[0];
      await nextTurn();
    }
    while (view.position === 0) await delay(5); // a loaded machine takes its time to commit the first sweep
    const script = `
      const { LmdbView } = await import(${JSON.stringify(import.meta.resolve('./lmdb-view.ts'))});
      const { contentsOf, arbitraryLogEvents } = await import(${JSON.stringify(import.meta.resolve('./lmdb-view.fixture.ts'))});
      const { openSegmentLogReader } = await import(${JSON.stringify(import.meta.resolve('../segment-log/segment-log-reader.ts'))});
      const log = openSegmentLogReader(${JSON.stringify(place.log)});
      const view = LmdbView.openReadOnly(${JSON.stringify(place.views)}, log);
      let applied = 0;
      for await (const batch of log.read(view.position)) {
        for (const logged of batch) view.apply(logged);
        view.follow(batch.at(-1).nextPosition, Promise.resolve());
        applied += batch.length;
      }
      console.log(JSON.stringify({ applied, contents: await contentsOf(view, arbitraryLogEvents(3)) }));
      await view[Symbol.asyncDispose]();`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    assert.equal(stderr.replace(/.*ExperimentalWarning.*\n.*\n/, ''), '');
    const { applied, contents } = JSON.parse(stdout);
    assert.ok(applied < events.length, 'most of it was in the views');
    assert.deepEqual(contents, JSON.parse(JSON.stringify(await contentsOf(view, events))));
  });
});

describe('a view on a disk with no room left', () => {
  test('says so at the next follow, loses nothing, and goes on once there is room and it was reset', async (t) => {
    using disk = mountDisk(t, { bytes: 48 * 1024 * 1024 });
    if (!disk) return;
    await using opened = await openPlace(await makePlaceIn(disk.path), TINY);
    const { view, eventLog } = opened;
    const events: LogEvent[] = [sampleControl(1)];
    const payments = Array.from({ length: 400 }, (_, index) => paymentOf({ userId: `u${index}` }));
    for (const payment of payments) events.push({ kind: 'decision', decision: decisionOf(payment) });
    const batches = toBatches(events, 10);
    for (const batch of batches.slice(0, 10)) await (await playBatch(view, eventLog, batch))[0];
    await view.flush();
    const position = view.position;
    const filler = join(disk.path, 'filler');
    await writeFile(filler, Buffer.alloc(20 * 1024 * 1024));
    await assert.rejects(async () => {
      for (const batch of batches.slice(10)) {
        await (await playBatch(view, eventLog, batch))[0];
        await delay(2);
      }
    }, ViewDiskFullError);
    await assert.rejects(view.flush(), ViewDiskFullError);
    assert.ok(view.position <= eventLog.durableEnd);
    assert.ok(view.position === position, 'no sweep has ended');
    await rm(filler);

    await view.reset();
    await catchUp(view, eventLog);
    const logged = (await eventsOf(eventLog)).map(({ event }) => event);
    assert.deepEqual(await contentsOf(view, logged), await contentsOfRebuilt(eventLog, logged));
    await view.flush();
    await view.reset();
    assert.equal(view.position, eventLog.end);
    assert.deepEqual(await contentsOf(view, logged), await contentsOfRebuilt(eventLog, logged));
  });
});

type Place = AsyncDisposable & { readonly directory: string; readonly log: string; readonly views: string };

function makePlace(): Promise<Place> {
  return makePlaceIn(tmpdir());
}

async function makePlaceIn(parent: string): Promise<Place> {
  const directory = await mkdtemp(join(parent, 'lmdb-view-'));
  const log = join(directory, 'log');
  await mkdir(log);
  const remove = () => rm(directory, { recursive: true });
  return { directory, log, views: join(directory, 'views'), [Symbol.asyncDispose]: remove };
}

async function temporaryPlace(t: TestContext): Promise<Place> {
  const place = await makePlace();
  t.after(() => place[Symbol.asyncDispose]());
  return place;
}

type Opened = Awaited<ReturnType<typeof openPlace>>;

async function openPlace(place: Place, options: LmdbViewOptions) {
  const eventLog = await openSegmentLog(place.log);
  const view = await LmdbView.open(place.views, eventLog, options);
  return {
    view,
    eventLog,
    featureStore: view.featureStore,
    decisionIndex: view.decisionIndex,
    log: (decisions: readonly Decision[]) => {
      const appended = eventLog.append(decisions.map((decision) => ({ kind: 'decision', decision })));
      view.tookDecisions(decisions, appended);
      return appended.durable;
    },
    logLabels: (labels: readonly KnownLabel[]) => {
      const appended = eventLog.append(labels.map((label) => ({ kind: 'label', label })));
      view.tookLabels(labels, appended);
      return appended.durable;
    },
    [Symbol.asyncDispose]: async () => {
      await eventLog.append([]).durable;
      await view[Symbol.asyncDispose]();
      await eventLog[Symbol.asyncDispose]();
    },
  };
}

async function playAll({ view, eventLog }: Opened, events: readonly LogEvent[]): Promise<void> {
  for (const batch of toBatches(events, 20)) await (await playBatch(view, eventLog, batch))[0];
}

/** What views made from the whole log, kept in memory, hold. */
async function contentsOfRebuilt(
  log: PositionedEventLog,
  events: readonly LogEvent[],
): Promise<Record<string, unknown>> {
  await using place = await makePlace();
  await using view = await LmdbView.open(place.views, log);
  await catchUp(view, log);
  return await contentsOf(view, events);
}

async function assertWhole(place: Place, message: string): Promise<void> {
  await using log = await openSegmentLog(place.log);
  const events = (await eventsOf(log)).map(({ event }) => event);
  await using view = LmdbView.openReadOnly(place.views, log);
  await catchUp(view, log);
  assert.deepEqual(await contentsOf(view, events), await contentsOfRebuilt(log, events), message);
}

/** Keys of all histories and index entries on disk, whoever has the views open. */
function storedKeys({ views }: Place): string[] {
  const raw = openLmdb({ path: views, maxDbs: 8, readOnly: true });
  const names = ['users', 'terminals', 'decisions'];
  return names.flatMap((name) => [...raw.openDB<Buffer, string>({ name, encoding: 'binary' }).getKeys()]);
}
