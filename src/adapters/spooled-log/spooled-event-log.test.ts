/** On a real broker that is stopped, hangs and comes back. */
import assert from 'node:assert/strict';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryDirectory } from '../../../test/start-service.ts';
import { assertSameEvents, sampleDecision, testEventLog } from '../../pipeline/event-log.contract.ts';
import { type LogEvent, LogUnavailableError } from '../../pipeline/event-log.ts';
import { createTopics, openKafkaLog, readAll, settingsFor } from '../kafka/kafka.fixture.ts';
import type { KafkaSettings } from '../kafka/kafka-settings.ts';
import { type KafkaForTest, sharedKafka, startKafka } from '../local-servers/servers.fixture.ts';
import {
  openSpooledEventLog,
  type SpooledEventLog,
  type SpooledEventLogOptions,
  type SpoolState,
} from './spooled-event-log.ts';

type Place = { readonly settings: KafkaSettings; readonly directory: string };

async function placeOn(t: TestContext, kafka: KafkaForTest): Promise<Place> {
  const settings = settingsFor(kafka.bootstrapServers);
  await createTopics(settings);
  return { settings, directory: await temporaryDirectory(t) };
}

async function openSpooled(
  { settings, directory }: Place,
  options: Partial<SpooledEventLogOptions> = {},
): Promise<SpooledEventLog> {
  const primary = await openKafkaLog(settings, { deliveryTimeoutMs: 2_000 });
  return openSpooledEventLog({ primary, directory, deadlineMs: 500, ...options });
}

testEventLog('SpooledEventLog over KafkaEventLog', async (t) => {
  const kafka = await sharedKafka(t);
  if (!kafka) return undefined;
  const place = await placeOn(t, kafka);
  return async () => ({ log: await openSpooled(place), readAll: () => readFirsts(place.settings) });
});

/** The log as its readers take it: of each id and kind the first. */
async function readFirsts(settings: KafkaSettings): Promise<readonly LogEvent[]> {
  const seen = new Set<string>();
  return (await readAll(settings)).filter((event) => {
    const id = event.kind === 'decision' ? event.decision.transaction.transactionId : JSON.stringify(event);
    return seen.size !== seen.add(`${event.kind} ${id}`).size;
  });
}

/** Appends from several callers until told to stop; returns what was acknowledged, in order, and how long the slowest took. */
function appendAlways(log: SpooledEventLog) {
  const events: LogEvent[] = [];
  let isStopped = false;
  let slowestMs = 0;
  const caller = async () => {
    while (!isStopped) {
      const event = sampleDecision(events.length);
      events.push(event);
      const startedMs = performance.now();
      await log.append([event]).durable;
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      await delay(1);
    }
  };
  const callers = Promise.all(Array.from({ length: 16 }, caller));
  return {
    count: () => events.length,
    slowestMs: () => slowestMs,
    stop: async () => {
      isStopped = true;
      await callers;
      return events;
    },
  };
}

async function isSoon(condition: () => boolean | Promise<boolean>, withinMs = 20_000): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!(await condition())) {
    assert.ok(performance.now() < untilMs, `not so within ${withinMs} ms`);
    await delay(20);
  }
}

describe('SpooledEventLog', () => {
  test('keeps events while the broker is stopped, and forwards them in order when it is back', async (t) => {
    const kafka = await startKafka(t);
    if (!kafka) return;
    const place = await placeOn(t, kafka);
    const changes: SpoolState[] = [];
    await using log = await openSpooled(place, { onChange: (state) => changes.push(state) });
    const load = appendAlways(log);
    await isSoon(() => load.count() > 200);
    await kafka.servers.kill();
    await isSoon(() => log.isSpooling);
    const before = load.count();
    await isSoon(() => load.count() > before + 500);
    assert.ok(log.state.spooledBytes > 0 && log.state.sinceMs !== undefined);
    await kafka.servers.start({ isDetached: false });
    await isSoon(() => !log.isSpooling);
    const after = load.count();
    await isSoon(() => load.count() > after + 200);
    const events = await load.stop();
    await isSoon(() => !log.isSpooling && log.state.spooledBytes === 0);
    assertSameEvents(await readFirsts(place.settings), events);
    assert.deepEqual(
      changes.map(({ isSpooling }) => isSpooling),
      changes.map((_, index) => index % 2 === 0),
    );
  });

  test('a broker that hangs holds nobody up for longer than the deadline and the disk', async (t) => {
    const kafka = await startKafka(t);
    if (!kafka) return;
    const place = await placeOn(t, kafka);
    await using log = await openSpooled(place, { deadlineMs: 100 });
    const load = appendAlways(log);
    await isSoon(() => load.count() > 500);
    await isSoon(() => !log.isSpooling);
    for (let round = 0; round < 2; round++) {
      await kafka.servers.pause();
      await isSoon(() => log.isSpooling);
      const before = load.count();
      await isSoon(() => load.count() > before + 500);
      await kafka.servers.resume();
      await isSoon(() => !log.isSpooling);
    }
    const events = await load.stop();
    t.diagnostic(`${events.length} events, the slowest took ${load.slowestMs().toFixed(0)} ms`);
    assert.ok(load.slowestMs() < 1_000, `${load.slowestMs()} ms`);
    await isSoon(() => !log.isSpooling && log.state.spooledBytes === 0);
    assertSameEvents(await readFirsts(place.settings), events);
  });

  test('starts without a broker, holds so much and no more, and gives the disk back', async (t) => {
    const kafka = await startKafka(t);
    if (!kafka) return;
    const place = await placeOn(t, kafka);
    await kafka.servers.kill();
    const spoolBytesMax = 200_000;
    const { log, events } = await fillSpool(place, spoolBytesMax);
    await using _log = log;
    assert.ok(log.state.spooledBytes < spoolBytesMax + 1_000);
    await kafka.servers.start({ isDetached: false });
    await isSoon(() => !log.isSpooling);
    await log.append([sampleDecision(events.length)]).durable;
    events.push(sampleDecision(events.length));
    await isSoon(() => !log.isSpooling && log.state.spooledBytes === 0);
    assertSameEvents(await readFirsts(place.settings), events);
    const left = await bytesIn(join(place.directory, 'events'));
    assert.ok(left < 50_000 + 1_048_576, `${left} bytes are left`);
  });
});

async function fillSpool(place: Place, spoolBytesMax: number) {
  const log = await openSpooled(place, { spoolBytesMax, segmentBytes: 20_000, deadlineMs: 20 });
  const events: LogEvent[] = [];
  await assert.rejects(async () => {
    for (;;) {
      const event = sampleDecision(events.length);
      await log.append([event]).durable;
      events.push(event);
    }
  }, LogUnavailableError);
  assert.ok(events.length > 500);
  return { log, events };
}

async function bytesIn(directory: string): Promise<number> {
  await mkdir(directory, { recursive: true });
  const sizes = await Promise.all(
    (await readdir(directory)).map(async (name) => (await stat(join(directory, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
