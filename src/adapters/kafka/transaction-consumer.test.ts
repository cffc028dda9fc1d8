import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseDecisionJson } from '../../core/decision/decision-json.ts';
import { sampleDecision } from '../../pipeline/event-log.contract.ts';
import { sharedKafka } from '../local-servers/servers.fixture.ts';
import { DeadLetters } from './dead-letters.ts';
import { FeatureUpdates } from './feature-updates.ts';
import { createTopics, readTopic, sendTransactions, settingsFor } from './kafka.fixture.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { type ConsumedRecord, TransactionConsumer } from './transaction-consumer.ts';

async function withTopics(t: TestContext): Promise<KafkaSettings | undefined> {
  const kafka = await sharedKafka(t);
  if (!kafka) return undefined;
  const settings = settingsFor(kafka.bootstrapServers);
  await createTopics(settings);
  return settings;
}

/** Records as they come, until there are so many. */
async function take(consumer: TransactionConsumer, count: number): Promise<ConsumedRecord[]> {
  const records: ConsumedRecord[] = [];
  while (records.length < count) records.push(...(await consumer.next(count - records.length))!);
  return records;
}

async function isSoon(condition: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!(await condition())) {
    assert.ok(performance.now() < untilMs, `not so within ${withinMs} ms`);
    await delay(50);
  }
}

describe('TransactionConsumer', () => {
  test('begins at the earliest, and where the group has committed when it is opened again', async (t) => {
    const settings = await withTopics(t);
    if (!settings) return;
    await sendTransactions(settings, { from: 0, count: 300 });
    {
      await using consumer = await TransactionConsumer.open(settings);
      const records = await take(consumer, 300);
      assert.deepEqual(
        records.map(({ value }) => value?.toString()).sort(),
        Array.from({ length: 300 }, (_, index) => `{"n":${index}}`).sort(),
      );
      const { topic, key, headers, timestampMs } = records[0];
      assert.equal(topic, 'transactions');
      assert.match(String(key), /^user-\d+$/);
      assert.deepEqual(headers, []);
      assert.ok(Math.abs(timestampMs - Date.now()) < 60_000);
      consumer.done(records.filter(({ partition, offset }) => partition !== 3 || offset !== 2));
    }
    await sendTransactions(settings, { from: 300, count: 100 });
    await using again = await TransactionConsumer.open(settings);
    const repeated = (await take(again, 100)).map(({ value }) => Number(JSON.parse(String(value)).n));
    await delay(500);
    const rest = again.lags().reduce((sum, { lag }) => sum + lag, 0);
    assert.ok(rest > 100, 'partition 3 is behind since its third record');
    repeated.push(...(await take(again, rest - 100)).map(({ value }) => Number(JSON.parse(String(value)).n)));
    assert.equal(new Set(repeated).size, rest);
    for (let n = 300; n < 400; n++) assert.ok(repeated.includes(n), `${n} is missing`);
  });

  test('fetches no more than may wait and be in work, until something is done', async (t) => {
    const settings = await withTopics(t);
    if (!settings) return;
    await sendTransactions(settings, { from: 0, count: 3_000, padding: 10_000 });
    const bytesMax = 1_000_000;
    await using consumer = await TransactionConsumer.open(settings, { bytesMax });
    await delay(2_000);
    const first = (await consumer.next(100_000))!;
    const bytes = first.reduce((sum, { value }) => sum + value!.length, 0);
    assert.ok(bytes < bytesMax + 4 * 1_048_576, `${bytes} bytes were ready`);
    const second = consumer.next(100_000);
    const isPaused = await Promise.race([second.then(() => false), delay(500, true)]);
    assert.ok(isPaused, 'nothing is fetched while too much is in work');
    consumer.done(first);
    const next = (await second)!;
    consumer.done(next);
    let count = first.length + next.length;
    while (count < 3_000) {
      const more = (await consumer.next(1_000))!;
      consumer.done(more);
      count += more.length;
    }
  });

  test('knows its lag', async (t) => {
    const settings = await withTopics(t);
    if (!settings) return;
    await sendTransactions(settings, { from: 0, count: 120 });
    await using consumer = await TransactionConsumer.open(settings);
    const records = await take(consumer, 120);
    const total = () => consumer.lags().reduce((sum, { lag }) => sum + lag, 0);
    await isSoon(() => total() === 120);
    assert.equal(consumer.lags().length, 24);
    assert.equal(consumer.lags()[0].consumerGroup, settings.consumerGroup);
    consumer.done(records);
    await isSoon(() => total() === 0);
  });

  test('puts what cannot be read into the dead letters, as it was, with reason and place', async (t) => {
    const settings = await withTopics(t);
    if (!settings) return;
    await sendTransactions(settings, { from: 0, count: 3 });
    await using consumer = await TransactionConsumer.open(settings);
    await using deadLetters = new DeadLetters(settings);
    const records = await take(consumer, 3);
    await Promise.all(
      records.map((record) => deadLetters.send(record, 'amount must be there, found nothing')),
    );
    const letters = await readTopic(settings, 'transactions-dead-letter');
    assert.equal(letters.length, 3);
    for (const { topic, partition, offset, key, value } of records) {
      const letter = letters.find((it) => it.value?.equals(value!));
      assert.deepEqual(letter?.key, key);
      assert.deepEqual(Object.fromEntries(letter!.headers.map(([name, text]) => [name, String(text)])), {
        reason: 'amount must be there, found nothing',
        'source-topic': settings.topicPrefix + topic,
        'source-partition': String(partition),
        'source-offset': String(offset),
      });
    }
  });

  test('feature updates carry the transaction and its features by name', async (t) => {
    const settings = await withTopics(t);
    if (!settings) return;
    await using updates = new FeatureUpdates(settings);
    const event = sampleDecision(5);
    assert.ok(event.kind === 'decision');
    await updates.publish([event.decision], ['a', 'b', 'c', 'd']);
    const [{ key, value }] = await readTopic(settings, 'feature-updates');
    const { transaction, features } = JSON.parse(String(value));
    assert.equal(String(key), event.decision.transaction.userId);
    assert.equal(transaction.transaction_id, event.decision.transaction.transactionId);
    assert.deepEqual(features, { a: 5, b: null, c: 0.5, d: -0 });
    assert.throws(() => parseDecisionJson(String(value)));
  });
});
