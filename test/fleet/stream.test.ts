/** `fraud stream` as people run it: what it cannot read, what it reads twice, and what it does where it decides nothing. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { readTopic } from '../../src/adapters/kafka/kafka.fixture.ts';
import { sharedKafka, sharedRedis } from '../../src/adapters/local-servers/servers.fixture.ts';
import { HttpClient } from '../http-client.ts';
import { later, transactionMessage } from '../http-messages.ts';
import type { Service } from '../start-service.ts';
import {
  decisionsInLog,
  type Environment,
  eventually,
  type Fleet,
  historiesIn,
  type Message,
  metricOf,
  openFleet,
  PATIENT,
  type RawRecord,
  sendRecords,
  sendTransactions,
  startProcess,
} from './fleet.ts';

const TRANSACTIONS = 600;
const USERS = 20;
/** Stands in every bad record, and must stand in no reason. */
const SECRET = 'hunter2-4929';
const USER = `u-${SECRET}`;

test('what cannot be read goes to the dead letters with its reason, and the stream goes on', async (t) => {
  const fleet = await startFleet(t);
  if (!fleet) return;
  const stream = await startProcess(t, fleet, 'stream');
  const good = transactionMessage('letters-good', { user_id: USER });
  const text = JSON.stringify({ ...good, transaction_id: 'letters-bad' });
  const bad: readonly (RawRecord & { readonly reason: RegExp })[] = [
    { key: USER, value: `${SECRET} is no JSON`, reason: /JSON/ },
    {
      key: USER,
      value: text.replace('{', `{"user_id":"${USER}",`),
      reason: /user_id must be there only once/,
    },
    { key: USER, value: text.replace('{', `{"pin":"${SECRET}",`), reason: /pin/ },
    { key: USER, value: `${text.slice(0, -1)}${' '.repeat(70_000)}}`, reason: /at most 65536 bytes/ },
    { key: USER, value: Buffer.concat([Buffer.from(text), Buffer.from([0xff])]), reason: /UTF-8/ },
    { key: USER, value: undefined, reason: /must be there/ },
    {
      key: USER,
      value: JSON.stringify({ ...good, transaction_id: 'letters-late', timestamp: '2099-01-01T00:00:00Z' }),
      reason: /at most a day ahead/,
    },
    { key: USER, value: JSON.stringify({ ...good, amount: 43 }), reason: /another transaction/ },
  ];
  await sendTransactions(fleet.settings, [good]);
  await sendRecords(fleet.settings, 'transactions', bad);
  await sendRecords(fleet.settings, 'labels', [
    { key: USER, value: `{"transaction_id":"letters-${SECRET}","is_fraud":true}` },
  ]);
  await sendTransactions(fleet.settings, [
    transactionMessage('letters-after', { user_id: USER, timestamp: later(60) }),
  ]);

  await eventually(async () => {
    assert.equal(await metricOf(stream, 'fraud_dead_letters_total'), bad.length + 1);
    assert.equal(await metricOf(stream, 'predictions_total'), 2);
  });
  const letters = (await readTopic(fleet.settings, 'transactions-dead-letter')).map(({ value, headers }) => ({
    value,
    headers: Object.fromEntries(headers.map(([name, held]) => [name, held.toString()])),
  }));
  const prefix = fleet.settings.topicPrefix;
  const sources = await readTopic(fleet.settings, 'transactions');
  for (const { value, reason } of bad) {
    const letter = letters.find((found) => isSame(found.value, value) && reason.test(found.headers.reason));
    assert.ok(letter, `no letter with ${reason}: ${letters.map(({ headers }) => headers.reason)}`);
    const { 'source-topic': topic, 'source-partition': partition, 'source-offset': offset } = letter.headers;
    assert.equal(topic, `${prefix}transactions`);
    const source = sources.find((it) => it.partition === Number(partition) && it.offset === Number(offset));
    assert.ok(source && isSame(source.value, value), 'the letter says where its record stands');
  }
  assert.equal(letters.filter(({ headers }) => headers['source-topic'] === `${prefix}labels`).length, 1);
  for (const { headers } of letters) assert.doesNotMatch(JSON.stringify(headers), new RegExp(SECRET));
  assert.doesNotMatch(stream.log(), new RegExp(SECRET), 'and neither does the log');
  const decided = await decisionsInLog(fleet.settings);
  assert.deepEqual([...decided.keys()], ['letters-good', 'letters-after']);
});

