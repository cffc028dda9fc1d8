import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sampleControl, sampleDecision, testEventLog } from '../../pipeline/event-log.contract.ts';
import { LogUnavailableError } from '../../pipeline/event-log.ts';
import { sharedKafka } from '../local-servers/servers.fixture.ts';
import { createTopics, openKafkaLog, readAll, settingsFor } from './kafka.fixture.ts';
import { KafkaEventLog } from './kafka-event-log.ts';
import { type ReadProgress, readControls, readLog } from './read-log.ts';

testEventLog('KafkaEventLog', async (t) => {
  const kafka = await sharedKafka(t);
  if (!kafka) return undefined;
  const settings = settingsFor(kafka.bootstrapServers);
  await createTopics(settings);
  return async () => ({ log: await openKafkaLog(settings), readAll: () => readAll(settings) });
});

describe('KafkaEventLog', () => {
  test('learns from the log which features a decision’s document names', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    await createTopics(settings);
    {
      await using log = new KafkaEventLog(settings);
      await log.warmUp();
      assert.throws(() => log.append([sampleDecision(1)]), LogUnavailableError);
      await log.append([sampleControl(3), sampleControl(2)]).durable;
      await log.append([sampleDecision(1)]).durable;
    }
    const versions = (await readControls(settings)).map(({ version }) => version);
    assert.deepEqual(versions, [2, 3]);
    await using other = new KafkaEventLog(settings);
    await other.warmUp();
    await other.append([sampleDecision(2)]).durable;
  });

  test('takes no more than it may hold, and nothing of a call that is too much', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    await createTopics(settings);
    await using log = await openKafkaLog(settings, { waitingBytesMax: 20_000 });
    const durable: Promise<void>[] = [];
    assert.throws(() => {
      for (;;) durable.push(log.append([sampleDecision(durable.length)]).durable);
    }, LogUnavailableError);
    assert.ok(durable.length > 5);
    await Promise.all(durable);
    await log.append([sampleDecision(durable.length)]).durable;
    assert.equal((await readAll(settings)).length, durable.length + 1);
  });

  test('rejects what nobody acknowledges in time, with all behind it, and goes on', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    await createTopics(settings);
    await using log = await openKafkaLog(settings, { deliveryTimeoutMs: 500 });
    await log.append([sampleDecision(0)]).durable;
    await kafka.servers.pause();
    try {
      const calls = [log.append([sampleDecision(1)]), log.append([sampleDecision(2)])];
      const outcomes = await Promise.allSettled(calls.map(({ durable }) => durable));
      for (const outcome of outcomes) {
        assert.ok(outcome.status === 'rejected' && outcome.reason instanceof LogUnavailableError);
      }
    } finally {
      await kafka.servers.resume();
    }
    await using other = await openKafkaLog(settings);
    await other.append([sampleDecision(3)]).durable;
  });

  test('is read with progress, up to where it ended at the start', async (t) => {
    const kafka = await sharedKafka(t);
    if (!kafka) return;
    const settings = settingsFor(kafka.bootstrapServers);
    await createTopics(settings);
    await using log = await openKafkaLog(settings);
    await log.append(Array.from({ length: 1_000 }, (_, index) => sampleDecision(index))).durable;
    const progress: ReadProgress[] = [];
    let count = 0;
    for await (const batch of readLog(settings, { onProgress: (it) => progress.push(it) })) {
      if (count === 0) await log.append([sampleDecision(1_000)]).durable;
      count += batch.length;
    }
    assert.equal(count, 1_000);
    assert.deepEqual(progress.at(-1), { topic: 'predictions', read: 1_000, total: 1_000 });
  });
});
