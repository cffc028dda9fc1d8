/** Three brokers under load, of which one is killed, comes back, and another hangs. About 60 s. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { temporaryDirectory } from '../../../test/start-service.ts';
import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import type { EventLog } from '../../pipeline/event-log.ts';
import { startKafka } from '../local-servers/servers.fixture.ts';
import { openSpooledEventLog } from '../spooled-log/spooled-event-log.ts';
import { createTopics, openKafkaLog, readAll, sendTransactions, settingsFor } from './kafka.fixture.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { TopicAdmin } from './topic-admin.ts';
import { TransactionConsumer } from './transaction-consumer.ts';

const CALLERS = 16;

test('one of three brokers killed, then another hung: nothing is lost, nothing out of order', async (t) => {
  const kafka = await startKafka(t, { brokers: 3 });
  if (!kafka) return;
  const plain = settingsFor(kafka.bootstrapServers);
  const spooled = settingsFor(kafka.bootstrapServers);
  for (const settings of [plain, spooled]) await createTopics(settings);
  await using admin = new TopicAdmin(plain);
  assert.ok((await admin.check()).every(({ state }) => state === 'as-wanted'));

  await using plainLog = await openKafkaLog(plain, { deliveryTimeoutMs: 30_000 });
  await using spooledLog = await openSpooledEventLog({
    primary: await openKafkaLog(spooled),
    directory: await temporaryDirectory(t),
    deadlineMs: 100,
  });
  await using consumer = await TransactionConsumer.open(plain, { topics: ['transactions'] });
  const consuming = consumeAll(consumer);
  const loads = [appendAlways(plainLog), appendAlways(spooledLog)];
  let sent = 0;
  const send = async () => {
    await sendTransactions(plain, { from: sent, count: 200 });
    sent += 200;
  };

  await send();
  await delay(2_000);
  await kafka.servers.nodes[0].kill();
  await delay(8_000);
  await send();
  await kafka.servers.nodes[0].start({ isDetached: false });
  await delay(3_000);
  await kafka.servers.nodes[1].pause();
  await delay(8_000);
  await kafka.servers.nodes[1].resume();
  await send();
  await delay(2_000);

  const [plainCount, spooledCount] = await Promise.all(loads.map((load) => load.stop()));
  await isWithin(30_000, () => !spooledLog.isSpooling && spooledLog.state.spooledBytes === 0);
  await isWithin(30_000, () => consuming.size === sent);
  for (const [settings, count] of [
    [plain, plainCount],
    [spooled, spooledCount],
  ] as const) {
    const records = await assertWhole(settings, count);
    t.diagnostic(`${count} decisions acknowledged, ${records} records in the log`);
  }
  for (const [index, load] of loads.entries()) {
    t.diagnostic(`${['without', 'with'][index]} spool the slowest took ${load.slowestMs().toFixed(0)} ms`);
  }
});

function appendAlways(log: EventLog) {
  let count = 0;
  let isStopped = false;
  let slowestMs = 0;
  const caller = async () => {
    while (!isStopped) {
      const startedMs = performance.now();
      await log.append([sampleDecision(count++)]).durable;
      slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      await delay(2);
    }
  };
  const callers = Promise.all(Array.from({ length: CALLERS }, caller));
  return {
    slowestMs: () => slowestMs,
    stop: async () => {
      isStopped = true;
      await callers;
      return count;
    },
  };
}

function consumeAll(consumer: TransactionConsumer): ReadonlySet<number> {
  const seen = new Set<number>();
  void (async () => {
    for (;;) {
      const records = await consumer.next(100);
      if (records === undefined) return;
      for (const { value } of records) seen.add(JSON.parse(String(value)).n);
      consumer.done(records);
    }
  })();
  return seen;
}

/** All decisions from 0 on are there, the first of each in its user's order. */
async function assertWhole(settings: KafkaSettings, count: number): Promise<number> {
  const events = await readAll(settings);
  const seen = new Set<number>();
  const newest = new Map<string, number>();
  for (const event of events) {
    assert.ok(event.kind === 'decision');
    const { transactionId, userId } = event.decision.transaction;
    const index = Number(transactionId.split('-')[1]);
    if (seen.has(index)) continue;
    seen.add(index);
    assert.ok(index > (newest.get(userId) ?? -1), `${index} comes after ${newest.get(userId)}`);
    newest.set(userId, index);
  }
  assert.equal(seen.size, count);
  return events.length;
}

async function isWithin(milliseconds: number, condition: () => boolean): Promise<void> {
  const untilMs = performance.now() + milliseconds;
  while (!condition()) {
    assert.ok(performance.now() < untilMs, `not so within ${milliseconds} ms`);
    await delay(50);
  }
}