test('reading everything again changes no history and no decision', async (t) => {
  const fleet = await startFleet(t);
  if (!fleet) return;
  const serve = await startProcess(t, fleet, 'serve');
  const stream = await startProcess(t, fleet, 'stream');
  const messages = messagesOf('again', TRANSACTIONS);
  await sendTransactions(fleet.settings, messages);
  const labelled = messages.filter((_, index) => index % 20 === 0).map(({ transaction_id: id }) => id);
  await sendRecords(
    fleet.settings,
    'labels',
    labelled.map((id) => ({ key: id, value: JSON.stringify({ transaction_id: id, is_fraud: true }) })),
  );
  await eventually(async () => {
    assert.equal(await metricOf(stream, 'predictions_total'), TRANSACTIONS);
    assert.equal(await metricOf(stream, 'fraud_labels_total'), labelled.length);
  });
  const histories = await historiesIn(fleet.redis);
  const reports = await reportsOf(serve, messages);
  const decisions = await decisionsInLog(fleet.settings);
  assert.equal(decisions.size, TRANSACTIONS);

  const again = await startProcess(t, fleet, 'stream', {
    environment: { KAFKA_CONSUMER_GROUP: 'another-group-from-the-beginning' },
  });
  await eventually(async () => {
    assert.equal(await metricOf(again, 'fraud_repeats_total'), TRANSACTIONS);
    assert.equal(await metricOf(again, 'kafka_consumergroup_lag'), 0);
  });
  assert.equal(await metricOf(again, 'predictions_total'), 0);
  assert.equal(await metricOf(again, 'fraud_labels_total'), 0);
  assert.equal(await metricOf(again, 'fraud_dead_letters_total'), 0);
  assert.deepEqual(await historiesIn(fleet.redis), histories);
  assert.deepEqual(await reportsOf(serve, messages), reports);
  assert.deepEqual(await decisionsInLog(fleet.settings), decisions);
});

test('with SCORE_STREAM=false histories and feature-updates stay fresh, and nothing is decided', async (t) => {
  const fleet = await startFleet(t, { SCORE_STREAM: 'false' });
  if (!fleet) return;
  const stream = await startProcess(t, fleet, 'stream');
  const messages = messagesOf('fresh', USERS * 5);
  await sendTransactions(fleet.settings, messages);
  await eventually(async () => {
    const updates = await readTopic(fleet.settings, 'feature-updates');
    assert.equal(updates.length, messages.length);
  });
  const updates = (await readTopic(fleet.settings, 'feature-updates')).map(({ value }) =>
    JSON.parse(String(value)),
  );
  for (const message of messages) {
    const { transaction, features } = updates.find(
      (update) => update.transaction.transaction_id === message.transaction_id,
    );
    assert.equal(transaction.user_id, message.user_id);
    const before = messages.filter(
      ({ user_id, timestamp }) => user_id === message.user_id && timestamp < message.timestamp,
    );
    assert.equal(features.total_transactions, before.length);
  }
  assert.equal((await decisionsInLog(fleet.settings)).size, 0);
  assert.equal(await metricOf(stream, 'predictions_total'), 0);

  const serve = await startProcess(t, fleet, 'serve', { environment: { SCORE_STREAM: 'true' } });
  using client = new HttpClient(serve.url);
  const next = transactionMessage('fresh-next', { user_id: 'fresh-u-0', timestamp: later(100_000) });
  assert.equal((await client.post('/predict', next)).status, 200);
  const { features } = (await client.get('/decisions/fresh-next')).json;
  assert.equal(features.total_transactions, 5, 'whoever scores finds them');
});

async function startFleet(t: TestContext, environment: Environment = {}): Promise<Fleet | undefined> {
  const redis = await sharedRedis(t);
  const kafka = redis && (await sharedKafka(t));
  return kafka && openFleet({ redis, kafka }, { ...PATIENT, ...environment });
}

function messagesOf(name: string, count: number): Message[] {
  return Array.from({ length: count }, (_, index) =>
    transactionMessage(`${name}-${index}`, {
      user_id: `${name}-u-${index % USERS}`,
      terminal_id: `${name}-m-${index % 7}`,
      timestamp: later(index),
    }),
  );
}

async function reportsOf({ url }: Service, messages: readonly Message[]): Promise<string[]> {
  using client = new HttpClient(url);
  return await Promise.all(
    messages.map(async ({ transaction_id: id }) => (await client.get(`/decisions/${id}`)).text),
  );
}

function isSame(value: Buffer | undefined, other: RawRecord['value']): boolean {
  if (value === undefined || other === undefined) return value === other;
  return value.equals(Buffer.from(other));
}
